"""RuntimeClass: a pod's class gives it overhead, node selector and tolerations."""

from __future__ import annotations

from typing import Any

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import CREATE, BasePlugin, deny
from apiserver.context import Obj
from kubepy.api import quantity
from kubepy.api.errors import StatusError

_UNFOUNDED = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


class RuntimeClass(BasePlugin):
    """Upstream: plugin/pkg/admission/runtimeclass."""

    name = "RuntimeClass"
    operations = frozenset((CREATE,))
    resources = frozenset((("", "pods"),))

    def handles(self, a: Attributes) -> bool:
        """Only pods that name a class or an overhead."""
        spec = (a.obj or {}).get("spec") or {}
        return "runtimeClassName" in spec or "overhead" in spec

    async def admit(self, a: Attributes) -> None:
        """Set overhead, node selector and tolerations. Raises Forbidden."""
        assert a.obj is not None
        spec = a.obj["spec"]
        found = self._class(a)
        if found is None:
            return
        fixed = (found.get("overhead") or {}).get("podFixed")
        if fixed:
            if spec.get("overhead") and not _equal(spec["overhead"], fixed):
                raise deny(a, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
            spec["overhead"] = dict(fixed)
        scheduling = found.get("scheduling") or {}
        selector = scheduling.get("nodeSelector") or {}
        own = spec.get("nodeSelector") or {}
        for key, value in selector.items():
            if own.get(key, value) != value:
                text = f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {own[key]}"
                raise deny(a, text)
        if selector:
            spec["nodeSelector"] = {**own, **selector}
        if scheduling.get("tolerations"):
            spec["tolerations"] = merge_tolerations(spec.get("tolerations") or [], scheduling["tolerations"])

    async def validate(self, a: Attributes) -> None:
        """Raises Forbidden for an overhead that no class defines."""
        assert a.obj is not None
        overhead = a.obj["spec"].get("overhead")
        found = self._class(a)
        fixed = ((found or {}).get("overhead") or {}).get("podFixed")
        if fixed:
            if not _equal(overhead or {}, fixed):
                raise deny(a, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
        elif overhead:
            raise deny(a, _UNFOUNDED)

    def _class(self, a: Attributes) -> Obj | None:
        assert a.obj is not None
        name = a.obj["spec"].get("runtimeClassName")
        if name is None:
            return None
        if not name:
            # Upstream asks the API for what it has not heard of, and its client asks for nothing without a name.
            raise StatusError("resource name may not be empty", reason="")
        found = self.lister.get("node.k8s.io", "runtimeclasses", None, name)
        if found is None:
            raise deny(a, f'pod rejected: RuntimeClass "{name}" not found')
        return found


def _equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(quantity.parse(a[key]) == quantity.parse(b[key]) for key in a)


def merge_tolerations(first: list[Obj], second: list[Obj]) -> list[Obj]:
    """Both lists without tolerations that another one includes (pkg/util/tolerations)."""
    every = [*first, *second]
    kept: list[Obj] = []
    for number, toleration in enumerate(every):
        if any(_includes(other, toleration) for other in kept):
            continue
        if any(_includes(other, toleration) and not _includes(toleration, other) for other in every[number + 1 :]):
            continue
        kept.append(dict(toleration))
    return kept


def _includes(wide: Obj, narrow: Obj) -> bool:
    """Whether whatever `narrow` tolerates is tolerated by `wide`."""
    if wide == narrow:
        return True
    if wide.get("key", "") != narrow.get("key", "") and not (not wide.get("key") and wide.get("operator") == "Exists"):
        return False
    if wide.get("effect", "") not in ("", narrow.get("effect", "")):
        return False
    limited = wide.get("effect") == "NoExecute" and "tolerationSeconds" in wide
    if limited and wide["tolerationSeconds"] < narrow.get("tolerationSeconds", float("inf")):
        return False
    if wide.get("operator", "Equal") == "Exists":
        return True
    return all(wide.get(key, default) == narrow.get(key, default) for key, default in (("operator", "Equal"), ("value", "")))
