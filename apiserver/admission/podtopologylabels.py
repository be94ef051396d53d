"""PodTopologyLabels: a pod that is bound to a node takes the node's zone and region as labels."""

from __future__ import annotations

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import CREATE, BasePlugin
from apiserver.context import Obj

LABELS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")


class PodTopologyLabels(BasePlugin):
    """Upstream: plugin/pkg/admission/podtopologylabels."""

    name = "PodTopologyLabels"
    operations = frozenset((CREATE,))
    resources = frozenset((("", "pods"), ("", "bindings")))
    subresources = frozenset(("", "binding"))

    async def admit(self, a: Attributes) -> None:
        """Set the labels, on the Binding or on a pod that comes bound."""
        assert a.obj is not None
        if a.subresource == "binding" or a.resource.plural == "bindings":
            target = a.obj.get("target") or {}
            self._label(a.obj, target.get("name", "") if target.get("kind") in ("", None, "Node") else "")
        elif a.obj.get("spec", {}).get("nodeName"):
            self._label(a.obj, a.obj["spec"]["nodeName"])

    def _label(self, obj: Obj, node_name: str) -> None:
        node = self.lister.get("", "nodes", None, node_name) if node_name else None
        labels = (node or {}).get("metadata", {}).get("labels") or {}
        found = {key: labels[key] for key in LABELS if key in labels}
        if found:
            meta = obj.setdefault("metadata", {})
            meta["labels"] = {**(meta.get("labels") or {}), **found}
