"""System namespaces and priority classes: plain objects that are made when missing and never changed afterwards."""

from __future__ import annotations

from apiserver.context import Obj

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")

PRIORITY_CLASSES: dict[str, tuple[int, str]] = {
    "system-node-critical": (2000001000, "Used for system critical pods that must not be moved from their current node."),
    "system-cluster-critical": (
        2000000000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
}


def namespaces() -> list[Obj]:
    """The namespaces that are always there."""
    return [{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}} for name in NAMESPACES]


def priority_classes() -> list[Obj]:
    """The two system priority classes."""
    return [
        {"kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1", "metadata": {"name": name}, "value": value, "description": text}
        for name, (value, text) in PRIORITY_CLASSES.items()
    ]
