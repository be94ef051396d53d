"""What is no resource: health checks by name, and which handlers look at the method."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apiserver.rest import health, root


async def _well() -> str:
    return ""


def _messages(method: str, path: str, query: str = "", accept: str = "*/*") -> list[dict[str, Any]]:
    checks, live = health.checks(_well, _well, _well)
    app = root.build(
        checks=checks,
        live=live,
        metrics=lambda: "",
        paths=lambda: ["/api"],
        openid=({"issuer": "i"}, {"keys": []}),
        openapi=None,
        flags={"secure-port": 6443, "profiling": True, "api-audiences": ("a", "b")},
    )
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(b"accept", accept.encode())], "scheme": "https", "server": ("x", 1), "http_version": "1.1", "root_path": "",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    return sent


def _answer(method: str, path: str, query: str = "", accept: str = "*/*") -> tuple[int, str]:
    start, *rest = _messages(method, path, query, accept)
    return start["status"], b"".join(m.get("body", b"") for m in rest).decode()


def _headers(path: str) -> dict[str, str]:
    return {k.decode(): v.decode() for k, v in _messages("GET", path)[0]["headers"]}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200), ("POST", "/livez", 200), ("DELETE", "/readyz/ping", 200), ("PUT", "/readyz/nope", 404),
        ("PATCH", "/", 200), ("POST", "/version", 405), ("GET", "/version", 200), ("GET", "/metrics/", 404), ("GET", "/foo", 404),
        ("POST", "/openid/v1/jwks", 405), ("GET", "/readyz/etcd-readiness", 200), ("GET", "/livez/etcd-readiness", 404),
        ("GET", "/readyz/loopback-serving-certificate", 404), ("GET", "/livez/loopback-serving-certificate", 200),
    ],
)  # fmt: skip
def test_methods_and_paths(method: str, path: str, status: int) -> None:
    assert _answer(method, path)[0] == status


def test_verbose_lists_the_checks_in_order() -> None:
    lines = _answer("GET", "/livez", "verbose&exclude=etcd")[1].splitlines()
    assert lines[:4] == ["[+]ping ok", "[+]log ok", "[+]loopback-serving-certificate ok", "[+]etcd excluded: ok"]
    assert lines[-1] == "livez check passed"
    assert "[+]poststarthook/rbac/bootstrap-roles ok" in lines


def test_keys_come_in_one_form_only() -> None:
    assert _answer("GET", "/openid/v1/jwks") == (200, '{"keys":[]}')
    status, text = _answer("GET", "/openid/v1/jwks", accept="application/json")
    assert status == 406
    assert "Available representations: application/jwk-set+json" in text


def test_no_answer_is_for_caches() -> None:
    assert _headers("/version")["cache-control"] == "no-cache, private" == _headers("/nope")["cache-control"]
    assert _headers("/nope")["x-content-type-options"] == "nosniff"


def test_outcomes_of_checks_are_metrics() -> None:
    slis = health.Slis(1.5)
    for well in (True, True, False):
        slis.checked("livez", "ping", well)
    lines = slis.render().splitlines()
    assert 'kubernetes_healthcheck{name="ping",type="livez"} 0' in lines
    assert 'kubernetes_healthchecks_total{name="ping",status="success",type="livez"} 2' in lines
    assert lines[-1] == "process_start_time_seconds 1.500"
    assert _answer("GET", "/metrics/slis")[0] == 200
