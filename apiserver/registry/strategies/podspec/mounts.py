"""Where containers mount volumes and attach block devices.

Upstream: ValidateVolumeMounts, ValidateVolumeDevices. Some paths lack the index: upstream's do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors, not_found
from apiserver.registry.strategies.podspec.paths import local_descending
from kubepy.api.errors import forbidden_field, invalid, not_supported, required

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def mounts(out: Errors, container: Obj, volumes: Mapping[str, Obj], path: str) -> None:
    """`volumeMounts` of a container; `path` is the container's."""
    devices = {d.get("name", ""): d.get("devicePath", "") for d in container.get("volumeDevices") or ()}
    seen: set[str] = set()
    base = f"{path}.volumeMounts"
    for i, m in enumerate(container["volumeMounts"]):
        name, where = m.get("name") or "", m.get("mountPath") or ""
        volume = volumes.get(name)
        if not name:
            out.append(required(f"{base}[{i}].name"))
        if volume is None:
            out.append(not_found(f"{base}[{i}].name", name))
        if not where:
            out.append(required(f"{base}[{i}].mountPath"))
        if where in seen:
            out.append(invalid(f"{base}[{i}].mountPath", where, "must be unique"))
        seen.add(where)
        if devices:
            if name in devices:
                out.append(invalid(f"{base}[{i}].name", name, "must not already exist in volumeDevices"))
            if where in devices.values():
                out.append(invalid(f"{base}[{i}].mountPath", where, "must not already exist as a path in volumeDevices"))
        if len(m) > 3 or "readOnly" not in m:
            _options(out, m, container, base, i)


def _options(out: Errors, m: Obj, container: Obj, base: str, i: int) -> None:
    sub, expression = m.get("subPath"), m.get("subPathExpr")
    if sub:
        local_descending(out, sub, f"{base}.subPath")
    if expression:
        if sub:
            out.append(invalid(f"{base}[{i}].subPathExpr", expression, "subPathExpr and subPath are mutually exclusive"))
        local_descending(out, expression, f"{base}.subPathExpr")
    propagation = m.get("mountPropagation")
    if propagation is not None:
        if propagation not in _PROPAGATIONS:
            out.append(not_supported(f"{base}.mountPropagation", propagation, _PROPAGATIONS))
        if propagation == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
            text = "Bidirectional mount propagation is available only to privileged containers"
            out.append(forbidden_field(f"{base}.mountPropagation", text))
    recursive = m.get("recursiveReadOnly")
    if recursive is None:
        return
    if recursive not in _RECURSIVE:
        out.append(not_supported(f"{base}.recursiveReadOnly", recursive, _RECURSIVE))
    elif recursive != "Disabled":
        if not m.get("readOnly"):
            out.append(forbidden_field(f"{base}.recursiveReadOnly", "may only be specified when readOnly is true"))
        if propagation not in (None, "None"):
            text = "may only be specified when mountPropagation is None or not specified"
            out.append(forbidden_field(f"{base}.recursiveReadOnly", text))


def devices(out: Errors, container: Obj, volumes: Mapping[str, Obj], path: str) -> None:
    """`volumeDevices` of a container; `path` is the container's."""
    found: Sequence[Obj] = container["volumeDevices"]
    mounted = {m.get("name", ""): m.get("mountPath", "") for m in container.get("volumeMounts") or ()}
    paths: set[str] = set()
    seen: set[str] = set()
    for i, d in enumerate(found):
        at = f"{path}.volumeDevices[{i}]"
        name, where = d.get("name") or "", d.get("devicePath") or ""
        volume = volumes.get(name)
        if not name:
            out.append(required(f"{at}.name"))
        if name in seen:
            out.append(invalid(f"{at}.name", name, "must be unique"))
        if volume is None:
            out.append(not_found(f"{at}.name", name))
        elif "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
            text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            out.append(invalid(f"{at}.name", name, text))
        if not where:
            out.append(required(f"{at}.devicePath"))
        if where in paths:
            out.append(invalid(f"{at}.devicePath", where, "must be unique"))
        if ".." in where.split("/"):
            out.append(invalid(f"{at}.devicePath", where, "can not contain backsteps ('..')"))
        else:
            paths.add(where)
        if name in mounted:
            out.append(invalid(f"{at}.name", name, "must not already exist in volumeMounts"))
        if where in mounted.values():
            out.append(invalid(f"{at}.devicePath", where, "must not already exist as a path in volumeMounts"))
        if name:
            seen.add(name)
