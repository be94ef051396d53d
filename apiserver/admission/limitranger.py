"""LimitRanger: a namespace's limit ranges give containers their defaults and bound what pods and claims may ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import CREATE, UPDATE, BasePlugin, deny
from apiserver.context import Obj
from kubepy.api.quantity import Quantity, parse

ANNOTATION = "kubernetes.io/limit-ranger"
_PODS, _CLAIMS = ("", "pods"), ("", "persistentvolumeclaims")

Amounts = dict[str, Quantity]
Bound = Callable[[str, str, Quantity, "Quantity | None", "Quantity | None"], str]


class LimitRanger(BasePlugin):
    """Upstream: plugin/pkg/admission/limitranger."""

    name = "LimitRanger"
    operations = frozenset((CREATE, UPDATE))
    resources = frozenset((_PODS, _CLAIMS))
    subresources = frozenset(("", "resize"))

    def handles(self, a: Attributes) -> bool:
        """Not where no limit range exists at all; pods on creation and resizing, claims on creation and update."""
        if a.resource.plural == "pods" and (a.operation == UPDATE) != (a.subresource == "resize"):
            return False
        if a.operation == UPDATE and "deletionTimestamp" in (a.old or {}).get("metadata", {}):
            return False
        return any(True for _ in self.lister.list("", "limitranges", a.namespace))

    async def admit(self, a: Attributes) -> None:
        """Fill requests and limits that containers lack."""
        if a.resource.plural != "pods" or a.subresource:
            return
        assert a.obj is not None
        for limits in self.lister.list("", "limitranges", a.namespace):
            _fill(a.obj, limits)

    async def validate(self, a: Attributes) -> None:
        """Raises Forbidden."""
        assert a.obj is not None
        for limits in self.lister.list("", "limitranges", a.namespace):
            problems = _pod_problems(a.obj, limits) if a.resource.plural == "pods" else _claim_problems(a.obj, limits)
            if problems:
                raise deny(a, problems[0] if len(problems) == 1 else "[" + ", ".join(problems) + "]")


def _fill(pod: Obj, limits: Obj) -> None:
    default: dict[str, dict[str, str]] = {"requests": {}, "limits": {}}
    for item in limits["spec"].get("limits") or ():
        if item.get("type") == "Container":
            default["limits"].update(item.get("default") or {})
            default["requests"].update(item.get("defaultRequest") or {})
    if not any(default.values()):
        return
    notes: list[str] = []
    for field, kind in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(field) or ():
            resources = container.setdefault("resources", {})
            for key, word in (("requests", "request"), ("limits", "limit")):
                present = resources.get(key) or {}
                added = {name: value for name, value in default[key].items() if name not in present}
                if added:
                    resources[key] = {**present, **added}
                    notes.append(f"{', '.join(sorted(added))} {word} for {kind} {container['name']}")
    if notes:
        pod["metadata"].setdefault("annotations", {})[ANNOTATION] = "LimitRanger plugin set: " + "; ".join(notes)


def _amounts(values: dict[str, str] | None) -> Amounts:
    return {name: parse(value) for name, value in (values or {}).items()}


def _minimum(kind: str, name: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> str:
    start = f"minimum {name} usage per {kind} is {bound}"
    if request is None:
        return f"{start}.  No request is specified"
    if request < bound:
        return f"{start}, but request is {request}"
    if limit is not None and limit < bound:
        return f"{start}, but limit is {limit}"
    return ""


def _maximum(kind: str, name: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> str:
    start = f"maximum {name} usage per {kind} is {bound}"
    if limit is None:
        return f"{start}.  No limit is specified"
    if limit > bound:
        return f"{start}, but limit is {limit}"
    if request is not None and request > bound:
        return f"{start}, but request is {request}"
    return ""


def _ratio(kind: str, name: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> str:
    start = f"{name} max limit to request ratio per {kind} is {bound}"
    if not request:
        return f"{start}, but no request is specified or request is 0"
    if not limit:
        return f"{start}, but no limit is specified or limit is 0"
    ratio = float(limit) / float(request)
    return f"{start}, but provided ratio is {ratio:f}" if ratio > float(bound) else ""


_BOUNDS: tuple[tuple[str, Bound], ...] = (("min", _minimum), ("max", _maximum), ("maxLimitRequestRatio", _ratio))


def _bounded(item: Obj, requests: Amounts, limits: Amounts) -> Iterable[str]:
    for field, bound in _BOUNDS:
        for name, value in sorted(_amounts(item.get(field)).items()):
            text = bound(item["type"], name, value, requests.get(name), limits.get(name))
            if text:
                yield text


def _pod_problems(pod: Obj, limits: Obj) -> list[str]:
    spec = pod["spec"]
    out: list[str] = []
    for item in limits["spec"].get("limits") or ():
        if item.get("type") == "Container":
            for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
                resources = container.get("resources") or {}
                out += _bounded(item, _amounts(resources.get("requests")), _amounts(resources.get("limits")))
        elif item.get("type") == "Pod":
            out += _bounded(item, _pod_total(spec, "requests"), _pod_total(spec, "limits"))
    return out


def _pod_total(spec: Obj, key: str) -> Amounts:
    """What the pod asks for as a whole: its containers together, or its largest init container; its own say where it has one.

    A resource that one container leaves open is open for the pod.
    """
    containers = [_amounts((c.get("resources") or {}).get(key)) for c in spec.get("containers") or ()]
    total: Amounts = {}
    for name in {n for c in containers for n in c}:
        amounts = [c[name] for c in containers if name in c]
        if len(amounts) == len(containers):
            total[name] = sum(amounts[1:], amounts[0])
    for init in spec.get("initContainers") or ():
        for name, value in _amounts((init.get("resources") or {}).get(key)).items():
            if name not in total or value > total[name]:
                total[name] = value
    total.update(_amounts((spec.get("resources") or {}).get(key)))
    return total


def _claim_problems(claim: Obj, limits: Obj) -> list[str]:
    requests = _amounts((claim["spec"].get("resources") or {}).get("requests"))
    out = []
    for item in limits["spec"].get("limits") or ():
        if item.get("type") != "PersistentVolumeClaim":
            continue
        # A claim has no limits: what it requests stands for both.
        for field, bound in _BOUNDS[:2]:
            for name, value in sorted(_amounts(item.get(field)).items()):
                request = requests.get(name)
                text = bound(item["type"], name, value, request, request)
                if text and request is not None:
                    text = text.replace("but limit is", "but request is")
                if text:
                    out.append(text)
    return out
