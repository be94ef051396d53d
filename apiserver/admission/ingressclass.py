"""DefaultIngressClass: an ingress that names no class takes the default one."""

from __future__ import annotations

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import CREATE, BasePlugin

_GROUP = "networking.k8s.io"
_DEFAULT = "ingressclass.kubernetes.io/is-default-class"


class DefaultIngressClass(BasePlugin):
    """Upstream: plugin/pkg/admission/network/defaultingressclass."""

    name = "DefaultIngressClass"
    operations = frozenset((CREATE,))
    resources = frozenset(((_GROUP, "ingresses"),))

    async def admit(self, a: Attributes) -> None:
        """Set spec.ingressClassName when there is a default class."""
        assert a.obj is not None
        spec = a.obj.setdefault("spec", {})
        if "ingressClassName" in spec or "kubernetes.io/ingress.class" in (a.obj["metadata"].get("annotations") or {}):
            return
        classes = self.lister.list(_GROUP, "ingressclasses")
        defaults = [c["metadata"] for c in classes if (c["metadata"].get("annotations") or {}).get(_DEFAULT) == "true"]
        if defaults:
            defaults.sort(key=lambda meta: meta["name"])
            defaults.sort(key=lambda meta: meta.get("creationTimestamp", ""), reverse=True)
            spec["ingressClassName"] = defaults[0]["name"]
