"""What may change in a stored pod: through the pod itself, its ephemeral containers, or a resize.

Upstream: ValidatePodUpdate, ValidatePodEphemeralContainersUpdate, ValidatePodResize.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors
from apiserver.registry.strategies.podspec import notes, spec
from apiserver.registry.strategies.podspec.affinity import tolerations
from apiserver.registry.strategies.podspec.options import POD, for_update
from apiserver.registry.strategies.podspec.qos import qos_class
from kubepy.api.errors import forbidden_field, invalid, required

_MAX_INT32 = 2**31 - 1
_UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_ONLY_COMPUTE = "only cpu and memory resources are mutable"
_CONTAINERS = ("containers", "initContainers")
_COMPUTE = ("cpu", "memory")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def _annotations(obj: Obj) -> Mapping[str, str]:
    return obj["metadata"].get("annotations") or {}


def _common(out: Errors, new: Obj, old: Obj) -> None:
    if new["spec"] == old["spec"]:
        # What is stored was valid when it was written: annotations are all that can be wrong with it now.
        if _annotations(new) != _annotations(old):
            spec.pod_annotations(out, new, POD)
    else:
        spec.pod(out, new, for_update(old["spec"], True))
    notes.validate_update(out, _annotations(new), _annotations(old))


def validate(new: Obj, old: Obj) -> Errors:
    """An update of the pod itself."""
    out: Errors = []
    new_spec, old_spec = new["spec"], old["spec"]
    _common(out, new, old)
    if new_spec == old_spec:
        return out
    for key in ("containers", "initContainers"):
        if not _images(out, new_spec.get(key) or (), old_spec.get(key) or (), f"spec.{key}"):
            return out
    if not _deadline(out, new_spec.get("activeDeadlineSeconds"), old_spec.get("activeDeadlineSeconds")):
        return out
    _tolerations(out, new_spec.get("tolerations") or (), old_spec.get("tolerations") or ())
    _gates(out, new_spec.get("schedulingGates") or (), old_spec.get("schedulingGates") or ())
    munged = {**new_spec}
    for key in ("containers", "initContainers"):
        if key in new_spec:
            pairs = zip(new_spec[key], old_spec.get(key) or (), strict=True)
            munged[key] = [_with(n, "image", o.get("image")) for n, o in pairs]
    for key in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        munged = _with(munged, key, old_spec.get(key))
    if (old_spec.get("terminationGracePeriodSeconds") or 0) < 0 and new_spec.get("terminationGracePeriodSeconds") == 1:
        munged["terminationGracePeriodSeconds"] = old_spec["terminationGracePeriodSeconds"]
    if old_spec.get("schedulingGates"):
        munged = _gated(out, munged, old_spec)
    if munged != old_spec:
        text = f"pod updates may not change fields other than {_UPDATABLE}\n{goform.diff('PodSpec', old_spec, munged)}"
        out.append(forbidden_field("spec", text))
    return out


def _with(obj: Obj, key: str, value: Any) -> Obj:
    out = {**obj}
    if value is None:
        out.pop(key, None)
    else:
        out[key] = value
    return out


def _images(out: Errors, new: Sequence[Obj], old: Sequence[Obj], path: str) -> bool:
    if len(new) != len(old):
        out.append(forbidden_field(path, "pod updates may not add or remove containers"))
        return False
    for i, c in enumerate(new):
        image = c.get("image") or ""
        if not image:
            out.append(required(f"{path}[{i}].image"))
        if image != image.strip():
            out.append(invalid(f"{path}[{i}].image", image, "must not have leading or trailing whitespace"))
    return True


def _deadline(out: Errors, new: int | None, old: int | None) -> bool:
    path = "spec.activeDeadlineSeconds"
    if new is not None:
        if not 0 <= new <= _MAX_INT32:
            out.append(invalid(path, new, f"must be between 0 and {_MAX_INT32}, inclusive"))
            return False
        if old is not None and old < new:
            out.append(invalid(path, new, "must be less than or equal to previous value"))
            return False
    elif old is not None:
        out.append(invalid(path, None, "must not update from a positive integer to nil value"))
    return True


def _tolerations(out: Errors, new: Sequence[Obj], old: Sequence[Obj]) -> None:
    def bare(t: Obj) -> Obj:
        return {k: v for k, v in t.items() if k != "tolerationSeconds"}

    kept = [bare(t) for t in new]
    if any(bare(t) not in kept for t in old):
        out.append(forbidden_field("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"))
    else:
        tolerations(out, new, "spec.tolerations")


def _gates(out: Errors, new: Sequence[Obj], old: Sequence[Obj]) -> None:
    known = {g.get("name") for g in old}
    for i, gate in enumerate(new):
        name = gate.get("name", "")
        if name not in known:
            text = f"only deletion is allowed, but found new scheduling gate '{name}'"
            out.append(forbidden_field(f"spec.schedulingGates[{i}].name", text))


def _gated(out: Errors, munged: Obj, old: Obj) -> Obj:
    """Gated pods may gain node selectors and node affinity."""
    new_selector, old_selector = munged.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    if new_selector != old_selector:
        if any(new_selector.get(k) != v for k, v in old_selector.items()):
            text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
            out.append(invalid("spec.nodeSelector", new_selector or None, text))
        munged = _with(munged, "nodeSelector", old.get("nodeSelector"))
    new_affinity, old_affinity = munged.get("affinity"), old.get("affinity")
    new_node, old_node = (new_affinity or {}).get("nodeAffinity"), (old_affinity or {}).get("nodeAffinity")
    if new_node != old_node:
        _node_affinity(out, new_node or {}, old_node or {})
        merged = _with(new_affinity or {}, "nodeAffinity", old_node)
        munged = _with(munged, "affinity", merged if merged or old_affinity is not None else None)
    return munged


def _node_affinity(out: Errors, new: Obj, old: Obj) -> None:
    if old.get(_REQUIRED) is None:
        return
    path = f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
    old_terms = old[_REQUIRED].get("nodeSelectorTerms") or []
    new_terms = (new.get(_REQUIRED) or {}).get("nodeSelectorTerms") or []
    if old_terms and len(old_terms) != len(new_terms):
        shown = [goform.of("NodeSelectorTerm", t) for t in new_terms] or None
        out.append(invalid(path, shown, "no additions/deletions to non-empty NodeSelectorTerms list are allowed"))
        return
    for i, (n, o) in enumerate(zip(new_terms, old_terms, strict=False)):
        if not _only_added(n, o):
            out.append(invalid(f"{path}[{i}]", goform.of("NodeSelectorTerm", n), "only additions are allowed (no mutations or deletions)"))


def _only_added(new: Obj, old: Obj) -> bool:
    keys = ("matchExpressions", "matchFields")
    if not any(old.get(k) for k in keys):
        return not any(new.get(k) for k in keys)
    return all((new.get(k) or [])[: len(old.get(k) or [])] == (old.get(k) or []) for k in keys)


def ephemeral_containers(new: Obj, old: Obj) -> Errors:
    """An update of /ephemeralcontainers: they are added, never changed or removed."""
    if notes.MIRROR in _annotations(old):
        return [forbidden_field("[]", "static pods do not support ephemeral containers")]
    out: Errors = []
    _common(out, new, old)
    index = {c.get("name"): c for c in new["spec"].get("ephemeralContainers") or ()}
    path = "spec.ephemeralContainers"
    for c in old["spec"].get("ephemeralContainers") or ():
        name = c.get("name", "")
        if name not in index:
            out.append(forbidden_field(path, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif index[name] != c:
            changes = goform.diff("EphemeralContainer", c, index[name])
            out.append(forbidden_field(path, f'existing ephemeral containers "{name}" may not be changed\n{changes}'))
    return out


def resize(new: Obj, old: Obj) -> Errors:
    """An update of /resize: CPU and memory of containers and of the pod, within the pod's QoS class."""
    out: Errors = []
    spec.pod(out, new, for_update(old["spec"], True))
    if notes.MIRROR in _annotations(old):
        return [forbidden_field("[]", "static pods cannot be resized")]
    if (old["spec"].get("os") or {}).get("name") == "windows":
        return [forbidden_field("[]", "windows pods cannot be resized")]
    old_class = (old.get("status") or {}).get("qosClass") or qos_class(old)
    if qos_class(new) != old_class:
        shown = (new.get("status") or {}).get("qosClass", "")
        out.append(invalid("spec", shown, "Pod QOS Class may not change as a result of resizing"))
    running = [s for s in (old.get("status") or {}).get("containerStatuses") or () if "running" in (s.get("state") or {})]
    if running and running[0].get("resources") is None:
        out.append(forbidden_field("spec", "Pod running on node without support for resize"))
    rest = [{k: v for k, v in s.items() if k not in _CONTAINERS} for s in (new["spec"], old["spec"])]
    _pod_level(out, rest[0], rest[1])
    if (old.get("status") or {}).get("nodeAllocatableResourceClaimStatuses"):
        out.append(forbidden_field("spec", "pods with node allocatable resource claims cannot be resized"))
    if not _same_containers(out, new["spec"], old["spec"]):
        return out
    pairs = {key: list(zip(new["spec"].get(key) or (), old["spec"].get(key) or (), strict=True)) for key in _CONTAINERS}
    for key in ("initContainers", "containers"):
        for i, (n, o) in enumerate(pairs[key]):
            _requirements(out, n.get("resources") or {}, o.get("resources") or {}, f"spec.{key}[{i}].resources")
    for n, o in pairs["containers"]:
        if _without_compute(n, o) != _semantic(o):
            out.append(forbidden_field("spec", _ONLY_COMPUTE))
    for i, (n, o) in enumerate(pairs["initContainers"]):
        path = f"spec.initContainers[{i}]"
        if _without_compute(n, o) != _semantic(o):
            out.append(forbidden_field(path, "only cpu and memory resources for init or sidecar containers are mutable"))
        if n.get("restartPolicy") != "Always" and _semantic(n) != _semantic(o):
            text = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
            restarts = [p for p in n.get("resizePolicy") or () if p.get("restartPolicy") == "RestartContainer"]
            out.extend(forbidden_field(path, text) for _ in restarts)
    if not out and rest[0] != rest[1]:
        out.append(forbidden_field("spec", _ONLY_COMPUTE))
    return out


def _pod_level(out: Errors, new: Obj, old: Obj) -> None:
    """spec.resources, of which `new` afterwards has the old CPU and memory."""
    mine, theirs = new.get("resources"), old.get("resources")
    if not any((r or {}).get(key) for r in (mine, theirs) for key in ("requests", "limits")):
        return
    path = "spec.resources"
    if mine is None:
        out.append(forbidden_field(path, "pod-level resources cannot be removed"))
        return
    if theirs is not None:
        _requirements(out, mine, theirs, path, "pod-level ")
    kept = _old_compute(mine, theirs or {})
    new.pop("resources")
    if theirs is not None or kept:
        new["resources"] = kept
    if new.get("resources") != (None if theirs is None else _filled(theirs)):
        out.append(forbidden_field("spec", "only cpu and memory resources are mutable at pod-level"))
    elif theirs is not None:
        new["resources"] = theirs


def _same_containers(out: Errors, new: Obj, old: Obj) -> bool:
    """Whether the containers are the same ones, in the same order."""
    found = len(out)
    for key in _CONTAINERS:
        mine, theirs = new.get(key) or (), old.get(key) or ()
        if len(mine) != len(theirs):
            out.append(forbidden_field(f"spec.{key}", f"{key} may not be added or removed on resize"))
            continue
        for i, (n, o) in enumerate(zip(mine, theirs, strict=True)):
            if n.get("name") != o.get("name"):
                out.append(forbidden_field(f"spec.{key}[{i}].name", f"{key} may not be renamed or reordered on resize"))
    return len(out) == found


def _filled(value: Obj) -> Obj:
    return {k: v for k, v in value.items() if v}


def _semantic(container: Obj) -> Obj:
    """A container without empty lists and maps in its resources."""
    return {**container, "resources": _filled(container.get("resources") or {})}


def _old_compute(mine: Obj, theirs: Obj) -> Obj:
    """Requirements with CPU and memory of others."""
    found: Obj = dict(mine)
    for key in ("limits", "requests"):
        amounts = {k: v for k, v in (mine.get(key) or {}).items() if k not in _COMPUTE}
        found[key] = amounts | {k: v for k, v in (theirs.get(key) or {}).items() if k in _COMPUTE}
    return _filled(found)


def _requirements(out: Errors, new: Obj, old: Obj, path: str, level: str = "") -> None:
    for key, what in (("requests", "resource requests cannot be removed"), ("limits", "resource limits cannot be removed")):
        if set(old.get(key) or ()) - set(new.get(key) or ()):
            out.append(forbidden_field(f"{path}.{key}", level + what))


def _without_compute(new: Obj, old: Obj) -> Obj:
    """The new container with the old one's CPU and memory; its claims are not looked at, so that old ones are missed."""
    found = _old_compute(new.get("resources") or {}, old.get("resources") or {})
    found.pop("claims", None)
    return {**new, "resources": found}
