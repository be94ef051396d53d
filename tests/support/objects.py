"""Makers of plain API objects for controller tests."""

from __future__ import annotations

from itertools import count
from typing import Any

from kubepy.runtime.clock import format_time

Obj = dict[str, Any]
NOW = 1_750_000_000.0
_uids = count(1)


def meta(name: str, **fields: Any) -> Obj:
    """Metadata with namespace, uid, a creation time an hour ago, generation 1."""
    return {
        "name": name, "namespace": "ns", "uid": f"uid-{next(_uids)}", "resourceVersion": "1", "generation": 1,
        "creationTimestamp": format_time(NOW - 3600), **fields,
    }  # fmt: skip


def ready(value: str = "True", since: float = NOW - 600) -> Obj:
    """A Ready condition."""
    return {"type": "Ready", "status": value, "lastTransitionTime": format_time(since)}


def pod(
    name: str,
    *,
    phase: str = "Running",
    is_ready: bool = False,
    node: str = "",
    deleting: bool = False,
    owner: Obj | None = None,
    **fields: Any,
) -> Obj:
    """A pod."""
    metadata = meta(name, **fields)
    if deleting:
        metadata.update(deletionTimestamp=format_time(NOW), deletionGracePeriodSeconds=0)
    if owner is not None:
        metadata["ownerReferences"] = [
            {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "controller": True,
            }
        ]
    spec: Obj = {"containers": [{"name": "app", "image": "x"}]}
    if node:
        spec["nodeName"] = node
    status: Obj = {"phase": phase}
    if is_ready:
        status["conditions"] = [ready()]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def template(**labels: str) -> Obj:
    """A pod template."""
    return {"metadata": {"labels": labels or {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "x"}]}}


def owner(
    kind: str, name: str = "web", *, api_version: str = "apps/v1", status: Obj | None = None, metadata: Obj | None = None, **spec: Any
) -> Obj:
    """A workload with a selector on app=web and a template."""
    full = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template(), **spec}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta(name, **(metadata or {})), "spec": full, "status": status or {}}
