"""Quality of service classes of pods. Pure.

Upstream: pkg/apis/core/helper/qos/qos.go.
"""

from __future__ import annotations

from apiserver.context import Obj
from kubepy.api.quantity import Quantity, parse

_COMPUTE = ("cpu", "memory")


def _positive(found: dict[str, str] | None) -> dict[str, Quantity]:
    return {k: q for k in _COMPUTE if found and k in found and (q := parse(found[k])).nanos > 0}


def qos_class(pod: Obj) -> str:
    """Guaranteed, Burstable or BestEffort, from the spec."""
    spec = pod["spec"]
    if (of_pod := spec.get("resources")) is not None:
        requests, limits = _positive(of_pod.get("requests")), _positive(of_pod.get("limits"))
        if not requests and not limits:
            return "BestEffort"
        return "Guaranteed" if len(limits) == len(_COMPUTE) and requests == limits else "Burstable"
    parts = [c.get("resources") or {} for key in ("containers", "initContainers") for c in spec.get(key) or ()]
    some = False
    guaranteed = True
    for part in parts:
        if not part:
            guaranteed = False
            continue
        requests, limits = _positive(part.get("requests")), _positive(part.get("limits"))
        some = some or bool(requests) or bool(limits)
        # Totals over containers would hide a container without limits: each must have both, equal.
        if len(limits) != len(_COMPUTE) or requests != limits:
            guaranteed = False
    if not some:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
