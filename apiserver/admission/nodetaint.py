"""TaintNodesByCondition: a new node takes no pods until it has been seen ready."""

from __future__ import annotations

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import CREATE, BasePlugin

TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class TaintNodesByCondition(BasePlugin):
    """Upstream: plugin/pkg/admission/nodetaint."""

    name = "TaintNodesByCondition"
    operations = frozenset((CREATE,))
    resources = frozenset((("", "nodes"),))

    async def admit(self, a: Attributes) -> None:
        """Add the not-ready taint."""
        assert a.obj is not None
        spec = a.obj.setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any(t.get("key") == TAINT["key"] and t.get("effect") == TAINT["effect"] for t in taints):
            spec["taints"] = [*taints, dict(TAINT)]
