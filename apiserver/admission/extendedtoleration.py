"""ExtendedResourceToleration: who asks for a special device tolerates the taint that keeps others off its nodes. Off by default."""

from __future__ import annotations

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import BasePlugin
from kubepy.api.usage import is_extended


class ExtendedResourceToleration(BasePlugin):
    """Upstream: plugin/pkg/admission/extendedresourcetoleration."""

    name = "ExtendedResourceToleration"
    default_on = False
    resources = frozenset((("", "pods"),))

    async def admit(self, a: Attributes) -> None:
        """Add a toleration for each extended resource that a container requests."""
        assert a.obj is not None
        spec = a.obj["spec"]
        containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        asked = {name for c in containers for name in (c.get("resources") or {}).get("requests") or () if is_extended(name)}
        for name in sorted(asked):
            wanted = {"key": name, "operator": "Exists", "effect": "NoSchedule"}
            have = spec.get("tolerations") or []
            if not any({k: t.get(k) for k in wanted} == wanted for t in have):
                spec["tolerations"] = [*have, wanted]
