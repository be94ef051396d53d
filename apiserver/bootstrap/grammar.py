"""The short notation of policy rules in this package, and its expansion.

A rule is one line: `verbs groups resources [names]`, each a comma list, `-` being the core group; two fields are
`verbs urls`. Lists come out sorted, as upstream's rule builder leaves them (pkg/apis/rbac/v1/helpers.go).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.context import Obj

LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
ANNOTATIONS = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
RBAC = "rbac.authorization.k8s.io"


def parse_rule(line: str) -> dict[str, Any]:
    """One PolicyRule. Raises ValueError."""
    verbs, *rest = (field.split(",") for field in line.split())
    if len(rest) == 1:
        return {"nonResourceURLs": sorted(rest[0]), "verbs": sorted(verbs)}
    if len(rest) not in (2, 3):
        raise ValueError(f"not a rule: {line!r}")
    rule: dict[str, Any] = {"apiGroups": sorted("" if g == "-" else g for g in rest[0])}
    if len(rest) == 3:
        rule["resourceNames"] = sorted(rest[2])
    return {**rule, "resources": sorted(rest[1]), "verbs": sorted(verbs)}


def parse_rules(lines: Iterable[str]) -> list[dict[str, Any]]:
    """PolicyRules, in order."""
    return [parse_rule(line) for line in lines]


def metadata(name: str, namespace: str = "", **labels: str) -> dict[str, Any]:
    """ObjectMeta of a default object."""
    out: dict[str, Any] = {"name": name}
    if namespace:
        out["namespace"] = namespace
    return {**out, "labels": {**LABELS, **labels}, "annotations": dict(ANNOTATIONS)}


def role(name: str, lines: Iterable[str], namespace: str = "", aggregate_to: str = "", aggregates: str = "") -> Obj:
    """A ClusterRole, or a Role when `namespace` is given; `aggregate_to`/`aggregates` name admin, edit or view."""
    labels = {f"{RBAC}/aggregate-to-{aggregate_to}": "true"} if aggregate_to else {}
    out: Obj = {
        "kind": "Role" if namespace else "ClusterRole",
        "apiVersion": f"{RBAC}/v1",
        "metadata": metadata(name, namespace, **labels),
    }
    if aggregates:
        out["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {f"{RBAC}/aggregate-to-{aggregates}": "true"}}]}
        out["rules"] = None
        return out
    out["rules"] = parse_rules(lines)
    return out


def subject(text: str) -> dict[str, str]:
    """`group:x`, `user:x` or `account:namespace/name`."""
    kind, _, name = text.partition(":")
    if kind == "account":
        namespace, _, account = name.partition("/")
        return {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    return {"kind": {"group": "Group", "user": "User"}[kind], "apiGroup": RBAC, "name": name}


def binding(name: str, subjects: Iterable[str], role_name: str = "", namespace: str = "") -> Obj:
    """A ClusterRoleBinding, or a RoleBinding to a Role when `namespace` is given."""
    kind = "Role" if namespace else "ClusterRole"
    out: Obj = {
        "kind": f"{kind}Binding",
        "apiVersion": f"{RBAC}/v1",
        "metadata": metadata(name, namespace),
    }
    who = [subject(s) for s in subjects]
    if who:
        out["subjects"] = who
    out["roleRef"] = {"apiGroup": RBAC, "kind": kind, "name": role_name or name}
    return out
