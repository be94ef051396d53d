"""The audit log: who did what, when, and what came of it, as audit.k8s.io/v1 events, one JSON object a line.

A policy says at which level which requests are recorded; without one every request is at level Metadata. Upstream: apiserver
pkg/audit, pkg/endpoints/filters/audit.go, plugin/pkg/audit/log.
"""

from __future__ import annotations

import datetime as dt
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import yaml

from apiserver.context import Context, Obj, RequestInfo, User
from apiserver.middleware.authz.attributes import Authorizer

LEVELS = ("None", "Metadata", "Request", "RequestResponse")
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a request is to be recorded."""

    level: str
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False


class Policy:
    """audit.k8s.io Policy: the first rule that matches decides, else the request is not recorded."""

    def __init__(self, spec: Obj) -> None:
        self._rules: list[Obj] = spec.get("rules") or []
        self._omit = frozenset(spec.get("omitStages") or ())
        self._omit_managed = bool(spec.get("omitManagedFields"))
        for rule in self._rules:
            if rule.get("level") not in LEVELS:
                raise ValueError(f"audit policy: invalid level {rule.get('level')!r}, must be one of {', '.join(LEVELS)}")
            unknown = set(rule.get("omitStages") or ()) - set(STAGES)
            if unknown:
                raise ValueError(f"audit policy: invalid stages {sorted(unknown)}")

    @staticmethod
    def load(path: Path) -> Policy:
        """From a YAML file. Raises OSError, ValueError."""
        spec = yaml.safe_load(path.read_bytes())
        if not isinstance(spec, dict) or not spec.get("rules"):
            raise ValueError(f"loaded illegal policy with 0 rules from file {path}")
        return Policy(spec)

    def evaluate(self, user: User, info: RequestInfo) -> Verdict:
        """The verdict on a request."""
        for rule in self._rules:
            if _matches(rule, user, info):
                omit = self._omit | frozenset(rule.get("omitStages") or ())
                return Verdict(rule["level"], omit, bool(rule.get("omitManagedFields", self._omit_managed)))
        return Verdict("None")


def _matches(rule: Obj, user: User, info: RequestInfo) -> bool:
    if rule.get("users") and user.name not in rule["users"]:
        return False
    if rule.get("userGroups") and not set(rule["userGroups"]) & set(user.groups):
        return False
    if rule.get("verbs") and info.verb not in rule["verbs"]:
        return False
    if rule.get("namespaces") or rule.get("resources"):
        if not info.is_resource or (rule.get("namespaces") and info.namespace not in rule["namespaces"]):
            return False
        return not rule.get("resources") or any(_group_matches(g, info) for g in rule["resources"])
    if rule.get("nonResourceURLs"):
        return not info.is_resource and any(
            url in ("*", info.path) or (url.endswith("*") and info.path.startswith(url.rstrip("*"))) for url in rule["nonResourceURLs"]
        )
    return True


def _group_matches(group: Obj, info: RequestInfo) -> bool:
    if group.get("group", "") not in ("*", info.group):
        return False
    if not group.get("resources"):
        return True
    if group.get("resourceNames") and info.name not in group["resourceNames"]:
        return False
    combined = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    wanted = {"*", combined, f"{info.resource}/*"}
    if info.subresource:
        wanted.add(f"*/{info.subresource}")
    return any(resource in wanted for resource in group["resources"])


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _user(user: User) -> Obj:
    out: Obj = {"username": user.name}
    if user.uid:
        out["uid"] = user.uid
    if user.groups:
        out["groups"] = list(user.groups)
    if user.extra:
        out["extra"] = {key: list(values) for key, values in user.extra.items()}
    return out


@dataclass(slots=True)
class Record:
    """One request on its way into the log."""

    verdict: Verdict
    event: Obj
    ctx: Context
    write: Callable[[Obj], None]
    done: bool = False
    body: bytes = b""
    annotations: dict[str, str] = field(default_factory=dict)

    def stage(self, stage: str, **more: Any) -> None:
        """Write the event as it is at `stage`, unless the policy omits that."""
        if stage in self.verdict.omit_stages:
            return
        out = {**self.event, "stage": stage, "stageTimestamp": _now(), **more}
        annotations = {**self.annotations, **self.ctx.audit}
        if annotations:
            out["annotations"] = annotations
        self.write(out)

    def started(self, code: int) -> None:
        """A long answer begins."""
        self.stage("ResponseStarted", responseStatus={"metadata": {}, "code": code})

    def complete(self, code: int, body: bytes = b"") -> None:
        """The answer is out; `body` is its JSON where it has one. Only the first call counts."""
        if self.done:
            return
        self.done = True
        more: Obj = {"responseStatus": {"metadata": {}, "code": code}}
        ref = self.event.get("objectRef")
        if ref is not None and "name" not in ref and self.event["verb"] == "create":
            # A created object's name stands in its body.
            meta = (_json(self.body) or {}).get("metadata")
            if isinstance(meta, dict) and meta.get("name"):
                more["objectRef"] = {**ref, "name": meta["name"]}
        answer = _json(body) if code >= 400 or self.verdict.level == "RequestResponse" else None
        if answer is not None and code >= 400 and answer.get("kind") == "Status":
            keys = ("metadata", "status", "message", "reason", "details", "code")
            more["responseStatus"] = {key: answer[key] for key in keys if key in answer}
        if self.verdict.level in ("Request", "RequestResponse"):
            sent = _json(self.body)
            if sent is not None:
                more["requestObject"] = self._shown(sent)
        if self.verdict.level == "RequestResponse" and answer is not None:
            more["responseObject"] = self._shown(answer)
        self.stage("ResponseComplete", **more)

    def _shown(self, obj: Obj) -> Obj:
        if not self.verdict.omit_managed_fields or not isinstance(obj.get("metadata"), dict):
            return obj
        return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "managedFields"}}


def _json(data: bytes) -> Obj | None:
    if not data:
        return None
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


class Audit:
    """Decides what is recorded and writes it."""

    def __init__(self, policy: Policy | None, file: BinaryIO, authorizer: Authorizer) -> None:
        self._policy = policy
        self._file = file
        self._authorizer = authorizer

    @staticmethod
    def open(log_path: str, policy_file: Path | None, authorizer: Authorizer) -> Audit | None:
        """The audit that the flags ask for; None without --audit-log-path. Raises OSError, ValueError."""
        if not log_path:
            return None
        policy = Policy.load(policy_file) if policy_file else None
        file = sys.stdout.buffer if log_path == "-" else Path(log_path).open("ab", buffering=0)  # noqa: SIM115
        return Audit(policy, file, authorizer)

    def close(self) -> None:
        """Close the file."""
        if self._file is not sys.stdout.buffer:
            self._file.close()

    def begin(self, ctx: Context, *, uri: str, source: str, user: User, audit_id: str = "") -> Record | None:
        """Start the record of an authenticated request; None when it is not to be recorded.

        `user` is who authenticated, ctx.user whom the request acts as.
        """
        verdict = self._policy.evaluate(ctx.user, ctx.info) if self._policy else Verdict("Metadata")
        if verdict.level == "None":
            return None
        info = ctx.info
        event: Obj = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": verdict.level,
            "auditID": audit_id or str(uuid.uuid4()),
            "stage": "",
            "requestURI": uri,
            "verb": info.verb,
            "user": _user(user),
        }
        if user is not ctx.user:
            event["impersonatedUser"] = _user(ctx.user)
        event["sourceIPs"] = [source]
        if ctx.user_agent:
            event["userAgent"] = ctx.user_agent
        if info.is_resource:
            ref = {
                "resource": info.resource, "namespace": info.namespace, "name": info.name, "apiGroup": info.group,
                "apiVersion": info.version, "subresource": info.subresource,
            }  # fmt: skip
            event["objectRef"] = {key: value for key, value in ref.items() if value}
        event["requestReceivedTimestamp"] = _now()
        allowed, reason = self._authorizer.authorize(ctx.user, info)
        record = Record(verdict, event, ctx, self._write)
        record.stage("RequestReceived")
        record.annotations = {"authorization.k8s.io/decision": "allow" if allowed else "forbid", "authorization.k8s.io/reason": reason}
        return record

    def unauthenticated(self, info: RequestInfo, *, uri: str, source: str, audit_id: str) -> None:
        """Record a request that nobody could be found to have made."""
        ctx = Context(User(""), info)
        record = self.begin(ctx, uri=uri, source=source, user=ctx.user, audit_id=audit_id)
        if record is not None:
            status = {"metadata": {}, "status": "Failure", "message": "Authentication failed", "reason": "Unauthorized", "code": 401}
            record.annotations = {}
            record.stage("ResponseStarted", responseStatus=status)

    def _write(self, event: Obj) -> None:
        self._file.write(orjson.dumps(event) + b"\n")
        if self._file is sys.stdout.buffer:
            self._file.flush()


def attach(record: Record, exchange: Any) -> None:
    """Let `record` see the body that the exchange reads and the answer it sends (kubepy.runtime.serving.Exchange)."""
    respond, start, body_bytes = exchange.respond, exchange.start, exchange.body_bytes

    def responding(status: int, headers: bytes, *body: bytes) -> None:
        respond(status, headers, *body)
        wanted = (status >= 400 or record.verdict.level == "RequestResponse") and b"content-encoding" not in headers
        record.complete(status, b"".join(body) if wanted else b"")

    def starting(status: int, headers: bytes) -> None:
        start(status, headers)
        record.started(status)

    async def reading(limit: int) -> bytes | None:
        data: bytes | None = await body_bytes(limit)
        record.body = data or b""
        return data

    exchange.respond, exchange.start, exchange.body_bytes = responding, starting, reading
