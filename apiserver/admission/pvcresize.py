"""PersistentVolumeClaimResize: a claim may grow when it is bound and its class says that it may."""

from __future__ import annotations

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import UPDATE, BasePlugin, deny
from apiserver.context import Obj
from kubepy.api import quantity

_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


class PersistentVolumeClaimResize(BasePlugin):
    """Upstream: plugin/pkg/admission/storage/persistentvolume/resize."""

    name = "PersistentVolumeClaimResize"
    operations = frozenset((UPDATE,))
    resources = frozenset((("", "persistentvolumeclaims"),))

    async def validate(self, a: Attributes) -> None:
        """Raises Forbidden."""
        assert a.obj is not None
        assert a.old is not None
        old, new = _size(a.old), _size(a.obj)
        if old is None or new is None or quantity.parse(new) <= quantity.parse(old):
            return
        if (a.old.get("status") or {}).get("phase") != "Bound":
            raise deny(a, "Only bound persistent volume claims can be expanded")
        if not self._may_grow(a.obj, a.old):
            raise deny(
                a,
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
            )

    def _may_grow(self, new: Obj, old: Obj) -> bool:
        name = _class(new)
        if not name or name != _class(old):
            return False
        found = self.lister.get("storage.k8s.io", "storageclasses", None, name)
        return found is not None and bool(found.get("allowVolumeExpansion"))


def _size(claim: Obj) -> str | None:
    value: str | None = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage")
    return value


def _class(claim: Obj) -> str:
    beta: str | None = (claim["metadata"].get("annotations") or {}).get(_BETA_CLASS)
    return beta if beta is not None else claim["spec"].get("storageClassName", "")
