"""StorageObjectInUseProtection: claims, volumes and attribute classes get the finalizer that keeps them while in use."""

from __future__ import annotations

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import CREATE, BasePlugin

FINALIZERS = {
    ("", "persistentvolumeclaims"): "kubernetes.io/pvc-protection",
    ("", "persistentvolumes"): "kubernetes.io/pv-protection",
    ("storage.k8s.io", "volumeattributesclasses"): "kubernetes.io/vac-protection",
}


class StorageObjectInUseProtection(BasePlugin):
    """Upstream: plugin/pkg/admission/storage/storageobjectinuseprotection."""

    name = "StorageObjectInUseProtection"
    operations = frozenset((CREATE,))
    resources = frozenset(FINALIZERS)

    async def admit(self, a: Attributes) -> None:
        """Add the finalizer."""
        assert a.obj is not None
        finalizer = FINALIZERS[a.resource.group, a.resource.plural]
        present = a.obj["metadata"].get("finalizers") or []
        if finalizer not in present:
            a.obj["metadata"]["finalizers"] = [*present, finalizer]
