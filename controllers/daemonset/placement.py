"""On which nodes a DaemonSet's pods belong, and the pod for a node. Pure (daemon_controller.go NodeShouldRunDaemonPod)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controllers.common.podcontrol import pod_from_template
from kubepy.api import meta
from kubepy.api.taints import tolerates

Obj = dict[str, Any]

HASH, GENERATION = "controller-revision-hash", "pod-template-generation"
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"

_DEFAULTS = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)


def with_daemon_tolerations(spec: Obj) -> Obj:
    """A pod spec that tolerates what daemons must (AddOrUpdateDaemonPodTolerations)."""
    wanted = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in _DEFAULTS]
    if spec.get("hostNetwork"):
        wanted.append({"key": "node.kubernetes.io/network-unavailable", "operator": "Exists", "effect": "NoSchedule"})
    keys = {(t["key"], t["effect"]) for t in wanted}
    own = [t for t in spec.get("tolerations") or () if (t.get("key"), t.get("effect")) not in keys or t.get("operator") != "Exists"]
    return {**spec, "tolerations": own + wanted}


def pod_for(ds: Obj, node: str, revision: str) -> Obj:
    """The pod that belongs on a node: the scheduler binds it by its affinity to that node's name."""
    pod = pod_from_template(ds["spec"]["template"], ds)
    labels = {**(pod["metadata"].get("labels") or {})}
    if generation := meta.annotations(ds).get(TEMPLATE_GENERATION):
        labels[GENERATION] = generation
    if revision:
        labels[HASH] = revision
    pod["metadata"]["labels"] = labels
    spec = with_daemon_tolerations(pod["spec"])
    affinity = spec.get("affinity") or {}
    node_affinity = affinity.get("nodeAffinity") or {}
    required = {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}
    node_affinity = {**node_affinity, "requiredDuringSchedulingIgnoredDuringExecution": required}
    pod["spec"] = {**spec, "affinity": {**affinity, "nodeAffinity": node_affinity}}
    return pod


def target_node(pod: Obj) -> str:
    """The node a daemon pod is on, or is meant for."""
    spec = pod.get("spec", {})
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name" and field["operator"] == "In" and len(field.get("values") or ()) == 1:
                return str(field["values"][0])
    return ""


def should_run(ds: Obj, node: Obj) -> tuple[bool, bool]:
    """(whether a pod should be started on the node, whether one that runs there may go on)."""
    spec = ds["spec"]["template"]["spec"]
    if spec.get("nodeName") and spec["nodeName"] != meta.name(node):
        return False, False
    if not fits_affinity(spec, node):
        return False, False
    tolerations = with_daemon_tolerations(spec)["tolerations"]
    taints = node.get("spec", {}).get("taints") or ()
    open_taints = [t for t in taints if t["effect"] in ("NoExecute", "NoSchedule") and not any(tolerates(x, t) for x in tolerations)]
    if not open_taints:
        return True, True
    return False, not any(t["effect"] == "NoExecute" for t in open_taints)


def fits_affinity(spec: Obj, node: Obj) -> bool:
    """nodeSelector and required node affinity."""
    labels = meta.labels(node)
    if any(labels.get(k) != v for k, v in (spec.get("nodeSelector") or {}).items()):
        return False
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_term(t, labels, meta.name(node)) for t in required.get("nodeSelectorTerms") or ())


def _term(term: Obj, labels: Mapping[str, str], name: str) -> bool:
    expressions: Sequence[Obj] = term.get("matchExpressions") or ()
    fields: Sequence[Obj] = term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(_holds(e, labels) for e in expressions) and all(_holds(f, {"metadata.name": name}) for f in fields)


def _holds(rule: Obj, values: Mapping[str, str]) -> bool:
    value, wanted = values.get(rule["key"]), rule.get("values") or []
    match rule["operator"]:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            try:
                found, bound = int(value or ""), int(wanted[0])
            except ValueError:
                return False
            return found > bound if rule["operator"] == "Gt" else found < bound
    return False
