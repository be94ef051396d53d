"""DefaultStorageClass: a claim that names no class takes the default one."""

from __future__ import annotations

from apiserver.admission.interface import Attributes, Tools
from apiserver.admission.plugin import CREATE, BasePlugin
from apiserver.context import Obj

_GROUP = "storage.k8s.io"
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


class DefaultStorageClass(BasePlugin):
    """Upstream: plugin/pkg/admission/storage/storageclass/setdefault."""

    name = "DefaultStorageClass"
    operations = frozenset((CREATE,))
    resources = frozenset((("", "persistentvolumeclaims"),))

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._generation: int | None = None
        self._default: str | None = None

    async def admit(self, a: Attributes) -> None:
        """Set spec.storageClassName when there is a default class."""
        assert a.obj is not None
        if "storageClassName" in a.obj["spec"] or BETA_CLASS in (a.obj["metadata"].get("annotations") or {}):
            return
        default = self._default_class()
        if default is not None:
            a.obj["spec"]["storageClassName"] = default

    def _default_class(self) -> str | None:
        generation = self.lister.generation(_GROUP, "storageclasses")
        if generation != self._generation:
            defaults = [c for c in self.lister.list(_GROUP, "storageclasses") if _is_default(c)]
            # The newest wins; of equally new ones the first by name.
            defaults.sort(key=lambda c: c["metadata"]["name"])
            defaults.sort(key=lambda c: c["metadata"].get("creationTimestamp", ""), reverse=True)
            self._default = defaults[0]["metadata"]["name"] if defaults else None
            self._generation = generation
        return self._default


def _is_default(storage_class: Obj) -> bool:
    annotations = storage_class["metadata"].get("annotations") or {}
    return any(annotations.get(key) == "true" for key in _DEFAULT)
