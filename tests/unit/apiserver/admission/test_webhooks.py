"""Webhooks over real HTTP: questions and answers, patches, refusals, failures, dry runs and second rounds."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from kubepy import pki
from kubepy.api.errors import BadRequest, InternalError, StatusError
from tests.support.admission import Bench, named

GROUP = "admissionregistration.k8s.io"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE", "DELETE"], "resources": ["configmaps"]}
Answerer = Callable[[dict[str, Any]], dict[str, Any]]


class Hooks:
    """A server of webhooks: path → how to answer a request; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answerer] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.port = 0

    async def handle(self, request: web.Request) -> web.Response:
        review = orjson.loads(await request.read())
        self.asked.append((request.path, review["request"]))
        response = {"uid": review["request"]["uid"], "allowed": True, **self.answers[request.path](review["request"])}
        if "status_code" in response:
            return web.Response(status=response["status_code"], text="out of order")
        body = {"kind": "AdmissionReview", "apiVersion": review["apiVersion"], "response": response}
        return web.json_response(body)

    def webhook(self, path: str, answer: Answerer, **more: Any) -> dict[str, Any]:
        self.answers[path] = answer
        return {
            "name": f"{path[1:]}.example.com", "clientConfig": {"url": f"http://127.0.0.1:{self.port}{path}"}, "rules": [RULE],
            "sideEffects": "None", "admissionReviewVersions": ["v1"], **more,
        }  # fmt: skip


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    hooks = Hooks()
    app = web.Application()
    app.router.add_post("/{tail:.*}", hooks.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hooks.port = runner.addresses[0][1]
    yield hooks
    await runner.cleanup()


def mutating(*webhooks: dict[str, Any]) -> tuple[str, str, Any]:
    return GROUP, "mutatingwebhookconfigurations", {**named("m"), "webhooks": list(webhooks)}


def validating(*webhooks: dict[str, Any]) -> tuple[str, str, Any]:
    return GROUP, "validatingwebhookconfigurations", {**named("v"), "webhooks": list(webhooks)}


def patched(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"patchType": "JSONPatch", "patch": base64.b64encode(orjson.dumps(operations)).decode()}


def config_map(**more: Any) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", **named("x", "ns", **more)}


async def run(bench: Bench, *args: Any, **more: Any) -> Any:
    try:
        return await bench.create("configmaps", *args, **more)
    finally:
        await bench.chain.close()


async def test_a_webhook_is_asked_and_may_patch(hooks: Hooks) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        operation = {"op": "add", "path": "/data", "value": {"k": "v"}}
        return {**patched(operation), "warnings": ["careful"], "auditAnnotations": {"seen": "yes"}}

    bench = Bench(mutating(hooks.webhook("/a", answer)))
    made, ctx = await run(bench, config_map())
    assert made["data"] == {"k": "v"}
    assert ctx.warnings == ["careful"]
    assert ctx.audit["a.example.com/seen"] == "yes"
    _, request = hooks.asked[0]
    assert request["operation"] == "CREATE"
    assert request["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert request["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert (request["name"], request["namespace"], request["dryRun"]) == ("x", "ns", False)
    assert request["userInfo"]["username"] == "admin"
    assert request["object"]["metadata"]["name"] == "x"
    assert request["oldObject"] is None
    assert request["options"]["kind"] == "CreateOptions"


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        ({"message": "no way", "code": 403, "reason": "Forbidden"}, 'admission webhook "a.example.com" denied the request: no way', 403),
        ({"reason": "Because"}, 'admission webhook "a.example.com" denied the request: Because', 400),
        (None, 'admission webhook "a.example.com" denied the request without explanation', 400),
    ],
)
async def test_refusals(hooks: Hooks, status: dict[str, Any] | None, message: str, code: int) -> None:
    bench = Bench(validating(hooks.webhook("/a", lambda r: {"allowed": False, "status": status})))
    with pytest.raises(StatusError) as caught:
        await run(bench, config_map())
    assert (caught.value.message, caught.value.status_code) == (message, code)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"status_code": 500}, 'failed to call webhook: an error on the server ("out of order") has prevented the request from succeeding'),
        ({"patch": "%", "patchType": "JSONPatch"}, "failed to call webhook: illegal base64 data at input byte 0"),
        ({"patch": "e30=", "patchType": "Merge"}, 'unsupported patch type "Merge"'),
        ({"uid": "other"}, "received invalid webhook response: expected response.uid="),
        ({"patch": "e30="}, "received invalid webhook response: webhook returned response.patch but not response.patchType"),
    ],
)
async def test_failures_follow_the_failure_policy(hooks: Hooks, answer: dict[str, Any], text: str) -> None:
    bench = Bench(mutating(hooks.webhook("/a", lambda r: answer)))
    with pytest.raises(InternalError) as caught:
        await run(bench, config_map())
    assert caught.value.message.startswith(f'Internal error occurred: failed calling webhook "a.example.com": {text}')
    bench = Bench(mutating(hooks.webhook("/a", lambda r: answer, failurePolicy="Ignore")))
    _, ctx = await run(bench, config_map())
    assert ctx.audit["failed-open.mutation.webhook.admission.k8s.io/round_0_index_0"] == "a.example.com"


async def test_nobody_listens(hooks: Hooks) -> None:
    webhook = hooks.webhook("/a", lambda r: {}, clientConfig={"service": {"name": "none", "namespace": "ns", "path": "/p"}})
    bench = Bench(validating(webhook))
    with pytest.raises(InternalError, match=r'Post "https://none.ns.svc:443/p\?timeout=10s": service "none" not found'):
        await run(bench, config_map())


@pytest.fixture
async def secure(hooks: Hooks, tmp_path: Path) -> AsyncIterator[tuple[int, str]]:
    """The same webhooks over TLS, as the service `hook` in `ns`: port and CA bundle."""
    ca = pki.new_ca("hooks")
    pair = pki.issue(ca, "hook", names=["hook.ns.svc"], server=True, client=False)
    (tmp_path / "crt").write_bytes(pair.cert_pem)
    (tmp_path / "key").write_bytes(pair.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    app = web.Application()
    app.router.add_post("/{tail:.*}", hooks.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield runner.addresses[0][1], base64.b64encode(ca.cert_pem).decode()
    await runner.cleanup()


async def test_a_service_is_reached_through_its_endpoints(hooks: Hooks, secure: tuple[int, str]) -> None:
    port, bundle = secure
    service = named("hook", "ns", spec={"clusterIP": "10.0.0.1", "ports": [{"port": 443, "name": "https"}], "selector": {"a": "b"}})
    piece = named("hook-1", "ns", ports=[{"port": port, "name": "https"}], endpoints=[{"addresses": ["127.0.0.1"]}])
    piece["metadata"]["labels"] = {"kubernetes.io/service-name": "hook"}
    objects = (("", "services", service), ("discovery.k8s.io", "endpointslices", piece))
    target = {"service": {"name": "hook", "namespace": "ns", "path": "/a"}, "caBundle": bundle}
    answer = {"allowed": False, "status": {"message": "reached"}}
    bench = Bench(*objects, validating(hooks.webhook("/a", lambda r: answer, clientConfig=target)))
    with pytest.raises(StatusError, match="denied the request: reached"):
        await run(bench, config_map())
    stranger = base64.b64encode(pki.new_ca("other").cert_pem).decode()
    bench = Bench(*objects, validating(hooks.webhook("/a", lambda r: answer, clientConfig={**target, "caBundle": stranger})))
    with pytest.raises(InternalError, match="tls: failed to verify certificate: x509: "):
        await run(bench, config_map())


async def test_selectors_conditions_and_dry_runs(hooks: Hooks) -> None:
    picky = hooks.webhook(
        "/a", lambda r: {"allowed": False},
        objectSelector={"matchLabels": {"checked": "yes"}},
        matchConditions=[{"name": "c", "expression": "object.metadata.name == 'x'"}],
    )  # fmt: skip
    bench = Bench(validating(picky))
    await bench.create("configmaps", config_map())
    labelled = config_map()
    labelled["metadata"]["labels"] = {"checked": "yes"}
    with pytest.raises(StatusError, match="without explanation"):
        await bench.create("configmaps", labelled)
    labelled["metadata"]["name"] = "y"
    await bench.create("configmaps", labelled)
    await bench.chain.close()
    careless = hooks.webhook("/b", lambda r: {}, sideEffects="Some")
    with pytest.raises(BadRequest, match=r'admission webhook "b.example.com" does not support dry run'):
        await run(Bench(validating(careless)), config_map(), dry_run=True)


async def test_a_webhook_that_asks_for_it_sees_later_changes(hooks: Hooks) -> None:
    def count(request: dict[str, Any]) -> dict[str, Any]:
        seen = len(request["object"].get("data") or {})
        return patched({"op": "add", "path": "/metadata/annotations", "value": {"seen": str(seen)}})

    def add(request: dict[str, Any]) -> dict[str, Any]:
        return {} if request["object"].get("data") else patched({"op": "add", "path": "/data", "value": {"k": "v"}})

    first = hooks.webhook("/count", count, reinvocationPolicy="IfNeeded")
    made, _ = await run(Bench(mutating(first, hooks.webhook("/add", add))), config_map())
    assert made["metadata"]["annotations"] == {"seen": "1"}
    assert [path for path, _ in hooks.asked] == ["/count", "/add", "/count"]


async def test_a_service_is_asked_at_its_root_where_no_path_is_given(hooks: Hooks) -> None:
    bench = Bench(validating(hooks.webhook("/a", lambda r: {}, clientConfig={"service": {"name": "none", "namespace": "ns"}})))
    with pytest.raises(InternalError, match=r'Post "https://none.ns.svc:443/\?timeout=10s"'):
        await run(bench, config_map())
