"""What the node has given its pods, where that is not yet what they ask for: resizes that do not fit wait (KEP-1287).

Upstream: pkg/kubelet/allocation/allocation_manager.go, lifecycle/predicate.go, events/resize.go. Upstream keeps what was given in a
file; here the status of a pod whose resize waits tells it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from kubelet.pods import spec
from kubepy.api.quantity import Quantity, parse
from kubepy.api.usage import add, pod_amounts

Obj = dict[str, Any]
Amounts = Mapping[str, Quantity]
Given = dict[str, Obj]
"""Container → its resources."""

_COMPUTE = ("cpu", "memory")
_LIMITED = (*_COMPUTE, "ephemeral-storage")


def summary(pod: Obj, error: str = "") -> str:
    """The resources of a pod as events tell them."""
    out: Obj = {}
    for key, containers in (("initContainers", spec.init_containers(pod)), ("containers", spec.containers(pod))):
        if containers:
            out[key] = [{"name": c["name"], "resources": _limits_first(c.get("resources") or {})} for c in containers]
    out["generation"] = pod["metadata"].get("generation") or 0
    if error:
        out["error"] = error
    return orjson.dumps(out).decode()


def _limits_first(resources: Obj) -> Obj:
    return {key: dict(sorted(resources[key].items())) for key in ("limits", "requests") if resources.get(key)}


def with_resources(pod: Obj, given: Given) -> Obj:
    """The pod as if it asked for what it was given; the same object where it does."""
    if all((c.get("resources") or {}) == given.get(c["name"], c.get("resources") or {}) for c in _resizable(pod)):
        return pod
    out = {**pod["spec"]}
    for key in ("containers", "initContainers"):
        if out.get(key):
            out[key] = [{**c, "resources": given[c["name"]]} if c["name"] in given else c for c in out[key]]
    return {**pod, "spec": out}


def _resizable(pod: Obj) -> Iterable[Obj]:
    return (*spec.containers(pod), *spec.init_containers(pod))


def _of_spec(pod: Obj) -> Given:
    return {c["name"]: c.get("resources") or {} for c in _resizable(pod)}


def restored(pod: Obj) -> Given:
    """What a pod that is met again was given: what it asks for, or, while a resize of it waits, what its status says."""
    out, status = _of_spec(pod), pod.get("status") or {}
    if any(c["type"] == "PodResizePending" for c in status.get("conditions") or ()):
        for entry in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
            given = {"requests": entry.get("allocatedResources"), "limits": (entry.get("resources") or {}).get("limits")}
            if entry["name"] in out:
                out[entry["name"]] = {k: v for k, v in given.items() if v}
    return out


def shortage(wanted: Amounts, used: Amounts, capacity: Mapping[str, str]) -> tuple[str, str] | None:
    """(the resource that is short, why) when the amounts do not fit beside what is used."""
    for name in ("pods", *_LIMITED):
        asked, taken = (amounts.get(name, parse("0")) for amounts in (wanted, used))
        if name not in capacity or not asked.milli_value():
            continue
        whole = parse(capacity[name])
        if asked + taken > whole:
            numbers = [q.milli_value() if name == "cpu" else q.value() for q in (asked, taken, whole)]
            text = "Node didn't have enough resource: {}, requested: {}, used: {}, capacity: {}"
            return name, text.format(name, *numbers)
    return None


@dataclass(slots=True)
class _Held:
    pod: Obj
    """As the API has it."""
    given: Given
    amounts: Amounts = field(default_factory=dict)
    """What of the node's resources that is."""
    waits: str = ""
    """Why the resize does not fit now."""
    since: float = 0.0
    wake: Callable[[], None] | None = None
    told: tuple[Any, ...] = field(default_factory=tuple)


Tell = Callable[[Obj, str, str, str], None]
"""(pod, event type, reason, message)."""


class Allocations:
    """All pods of one node with what they were given."""

    def __init__(self, capacity: Mapping[str, str], tell: Tell) -> None:
        self._capacity, self._tell = capacity, tell
        self._held: dict[str, _Held] = {}
        self._used: dict[str, Quantity] = {}

    def refusal(self, pod: Obj) -> tuple[str, str] | None:
        """(reason, message) when there is no room for a pod that is new here."""
        used = {**self._used, "pods": parse(str(len(self._held)))}
        found = shortage({**pod_amounts(pod, "requests"), "pods": parse("1")}, used, self._capacity)
        return (f"OutOf{found[0]}", found[1]) if found else None

    def hold(self, pod: Obj, wake: Callable[[], None]) -> None:
        """The pod runs here from now on; `wake` is called when a resize of it that waited fits."""
        held = self._held[pod["metadata"]["uid"]] = _Held(pod, {}, wake=wake)
        self._give(held, restored(pod))

    def release(self, uid: str) -> None:
        """The pod is gone: others may have its share."""
        held = self._held.pop(uid, None)
        if held is not None:
            self._used = self._without(held)
            self._retry()

    def update(self, pod: Obj) -> Obj:
        """A newer pod: as it is to be run, with what it asks for when that fits, else with what it has."""
        held = self._held.get(pod["metadata"]["uid"])
        if held is None:
            return pod
        before, held.pod = held.pod, pod
        if _of_spec(pod) == held.given:
            held.waits = ""
        elif held.waits == "" or _of_spec(before) != _of_spec(pod):
            held.since = held.since if held.waits else time.monotonic()
            self._try(held)
            # What this pod has given back, others may wait for.
            self._retry(but=held)
        return with_resources(pod, held.given)

    def pending(self, uid: str) -> Obj | None:
        """The condition of a resize that waits."""
        held = self._held.get(uid)
        if held is None or not held.waits:
            return None
        return {"type": "PodResizePending", "status": "True", "reason": "Deferred", "message": held.waits}

    def _without(self, held: _Held) -> dict[str, Quantity]:
        return {name: used - held.amounts[name] if name in held.amounts else used for name, used in self._used.items()}

    def _give(self, held: _Held, given: Given) -> None:
        others = self._without(held)
        held.given = given
        held.amounts = pod_amounts(with_resources(held.pod, given), "requests")
        self._used = add(others, held.amounts)

    def _try(self, held: _Held) -> bool:
        found = shortage(pod_amounts(held.pod, "requests"), self._without(held), self._capacity)
        held.waits = found[1] if found else ""
        if not held.waits:
            self._give(held, _of_spec(held.pod))
            held.told = ()
            self._tell(held.pod, "Normal", "ResizeStarted", f"Pod resize started: {summary(held.pod)}")
            return True
        told = (held.pod["metadata"].get("generation"),)
        if held.told != told:
            held.told = told
            self._tell(held.pod, "Warning", "ResizeDeferred", f"Pod resize Deferred: {summary(held.pod, held.waits)}")
        return False

    def _retry(self, but: _Held | None = None) -> None:
        for held in sorted((h for h in self._held.values() if h.waits and h is not but), key=_urgency):
            if self._try(held) and held.wake is not None:
                held.wake()


def _urgency(held: _Held) -> tuple[Any, ...]:
    """Resizes that ask for no more come first, then by priority, then the guaranteed, then those that wait longest."""
    wanted = pod_amounts(held.pod, "requests")
    more = any(wanted.get(name, parse("0")) > held.amounts.get(name, parse("0")) for name in _COMPUTE)
    return more, -int(held.pod["spec"].get("priority") or 0), spec.qos(held.pod) != "Guaranteed", held.since
