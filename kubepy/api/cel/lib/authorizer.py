"""Authorization checks inside expressions (pkg/cel/library/authz.go): `authorizer.group('').resource('pods').check('get').allowed()`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from kubepy.api.cel.functions import Table, members
from kubepy.api.cel.types import opaque

TABLE: Table = {}
PREFIX = "kubernetes.authorization."

Authorize = Callable[[Any, dict[str, str]], tuple[bool, str]]
"""(user, attributes) → allowed, reason. Attributes: verb and either path, or group, resource, subresource, namespace, name,
fieldSelector, labelSelector. May raise: the decision then is an error."""
ServiceAccount = Callable[[str, str], Any]
"""(namespace, name) → that service account as a user."""


@dataclass(frozen=True)
class Authorizer:
    """The requesting user's authorizer, or that of a service account."""

    user: Any
    authorize: Authorize
    service_account: ServiceAccount
    cel_type = opaque(PREFIX + "Authorizer")


@dataclass(frozen=True)
class PathCheck:
    authorizer: Authorizer
    attributes: dict[str, str]
    cel_type = opaque(PREFIX + "PathCheck")


@dataclass(frozen=True)
class GroupCheck:
    authorizer: Authorizer
    attributes: dict[str, str]
    cel_type = opaque(PREFIX + "GroupCheck")


@dataclass(frozen=True)
class ResourceCheck:
    authorizer: Authorizer
    attributes: dict[str, str] = field(default_factory=dict)
    cel_type = opaque(PREFIX + "ResourceCheck")


@dataclass(frozen=True)
class Decision:
    allowed: bool
    reason: str = ""
    error: str = ""
    cel_type = opaque(PREFIX + "Decision")


def _check(check: PathCheck | ResourceCheck, verb: str) -> Decision:
    try:
        allowed, reason = check.authorizer.authorize(check.authorizer.user, {**check.attributes, "verb": verb})
    except Exception as e:
        return Decision(False, "", str(e) or type(e).__name__)
    return Decision(allowed, reason)


def _with(name: str) -> Callable[[ResourceCheck, str], ResourceCheck]:
    return lambda check, value: replace(check, attributes={**check.attributes, name: value})


_A, _P, _G, _R, _D = (PREFIX + n for n in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision"))
members(TABLE, [
    ("path", f"{_A}, string -> {_P}", lambda a, path: PathCheck(a, {"path": path})),
    ("group", f"{_A}, string -> {_G}", lambda a, group: GroupCheck(a, {"group": group})),
    ("serviceAccount", f"{_A}, string, string -> {_A}", lambda a, ns, name: replace(a, user=a.service_account(ns, name))),
    ("resource", f"{_G}, string -> {_R}", lambda g, resource: ResourceCheck(g.authorizer, {**g.attributes, "resource": resource})),
    *((n, f"{_R}, string -> {_R}", _with(n)) for n in ("subresource", "namespace", "name", "fieldSelector", "labelSelector")),
    ("check", f"{_P}, string -> {_D}", _check), ("check", f"{_R}, string -> {_D}", _check),
    ("errored", f"{_D} -> bool", lambda d: bool(d.error)), ("error", f"{_D} -> string", lambda d: d.error),
    ("allowed", f"{_D} -> bool", lambda d: d.allowed), ("reason", f"{_D} -> string", lambda d: d.reason),
])  # fmt: skip
