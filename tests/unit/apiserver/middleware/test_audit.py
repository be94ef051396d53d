"""The audit log: which requests, at which level, at which stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from apiserver.context import Context, RequestInfo, User
from apiserver.middleware.audit import Audit, Policy, attach
from apiserver.middleware.authz.chain import AlwaysAllow

BOB = User("bob", "u1", ("dev",))
CREATE = RequestInfo(True, "", "create", "", "v1", "configmaps", "", "ns")


class Exchange:
    """Stands for a connection: what was answered."""

    def __init__(self, body: bytes = b"") -> None:
        self.body = body
        self.sent: list[tuple[int, bytes]] = []

    def respond(self, status: int, headers: bytes, *body: bytes) -> None:
        self.sent.append((status, b"".join(body)))

    def start(self, status: int, headers: bytes) -> None:
        self.sent.append((status, b""))

    async def body_bytes(self, limit: int) -> bytes:
        return self.body


def open_log(tmp_path: Path, **policy: Any) -> tuple[Audit, Path]:
    file = tmp_path / "policy.yaml"
    file.write_bytes(orjson.dumps({"rules": [{"level": "Metadata"}], **policy}))
    log = tmp_path / "audit.log"
    audit = Audit.open(str(log), file, AlwaysAllow())
    assert audit is not None
    return audit, log


def lines(log: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in log.read_bytes().splitlines()]


async def test_a_request_with_both_bodies(tmp_path: Path) -> None:
    audit, log = open_log(tmp_path, rules=[{"level": "RequestResponse", "omitManagedFields": True}])
    ctx = Context(BOB, CREATE, user_agent="test")
    record = audit.begin(ctx, uri="/api/v1/namespaces/ns/configmaps?x=y", source="127.0.0.1", user=BOB, audit_id="id")
    assert record is not None
    exchange = Exchange(b'{"kind":"ConfigMap"}')
    attach(record, exchange)
    await exchange.body_bytes(10)
    ctx.audit["note"] = "text"
    exchange.respond(201, b"", b'{"kind":"ConfigMap",', b'"metadata":{"name":"a","managedFields":[]}}')
    record.complete(200)
    audit.close()
    received, complete = lines(log)
    assert received["stage"] == "RequestReceived"
    assert complete["stage"] == "ResponseComplete"
    assert complete["auditID"] == "id"
    assert complete["user"] == {"username": "bob", "uid": "u1", "groups": ["dev"]}
    assert complete["objectRef"] == {"resource": "configmaps", "namespace": "ns", "apiVersion": "v1"}
    assert complete["responseStatus"] == {"metadata": {}, "code": 201}
    assert complete["requestObject"] == {"kind": "ConfigMap"}
    assert complete["responseObject"] == {"kind": "ConfigMap", "metadata": {"name": "a"}}
    assert complete["annotations"] == {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "", "note": "text"}
    assert exchange.sent[0][0] == 201


def test_errors_and_long_answers(tmp_path: Path) -> None:
    audit, log = open_log(tmp_path, omitStages=["RequestReceived"])
    for answer in ("respond", "start"):
        record = audit.begin(Context(BOB, CREATE), uri="/", source="::1", user=User("root"))
        assert record is not None
        exchange = Exchange()
        attach(record, exchange)
        if answer == "respond":
            exchange.respond(404, b"", b'{"kind":"Status","status":"Failure","message":"gone","reason":"NotFound","code":404}')
        else:
            exchange.start(200, b"")
        record.complete(200)
    audit.close()
    failed, started, ended = lines(log)
    assert failed["responseStatus"] == {"status": "Failure", "message": "gone", "reason": "NotFound", "code": 404}
    assert failed["impersonatedUser"]["username"] == "bob"
    assert "responseObject" not in failed
    assert (started["stage"], ended["stage"]) == ("ResponseStarted", "ResponseComplete")


def request(resource: str, verb: str = "get", namespace: str = "ns", subresource: str = "", name: str = "", group: str = "") -> RequestInfo:
    return RequestInfo(True, "", verb, group, "v1", resource, subresource, namespace, name)


@pytest.mark.parametrize(
    ("rule", "info", "matches"),
    [
        ({}, request("pods"), True),
        ({"users": ["eve"]}, request("pods"), False),
        ({"userGroups": ["dev", "x"]}, request("pods"), True),
        ({"verbs": ["list"]}, request("pods"), False),
        ({"namespaces": ["ns"]}, request("pods"), True),
        ({"namespaces": [""]}, request("nodes", namespace=""), True),
        ({"resources": [{"group": ""}]}, request("pods"), True),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, request("pods", subresource="log"), False),
        ({"resources": [{"group": "", "resources": ["pods/log"]}]}, request("pods", subresource="log"), True),
        ({"resources": [{"group": "", "resources": ["*/log"]}]}, request("pods", subresource="log"), True),
        ({"resources": [{"group": "", "resources": ["pods/*"]}]}, request("pods", subresource="log"), True),
        ({"resources": [{"group": "apps"}]}, request("pods"), False),
        ({"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["a"]}]}, request("pods", name="b"), False),
        ({"nonResourceURLs": ["/healthz*"]}, RequestInfo(False, "/healthz/ping", "get"), True),
        ({"nonResourceURLs": ["/healthz"]}, request("pods"), False),
    ],
)
def test_rules(rule: dict[str, Any], info: RequestInfo, matches: bool) -> None:
    verdict = Policy({"rules": [{"level": "Request", **rule}]}).evaluate(BOB, info)
    assert verdict.level == ("Request" if matches else "None")


def test_bad_policies(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="invalid level"):
        Policy({"rules": [{"level": "All"}]})
    file = tmp_path / "empty.yaml"
    file.write_text("kind: Policy\n")
    with pytest.raises(ValueError, match="0 rules"):
        Policy.load(file)
    assert Audit.open("", None, AlwaysAllow()) is None
