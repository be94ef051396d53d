"""PriorityClasses, RuntimeClasses and Leases: a few fields each.

Upstream: pkg/apis/{scheduling,node,coordination}/validation.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import goform, resources
from apiserver.registry.strategies.checks import NEGATIVE, Errors, immutable, labels, named
from apiserver.registry.strategies.common import both, first_generation
from apiserver.registry.strategies.podspec.affinity import tolerations
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import duplicate, forbidden_field, invalid, not_supported, required

_HIGHEST = 1_000_000_000
_SYSTEM = {"system-cluster-critical": 2 * _HIGHEST, "system-node-critical": 2 * _HIGHEST + 1000}
_PREEMPTION = ("PreemptLowerPriority", "Never")


def _priority(out: Errors, new: Obj, old: Obj | None) -> None:
    name, value = new["metadata"].get("name", ""), new.get("value", 0)
    if name.startswith("system-"):
        problem = ""
        if name not in _SYSTEM:
            problem = f"{name} is not a known system priority class"
        elif value != _SYSTEM[name]:
            problem = f"value of {name} PriorityClass must be {_SYSTEM[name]}"
        elif new.get("globalDefault"):
            problem = f"globalDefault of {name} PriorityClass must be false"
        if problem:
            text = f"priority class names with 'system-' prefix are reserved for system use only. error: {problem}"
            out.append(forbidden_field("metadata.name", text))
    elif value > _HIGHEST:
        out.append(forbidden_field("value", f"maximum allowed value of a user defined priority is {_HIGHEST}"))
    policy = new.get("preemptionPolicy")
    if old is None and policy is not None and policy not in _PREEMPTION:
        out.append(not_supported("preemptionPolicy", policy, _PREEMPTION) if policy else required("preemptionPolicy"))
    if old is not None:
        if value != old.get("value", 0):
            out.append(forbidden_field("value", "may not be changed in an update."))
        immutable(out, policy, old.get("preemptionPolicy"), "preemptionPolicy")


def _runtime(out: Errors, new: Obj, old: Obj | None) -> None:
    handler = new.get("handler", "")
    if handler:
        named(out, handler, "handler", names.dns1123_label)
    else:
        out.append(required("handler"))
    overhead = (new.get("overhead") or {}).get("podFixed")
    if overhead:
        resources.requirements(out, {"limits": overhead}, "overhead", frozenset())
    scheduling = new.get("scheduling")
    if scheduling is not None:
        labels(out, scheduling.get("nodeSelector"), "scheduling.nodeSelector")
        found = scheduling.get("tolerations") or []
        tolerations(out, found, "scheduling.tolerations")
        out.extend(duplicate(f"scheduling.tolerations[{i}]", goform.of("Toleration", t)) for i, t in enumerate(found) if t in found[:i])
    if old is not None:
        immutable(out, handler, old.get("handler", ""), "handler")


def _drop_coordinated(obj: Obj) -> None:
    """Fields of coordinated leader election, whose gate is off."""
    spec = obj.get("spec") or {}
    for key in ("strategy", "preferredHolder"):
        spec.pop(key, None)


def _drop_coordinated_update(new: Obj, old: Obj) -> None:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    for key in ("strategy", "preferredHolder"):
        if key not in before:
            spec.pop(key, None)


def _lease(out: Errors, new: Obj, _old: Obj | None) -> None:
    spec = new.get("spec") or {}
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        out.append(invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        out.append(invalid("spec.leaseTransitions", transitions, NEGATIVE))


PRIORITY = Strategy(prepare=first_generation, has_generation=False, **both(_priority))
RUNTIME = Strategy(allow_create_on_update=True, allow_unconditional_update=False, has_generation=False, **both(_runtime))
LEASE = Strategy(
    prepare=_drop_coordinated,
    prepare_update=_drop_coordinated_update,
    has_generation=False,
    allow_create_on_update=True,
    allow_unconditional_update=False,
    **both(_lease),
)
