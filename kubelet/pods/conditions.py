"""The pod conditions that the kubelet owns. Pure (upstream: kubelet/status/generate.go)."""

from __future__ import annotations

from typing import Any

from kubelet.pods import spec

Obj = dict[str, Any]

OWNED = frozenset(
    {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled", "PodResizePending", "PodResizeInProgress"}
)


def _names(names: list[str]) -> str:
    # Go prints a slice of strings so.
    return "[" + " ".join(names) + "]"


def _condition(kind: str, good: bool, reason: str = "", message: str = "") -> Obj:
    out: Obj = {"type": kind, "status": "True" if good else "False"}
    if reason:
        out["reason"] = reason
    if message:
        out["message"] = message
    return out


def _initialized(pod: Obj, init: list[Obj], regular: list[Obj], phase: str) -> Obj:
    kind = "Initialized"
    by_name = {s["name"]: s for s in init}
    unknown, incomplete = [], []
    for container in spec.init_containers(pod):
        status = by_name.get(container["name"])
        if status is None:
            unknown.append(container["name"])
        elif not status.get("started" if spec.is_sidecar(container, pod) else "ready"):
            incomplete.append(container["name"])
    if phase == "Succeeded" and not unknown:
        return _condition(kind, True, "PodCompleted")
    if any("running" in s["state"] or "terminated" in s["state"] or (s.get("lastState") or {}).get("terminated") for s in regular):
        return _condition(kind, True)
    texts = []
    if unknown:
        texts.append(f"containers with unknown status: {_names(unknown)}")
    if incomplete:
        texts.append(f"containers with incomplete status: {_names(incomplete)}")
    return _condition(kind, False, "ContainersNotInitialized", ", ".join(texts)) if texts else _condition(kind, True)


def _containers_ready(pod: Obj, statuses: list[Obj], phase: str) -> Obj:
    kind = "ContainersReady"
    by_name = {s["name"]: s for s in statuses}
    unknown, unready = [], []
    sidecars = [c for c in spec.init_containers(pod) if spec.is_sidecar(c, pod)]
    for container in (*sidecars, *spec.containers(pod)):
        status = by_name.get(container["name"])
        if status is None:
            unknown.append(container["name"])
        elif not status.get("ready"):
            unready.append(container["name"])
    if phase == "Succeeded" and not unknown:
        return _condition(kind, False, "PodCompleted")
    if phase == "Failed":
        return _condition(kind, False, "PodFailed")
    texts = []
    if unknown:
        texts.append(f"containers with unknown status: {_names(unknown)}")
    if unready:
        texts.append(f"containers with unready status: {_names(unready)}")
    return _condition(kind, False, "ContainersNotReady", ", ".join(texts)) if texts else _condition(kind, True)


def _ready(pod: Obj, present: list[Obj], containers_ready: Obj) -> Obj:
    if containers_ready["status"] != "True":
        return {**containers_ready, "type": "Ready"}
    by_type = {c["type"]: c for c in present}
    texts = []
    for gate in pod["spec"].get("readinessGates") or ():
        kind = gate["conditionType"]
        found = by_type.get(kind)
        if found is None:
            texts.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif found["status"] != "True":
            texts.append(f'the status of pod readiness gate "{kind}" is not "True", but {found["status"]}')
    return _condition("Ready", False, "ReadinessGatesNotReady", ", ".join(texts)) if texts else _condition("Ready", True)


def conditions(
    pod: Obj, old: Obj, init: list[Obj], regular: list[Obj], phase: str, sandbox_needed: bool, resize: tuple[Obj, ...], now: str
) -> list[Obj]:
    """All conditions: others' as the API has them, ours anew, each with the time of its last change."""
    reported = {c["type"]: c for c in old.get("conditions") or ()}
    out = [c for c in (pod.get("status") or {}).get("conditions") or () if c["type"] not in OWNED]
    if "DisruptionTarget" in reported and all(c["type"] != "DisruptionTarget" for c in out):
        out.append(reported["DisruptionTarget"])
    containers_ready = _containers_ready(pod, [*init, *regular], phase)
    ours = [
        *resize,
        _condition("PodReadyToStartContainers", not sandbox_needed),
        _initialized(pod, init, regular, phase),
        _ready(pod, out, containers_ready),
        containers_ready,
        _condition("PodScheduled", True),
    ]
    generation = pod["metadata"].get("generation")
    for condition in ours:
        before = reported.get(condition["type"])
        changed = before is None or before.get("status") != condition["status"]
        condition["lastTransitionTime"] = now if changed or before is None else before.get("lastTransitionTime") or now
        if generation:
            condition["observedGeneration"] = generation
    return [*out, *ours]
