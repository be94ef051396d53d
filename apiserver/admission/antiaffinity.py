"""LimitPodHardAntiAffinityTopology: a pod may keep others off its node, but not off its zone. Off by default."""

from __future__ import annotations

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import BasePlugin, deny

_HOSTNAME = "kubernetes.io/hostname"


class LimitPodHardAntiAffinityTopology(BasePlugin):
    """Upstream: plugin/pkg/admission/antiaffinity."""

    name = "LimitPodHardAntiAffinityTopology"
    default_on = False
    resources = frozenset((("", "pods"),))

    async def validate(self, a: Attributes) -> None:
        """Raises Forbidden for the first term over another topology."""
        affinity = ((a.obj or {}).get("spec") or {}).get("affinity") or {}
        for term in (affinity.get("podAntiAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or ():
            if (key := term.get("topologyKey", "")) != _HOSTNAME:
                where = "affinity.PodAntiAffinity.RequiredDuringScheduling"
                raise deny(a, f"{where} has TopologyKey {key} but only key {_HOSTNAME} is allowed")
