"""What a placement asks to be written before the pod is bound. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.framework.podinfo import Obj


@dataclass(frozen=True)
class Plan:
    """Volumes to bind to claims, claims to be provisioned for the node, and resource claims to reserve for the pod (with the
    allocation to write first, None when they have one)."""

    bind: tuple[tuple[Obj, Obj], ...] = ()
    provision: tuple[Obj, ...] = ()
    devices: tuple[tuple[Obj, Obj | None], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.bind or self.provision or self.devices)

    def __add__(self, other: Plan) -> Plan:
        return Plan(self.bind + other.bind, self.provision + other.provision, self.devices + other.devices)
