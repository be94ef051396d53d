"""A node's health by its heartbeats, and a zone's by its nodes. Pure (node_lifecycle_controller.go)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from controllers.common.pods import condition
from kubepy.api import meta
from kubepy.runtime.clock import format_time

Obj = dict[str, Any]

HEARTBEAT_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
"""What becomes Unknown with the heartbeats; NetworkUnavailable does not come from the kubelet."""
EXCLUDED = "node.kubernetes.io/exclude-disruption"


@dataclass(slots=True)
class Health:
    """What was last observed of a node, and when, on our own clock."""

    probed: float
    changed: float
    ready: Obj | None = None
    renewed: str = ""


def observe(health: Health | None, node: Obj, lease: Obj | None, now: float) -> Health:
    """The health after a look at the node and its Lease: any new heartbeat counts as a probe."""
    ready = condition(node, "Ready")
    if health is None:
        health = Health(now, now, ready)
    elif (health.ready is None) != (ready is None):
        health = Health(now, now, ready, health.renewed)
    elif health.ready is not None and ready is not None and health.ready.get("lastHeartbeatTime") != ready.get("lastHeartbeatTime"):
        moved = health.ready.get("lastTransitionTime") != ready.get("lastTransitionTime")
        health = Health(now, now if moved else health.changed, ready, health.renewed)
    else:
        health = Health(health.probed, health.changed, ready, health.renewed)
    renewed = (lease or {}).get("spec", {}).get("renewTime") or ""
    if renewed > health.renewed:
        health.renewed, health.probed = renewed, now
    return health


def unknown_conditions(node: Obj, now: float) -> list[Obj]:
    """The node's conditions once its heartbeats have stopped."""
    stamp = format_time(now)
    out = list(node.get("status", {}).get("conditions") or ())
    for kind in HEARTBEAT_CONDITIONS:
        at = next((i for i, c in enumerate(out) if c["type"] == kind), None)
        if at is None:
            out.append(
                {
                    "type": kind, "status": "Unknown", "lastHeartbeatTime": meta.metadata(node).get("creationTimestamp"),
                    "lastTransitionTime": stamp, "reason": "NodeStatusNeverUpdated", "message": "Kubelet never posted node status.",
                }
            )  # fmt: skip
        elif out[at]["status"] != "Unknown":
            out[at] = {
                **out[at], "status": "Unknown", "lastTransitionTime": stamp, "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
            }  # fmt: skip
    return out


def zone(node: Obj) -> str:
    """The zone key: region and zone of a node."""
    labels = meta.labels(node)
    return f"{labels.get('topology.kubernetes.io/region', '')}:\x00:{labels.get('topology.kubernetes.io/zone', '')}"


def zone_state(ready: Iterable[bool], threshold: float) -> str:
    """Normal, PartialDisruption or FullDisruption (ComputeZoneState)."""
    states = list(ready)
    bad = states.count(False)
    if states and bad == len(states):
        return "FullDisruption"
    if bad > 2 and bad / len(states) >= threshold:
        return "PartialDisruption"
    return "Normal"


def reconciled_labels(node: Obj) -> dict[str, str]:
    """The beta labels that must follow the stable ones for os and architecture; empty when they do."""
    labels = meta.labels(node)
    return {
        f"beta.kubernetes.io/{what}": labels[f"kubernetes.io/{what}"]
        for what in ("os", "arch")
        if f"kubernetes.io/{what}" in labels and labels.get(f"beta.kubernetes.io/{what}") != labels[f"kubernetes.io/{what}"]
    }
