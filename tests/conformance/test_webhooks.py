"""[sig-api-machinery] AdmissionWebhook and CustomResourceConversionWebhook, against a webhook server of the test's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conformance.backend import Backend, denied, patched
from tests.conformance.crds import definition, established
from tests.conformance.plane import Obj, Plane, meta, path_of, pod, running, unique, until

VALIDATING = "validatingwebhookconfigurations.admissionregistration.k8s.io"
MUTATING = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
Register = Callable[..., str]


@pytest.fixture
def register(plane: Plane, ns: str, backend: Backend) -> Iterator[Register]:
    """Make a webhook configuration for the test's namespace: (what, decide, groups, resources, operations, …) → its name."""
    made: list[tuple[str, str]] = []

    def do(
        what: str, decide: Callable[[Obj], Obj], resources: list[str], operations: tuple[str, ...] = ("CREATE",), *,
        group: str = "", scoped: bool = True, labels: dict[str, str] | None = None, ready: bool = True, **more: Any,
    ) -> str:  # fmt: skip
        name = unique("hook")
        backend.review(f"/{name}", decide)
        hook: Obj = {
            "name": "deny.k8s.io",
            "clientConfig": backend.client(f"/{name}"),
            "rules": [{"operations": list(operations), "apiGroups": [group], "apiVersions": ["*"], "resources": resources}],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1", "v1beta1"],
            **({"namespaceSelector": {"matchLabels": {"e2e-run": ns}}} if scoped else {}),
            **more,
        }
        plane.create(what, {"metadata": meta(name, labels=labels or {}), "webhooks": [hook]})
        made.append((what, name))
        return name

    yield do
    for what, name in made:
        plane.http.delete(path_of(what, "", name))


def no(request: Obj) -> Obj:
    return denied("the webhook says no")


def configmap(name: str, **data: str) -> Obj:
    return {"metadata": meta(name), "data": data}


def refused(answer: Obj, text: str = "the webhook says no") -> None:
    assert answer["message"] == f'admission webhook "deny.k8s.io" denied the request: {text}', answer


def test_discovery_has_the_webhook_resources(plane: Plane) -> None:
    groups = {g["name"]: [v["version"] for v in g["versions"]] for g in plane.call("GET", "/apis")["groups"]}
    assert "v1" in groups["admissionregistration.k8s.io"]


def test_deny_pods_and_configmaps(plane: Plane, ns: str, register: Register) -> None:
    def decide(request: Obj) -> Obj:
        bad = request["object"].get("data", {}).get("webhook-e2e-test") == "webhook-disallow" or request["kind"]["kind"] == "Pod"
        return no(request) if bad else {"allowed": True}

    register(VALIDATING, decide, ["pods", "configmaps"], ("CREATE", "UPDATE"))
    until(lambda: plane.http.post(path_of("pods", ns), json=pod("p")).status_code != 201)
    refused(plane.create("pods", pod("p"), ns, code=400))
    bad = {"webhook-e2e-test": "webhook-disallow"}
    refused(plane.create("configmaps", configmap("c", **bad), ns, code=400))
    plane.create("configmaps", configmap("c"), ns)
    plane.patch("configmaps", "c", {"data": bad}, ns, code=400)
    now = plane.get("configmaps", "c", ns)
    now["data"] = bad
    plane.update("configmaps", now, code=400)
    plane.create("configmaps", configmap("skip", **bad), "default")  # another namespace
    plane.delete("configmaps", "skip", "default")


def test_deny_attaching(plane: Plane, ns: str, register: Register) -> None:
    plane.create("pods", pod("p"), ns)
    plane.until_list("pods", ns, running)
    register(VALIDATING, lambda r: denied("attaching to pod 'p' is not allowed"), ["pods/attach"], ("CONNECT",))
    answer = plane.http.post(path_of("pods", ns, "p", "attach"), params={"container": "c"})
    refused(answer.json(), "attaching to pod 'p' is not allowed")


def test_fail_closed(plane: Plane, ns: str, register: Register) -> None:
    name = register(VALIDATING, no, ["configmaps"], clientConfig={"url": "https://127.0.0.1:1/", "caBundle": ""}, failurePolicy="Fail")
    got = plane.create("configmaps", configmap("c"), ns, code=500)
    assert got["reason"] == "InternalError" and 'failed calling webhook "deny.k8s.io"' in got["message"]
    plane.delete(VALIDATING, name)


def test_mutate_configmaps_in_two_stages(plane: Plane, ns: str, register: Register) -> None:
    for i, before in ((1, "mutation-start"), (2, "mutation-stage-1")):

        def decide(request: Obj, i: int = i, before: str = before) -> Obj:
            if request["object"].get("data", {}).get(before) != "yes":
                return {"allowed": True}
            return patched({"op": "add", "path": f"/data/mutation-stage-{i}", "value": "yes"})

        register(MUTATING, decide, ["configmaps"])
    got = plane.create("configmaps", configmap("c", **{"mutation-start": "yes"}), ns)
    assert set(got["data"]) == {"mutation-start", "mutation-stage-1", "mutation-stage-2"}


def test_mutate_pods_and_default_afterwards(plane: Plane, ns: str, register: Register) -> None:
    added = {"image": "webhook-added-image", "name": "webhook-added-init-container", "resources": {}}
    register(MUTATING, lambda r: patched({"op": "add", "path": "/spec/initContainers", "value": [added]}), ["pods"])
    (init,) = plane.create("pods", pod("p"), ns)["spec"]["initContainers"]
    assert init["terminationMessagePolicy"] == "File" and init["imagePullPolicy"] == "Always"


def test_mutate_everything_except_what_is_skipped(plane: Plane, ns: str, register: Register) -> None:
    skip = {"matchExpressions": [{"key": "skip-me", "operator": "NotIn", "values": ["yes"]}]}
    register(
        MUTATING, lambda r: patched({"op": "add", "path": "/data", "value": {"m": "1"}}), ["*"], ("CREATE", "UPDATE"), objectSelector=skip
    )
    assert plane.create("configmaps", configmap("c"), ns)["data"] == {"m": "1"}
    skipped = {"metadata": meta("s", labels={"skip-me": "yes"})}
    assert "data" not in plane.create("configmaps", skipped, ns)


def test_webhook_configurations_are_out_of_reach(plane: Plane, ns: str, register: Register) -> None:
    everything = ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]
    group, verbs = "admissionregistration.k8s.io", ("CREATE", "UPDATE", "DELETE")
    match = {"matchLabels": {"e2e-run": ns}}
    register(VALIDATING, no, everything, verbs, group=group, scoped=False, objectSelector=match)
    label = {"op": "add", "path": "/metadata/labels/mutated", "value": "yes"}
    register(MUTATING, lambda r: patched(label), everything, verbs, group=group, scoped=False, objectSelector=match)
    for what in (VALIDATING, MUTATING):
        name = register(what, no, ["nothing"], labels={"e2e-run": ns})
        assert plane.get(what, name)["metadata"]["labels"] == {"e2e-run": ns}
        plane.delete(what, name)
        plane.gone(what, name)


@pytest.mark.parametrize(("timeout", "policy", "code"), [(1, "Fail", 500), (1, "Ignore", 201), (10, "Fail", 201), (None, "Fail", 201)])
def test_timeouts_are_honoured(plane: Plane, ns: str, register: Register, timeout: int | None, policy: str, code: int) -> None:
    def slow(request: Obj) -> Obj:
        time.sleep(1.3)
        return {"allowed": True}

    more = {"timeoutSeconds": timeout} if timeout else {}
    name = register(VALIDATING, slow, ["configmaps"], failurePolicy=policy, **more)
    if timeout is None:
        assert plane.get(VALIDATING, name)["webhooks"][0]["timeoutSeconds"] == 10
    got = plane.create("configmaps", configmap("c"), ns, code=code)
    if code == 500:
        assert "context deadline exceeded" in got["message"] or "Client.Timeout" in got["message"] or "timeout" in got["message"]


@pytest.mark.parametrize("what", [VALIDATING, MUTATING])
def test_update_patch_list_and_delete_collection(plane: Plane, ns: str, register: Register, what: str) -> None:
    mark = patched({"op": "add", "path": "/data/mutated", "value": "yes"})
    decide = no if what == VALIDATING else lambda r: mark

    def acts() -> bool:
        answer = plane.http.post(path_of("configmaps", ns), json=configmap(unique("c"), a="b"))
        return answer.status_code == 400 or "mutated" in answer.json()["data"]

    name = register(what, decide, ["configmaps"])
    assert acts()
    now = plane.get(what, name)
    now["webhooks"][0]["rules"][0]["operations"] = ["UPDATE"]
    plane.update(what, now)
    assert not acts()
    plane.patch(what, name, [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}], kind="json-patch+json")
    assert acts()
    plane.delete(what, name)
    for _ in range(10):
        register(what, decide, ["configmaps"], labels={"e2e-list": ns})
    assert len(plane.list(what, labelSelector=f"e2e-list={ns}")) == 10
    assert acts()
    plane.delete_collection(what, labelSelector=f"e2e-list={ns}")
    assert not plane.list(what, labelSelector=f"e2e-list={ns}")
    assert not acts()


@pytest.mark.parametrize("what", [VALIDATING, MUTATING])
def test_match_conditions(plane: Plane, ns: str, register: Register, what: str) -> None:
    conditions = [{"name": "expression-1", "expression": "object.metadata.namespace == 'production'"}]
    name = register(what, no, ["configmaps"], matchConditions=conditions)
    assert plane.get(what, name)["webhooks"][0]["matchConditions"] == conditions
    plane.create("configmaps", configmap("ok"), ns)
    better = [{"name": "expression-2", "expression": "!has(object.metadata.labels) || !('skip-me' in object.metadata.labels)"}]
    plane.patch(what, name, [{"op": "replace", "path": "/webhooks/0/matchConditions", "value": better}], kind="json-patch+json")
    assert plane.get(what, name)["webhooks"][0]["matchConditions"] == better
    refused(plane.create("configmaps", configmap("not"), ns, code=400))
    plane.create("configmaps", {"metadata": meta("skipped", labels={"skip-me": "1"})}, ns)
    bad = plane.get(what, name)
    bad["metadata"] = meta(unique("bad"))
    bad["webhooks"][0]["matchConditions"] = [{"name": "invalid-expression-1", "expression": "... [] bad expression"}]
    assert "compilation failed" in plane.create(what, bad, code=422)["message"]


CR_DENY = {"webhook-e2e-test": "webhook-disallow"}


def test_deny_custom_resources(plane: Plane, ns: str, register: Register) -> None:
    crd = definition(["v1"])
    with established(plane, crd) as what:

        def decide(request: Obj) -> Obj:
            obj = request["oldObject"] if request["operation"] == "DELETE" else request["object"]
            return no(request) if obj.get("data") == CR_DENY else {"allowed": True}

        register(VALIDATING, decide, [crd["spec"]["names"]["plural"]], ("CREATE", "UPDATE", "DELETE"), group=crd["spec"]["group"])

        def made(name: str, **data: str) -> Obj:
            return {"apiVersion": f"{crd['spec']['group']}/v1", "kind": crd["spec"]["names"]["kind"], "metadata": meta(name), "data": data}

        refused(plane.create(what, made("bad", **CR_DENY), ns, code=400))
        plane.create(what, made("good"), ns)
        plane.patch(what, "good", {"data": CR_DENY}, ns, code=400)
        plane.delete(what, "good", ns)


def test_deny_custom_resource_definitions(plane: Plane, ns: str, register: Register) -> None:
    match = {"matchLabels": {"e2e-run": ns}}
    crds = "customresourcedefinitions.apiextensions.k8s.io"
    register(VALIDATING, no, ["customresourcedefinitions"], group="apiextensions.k8s.io", scoped=False, objectSelector=match)
    crd = definition(["v1"])
    crd["metadata"]["labels"] = {"e2e-run": ns}
    refused(plane.create(crds, crd, code=400))


def test_mutate_custom_resources_with_pruning_and_other_stored_version(plane: Plane, ns: str, register: Register) -> None:
    schema = {"type": "object", "properties": {"data": {"type": "object", "properties": {
        k: {"type": "string"} for k in ("mutation-start", "mutation-stage-1")}}}}  # fmt: skip
    crd = definition(["v1", "v2"], schema)
    with established(plane, crd) as what:
        seen: list[Obj] = []

        def decide(request: Obj) -> Obj:
            seen.append(request)
            operations = [{"op": "add", "path": f"/data/mutation-stage-{i}", "value": "yes"} for i in (1, 2)]
            return patched(*operations)

        group = crd["spec"]["group"]
        rules = [{"operations": ["CREATE", "UPDATE"], "apiGroups": [group], "apiVersions": ["v1"],
                  "resources": [crd["spec"]["names"]["plural"]]}]  # fmt: skip
        register(MUTATING, decide, [], rules=rules)
        obj = {"apiVersion": f"{group}/v1", "kind": crd["spec"]["names"]["kind"], "metadata": meta("c"), "data": {"mutation-start": "yes"}}
        assert plane.create(what, obj, ns)["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes"}
        # the other version matches as well (matchPolicy Equivalent)
        crds = "customresourcedefinitions.apiextensions.k8s.io"
        plane.patch(crds, crd["metadata"]["name"], [
            {"op": "replace", "path": "/spec/versions/0/storage", "value": False},
            {"op": "replace", "path": "/spec/versions/1/storage", "value": True},
        ], kind="json-patch+json")  # fmt: skip
        other = what.replace(".v1.", ".v2.")
        until(lambda: plane.get(other, "c", ns)["apiVersion"] == f"{group}/v2")
        change = {"data": {"mutation-start": "again", "mutation-stage-1": None}}
        assert plane.patch(other, "c", change, ns)["data"] == {"mutation-start": "again", "mutation-stage-1": "yes"}
        assert seen[-1]["requestKind"]["version"] == "v2"


def test_conversion_webhook(plane: Plane, ns: str, backend: Backend) -> None:
    def convert(_path: str, body: Any) -> tuple[int, Any]:
        request, out = body["request"], []
        for obj in request["objects"]:
            new = dict(obj, apiVersion=request["desiredAPIVersion"])
            if request["desiredAPIVersion"].endswith("/v2"):
                new["host"], _, new["port"] = new.pop("hostPort").partition(":")
            else:
                new["hostPort"] = f"{new.pop('host')}:{new.pop('port')}"
            out.append(new)
        response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": out}
        return 200, {"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1", "response": response}

    path = f"/{unique('convert')}"
    backend.handlers[path] = convert
    crd = definition(["v1", "v2"], {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    client = {"clientConfig": backend.client(path), "conversionReviewVersions": ["v1", "v1beta1"]}
    crd["spec"]["conversion"] = {"strategy": "Webhook", "webhook": client}
    group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"]
    with established(plane, crd) as what:
        one = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": meta("one"), "hostPort": "localhost:8080"}
        plane.create(what, one, ns)
        v2 = what.replace(".v1.", ".v2.")
        got = plane.get(v2, "one", ns)
        assert (got["host"], got["port"], got["apiVersion"]) == ("localhost", "8080", f"{group}/v2") and "hostPort" not in got
        # a list whose objects are stored in two versions
        crds = "customresourcedefinitions.apiextensions.k8s.io"
        plane.patch(crds, crd["metadata"]["name"], [
            {"op": "replace", "path": "/spec/versions/0/storage", "value": False},
            {"op": "replace", "path": "/spec/versions/1/storage", "value": True},
        ], kind="json-patch+json")  # fmt: skip
        plane.until(crds, crd["metadata"]["name"], "", lambda o: "v2" in o["status"]["storedVersions"])
        two = {"apiVersion": f"{group}/v2", "kind": kind, "metadata": meta("two"), "host": "h", "port": "1"}
        plane.create(v2, two, ns)
        assert [o["hostPort"] for o in plane.list(what, ns)] == ["localhost:8080", "h:1"]
        assert [o["host"] for o in plane.list(v2, ns)] == ["localhost", "h"]
        with plane.watch(what, ns) as events:
            assert sorted(next(events)[1]["hostPort"] for _ in range(2)) == ["h:1", "localhost:8080"]
