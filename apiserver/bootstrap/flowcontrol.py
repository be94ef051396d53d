"""The default priority levels and flow schemas (apiserver pkg/apis/flowcontrol/bootstrap/default.go)."""

from __future__ import annotations

from typing import Any, NamedTuple

from apiserver.context import Obj

_API = "flowcontrol.apiserver.k8s.io/v1"
AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"
MANDATORY = frozenset(("exempt", "catch-all"))
"""Objects that must be exactly as they are here, whatever their annotation says."""


class Level(NamedTuple):
    """A limited priority level: shares, percentage it lends, and queues × hand size × length (None: no queues)."""

    shares: int
    lendable: int
    queuing: tuple[int, int, int] | None


LEVELS: dict[str, Level] = {
    "catch-all": Level(5, 0, None),
    "system": Level(30, 33, (64, 6, 50)),
    "node-high": Level(40, 25, (64, 6, 50)),
    "leader-election": Level(10, 0, (16, 4, 50)),
    "workload-high": Level(40, 50, (128, 6, 50)),
    "workload-low": Level(100, 90, (128, 6, 50)),
    "global-default": Level(20, 50, (128, 6, 50)),
}


class Schema(NamedTuple):
    """A flow schema; `resources` holds (verbs, group, resources, cluster scope too), `urls` (verb, paths)."""

    level: str
    precedence: int
    distinguisher: str
    subjects: tuple[str, ...]
    resources: tuple[tuple[tuple[str, ...], str, tuple[str, ...], bool], ...] = ((("*",), "*", ("*",), True),)
    urls: tuple[str, tuple[str, ...]] | None = ("*", ("*",))


_EVERYBODY = ("group:system:unauthenticated", "group:system:authenticated")
_KUBE_SYSTEM = "account:kube-system/*"
_CONTROLLERS, _SCHEDULER = "user:system:kube-controller-manager", "user:system:kube-scheduler"

SCHEMAS: dict[str, Schema] = {
    "exempt": Schema("exempt", 1, "", ("group:system:masters",)),
    "probes": Schema("exempt", 2, "", _EVERYBODY, (), ("get", ("/healthz", "/readyz", "/livez"))),
    "system-leader-election": Schema(
        "leader-election", 100, "ByUser", (_CONTROLLERS, _SCHEDULER, _KUBE_SYSTEM),
        ((("get", "create", "update"), "coordination.k8s.io", ("leases",), False),), None,
    ),
    "system-node-high": Schema(
        "node-high", 400, "ByUser", ("group:system:nodes",),
        ((("*",), "", ("nodes", "nodes/status"), True), (("*",), "coordination.k8s.io", ("leases",), False)), None,
    ),
    "system-nodes": Schema("system", 500, "ByUser", ("group:system:nodes",)),
    "kube-controller-manager": Schema("workload-high", 800, "ByNamespace", (_CONTROLLERS,)),
    "kube-scheduler": Schema("workload-high", 800, "ByNamespace", (_SCHEDULER,)),
    "kube-system-service-accounts": Schema("workload-high", 900, "ByNamespace", (_KUBE_SYSTEM,)),
    "service-accounts": Schema("workload-low", 9000, "ByUser", ("group:system:serviceaccounts",)),
    "global-default": Schema("global-default", 9900, "ByUser", _EVERYBODY),
    "catch-all": Schema("catch-all", 10000, "ByUser", _EVERYBODY),
}  # fmt: skip


def _meta(name: str) -> dict[str, Any]:
    return {"name": name, "annotations": {AUTO_UPDATE: "true"}}


def _subject(text: str) -> dict[str, Any]:
    kind, _, name = text.partition(":")
    if kind == "account":
        namespace, _, account = name.partition("/")
        return {"kind": "ServiceAccount", "serviceAccount": {"namespace": namespace, "name": account}}
    return {"kind": kind.capitalize(), kind: {"name": name}}


def priority_levels() -> list[Obj]:
    """The default PriorityLevelConfigurations."""
    exempt = {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}}
    specs: dict[str, dict[str, Any]] = {"exempt": exempt}
    for name, (shares, lendable, queuing) in LEVELS.items():
        response: dict[str, Any] = {"type": "Reject"}
        if queuing is not None:
            queues, hand, length = queuing
            response = {"type": "Queue", "queuing": {"queues": queues, "handSize": hand, "queueLengthLimit": length}}
        limited = {"nominalConcurrencyShares": shares, "limitResponse": response, "lendablePercent": lendable}
        specs[name] = {"type": "Limited", "limited": limited}
    return [{"kind": "PriorityLevelConfiguration", "apiVersion": _API, "metadata": _meta(n), "spec": s} for n, s in specs.items()]


def flow_schemas() -> list[Obj]:
    """The default FlowSchemas."""
    out: list[Obj] = []
    for name, schema in SCHEMAS.items():
        rule: dict[str, Any] = {"subjects": [_subject(s) for s in schema.subjects]}
        resources = []
        for verbs, group, plurals, cluster in schema.resources:
            resource: dict[str, Any] = {"verbs": list(verbs), "apiGroups": [group], "resources": list(plurals)}
            if cluster:
                resource["clusterScope"] = True
            resources.append({**resource, "namespaces": ["*"]})
        if resources:
            rule["resourceRules"] = resources
        if schema.urls is not None:
            rule["nonResourceRules"] = [{"verbs": [schema.urls[0]], "nonResourceURLs": list(schema.urls[1])}]
        spec: dict[str, Any] = {"priorityLevelConfiguration": {"name": schema.level}, "matchingPrecedence": schema.precedence}
        if schema.distinguisher:
            spec["distinguisherMethod"] = {"type": schema.distinguisher}
        out.append({"kind": "FlowSchema", "apiVersion": _API, "metadata": _meta(name), "spec": {**spec, "rules": [rule]}})
    return out
