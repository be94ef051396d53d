"""Security contexts of pods and containers, on Linux and Windows.

Upstream: validatePodSpecSecurityContext, ValidateSecurityContext, validateSeccompProfileField, ValidateAppArmorProfileField.
"""

from __future__ import annotations

import re

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors
from apiserver.registry.strategies.podspec import windows
from apiserver.registry.strategies.podspec.options import Options
from apiserver.registry.strategies.podspec.paths import local_descending
from kubepy.api.errors import duplicate, invalid, not_supported, required, too_long

_MAX_ID = 2**31 - 1
_ID_TEXT = f"must be between 0 and {_MAX_ID}, inclusive"
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_PROC_MOUNTS = ("Default", "Unmasked")
_GROUP_CHANGES = ("Always", "OnRootMismatch")
_SUPPLEMENTAL = ("Merge", "Strict")
_SELINUX_CHANGES = ("MountOption", "Recursive")
_SYSCTL = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
_SYSCTL_MATCH = re.compile(_SYSCTL).match
_IPC = ("kernel.shm", "kernel.msg", "fs.mqueue.")


def _ids(out: Errors, context: Obj, path: str, *keys: str) -> None:
    for key in keys:
        value = context.get(key)
        if value is not None and not 0 <= value <= _MAX_ID:
            out.append(invalid(f"{path}.{key}", value, _ID_TEXT))


def container(out: Errors, sc: Obj, host_users: bool, path: str) -> None:
    """A container's securityContext."""
    _ids(out, sc, path, "runAsUser", "runAsGroup")
    mount = sc.get("procMount")
    if mount is not None:
        if mount not in _PROC_MOUNTS:
            out.append(not_supported(f"{path}.procMount", mount, _PROC_MOUNTS))
        if host_users and mount == "Unmasked":
            out.append(invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`"))
    if (profile := sc.get("seccompProfile")) is not None:
        seccomp(out, profile, f"{path}.seccompProfile")
    if sc.get("allowPrivilegeEscalation") is False:
        start = "cannot set `allowPrivilegeEscalation` to false and "
        if sc.get("privileged"):
            out.append(invalid(path, goform.of("SecurityContext", sc), start + "`privileged` to true"))
        for capability in (sc.get("capabilities") or {}).get("add") or ():
            if capability == "CAP_SYS_ADMIN":
                out.append(invalid(path, goform.of("SecurityContext", sc), start + "`capabilities.Add` CAP_SYS_ADMIN"))
    if (value := sc.get("windowsOptions")) is not None:
        windows.options(out, value, f"{path}.windowsOptions")
    if (profile := sc.get("appArmorProfile")) is not None:
        app_armor(out, profile, f"{path}.appArmorProfile")


def pod(out: Errors, sc: Obj, spec: Obj, path: str, options: Options) -> None:
    """A pod's securityContext; namespaces shared with the host are in `spec`."""
    _ids(out, sc, path, "fsGroup", "runAsUser", "runAsGroup")
    for i, gid in enumerate(sc.get("supplementalGroups") or ()):
        if not 0 <= gid <= _MAX_ID:
            out.append(invalid(f"{path}.supplementalGroups[{i}]", gid, _ID_TEXT))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        out.append(invalid(f"{path}.shareProcessNamespace", True, text))
    if sc.get("sysctls"):
        _sysctls(out, sc["sysctls"], spec, f"{path}.sysctls", options)
    _choice(out, sc, "fsGroupChangePolicy", _GROUP_CHANGES, path)
    if (profile := sc.get("seccompProfile")) is not None:
        seccomp(out, profile, f"{path}.seccompProfile")
    if (value := sc.get("windowsOptions")) is not None:
        windows.options(out, value, f"{path}.windowsOptions")
    if (profile := sc.get("appArmorProfile")) is not None:
        app_armor(out, profile, f"{path}.appArmorProfile")
    _choice(out, sc, "supplementalGroupsPolicy", _SUPPLEMENTAL, path)
    _choice(out, sc, "seLinuxChangePolicy", _SELINUX_CHANGES if options.any_selinux_change else ("Recursive",), path)


def _choice(out: Errors, sc: Obj, key: str, supported: tuple[str, ...], path: str) -> None:
    value = sc.get(key)
    if value is not None and value not in supported:
        out.append(not_supported(f"{path}.{key}", value, supported))


def _sysctls(out: Errors, sysctls: list[Obj], spec: Obj, path: str, options: Options) -> None:
    seen: set[str] = set()
    for i, s in enumerate(sysctls):
        name, at = s.get("name") or "", f"{path}[{i}].name"
        if not name:
            out.append(required(at))
        elif len(name) > 253 or not _SYSCTL_MATCH(name):
            out.append(invalid(at, name, f"must have at most 253 characters and match regex {_SYSCTL}"))
        elif name in seen:
            out.append(duplicate(at, name))
        if not options.host_sysctls:
            dotted = _dotted(name)
            if spec.get("hostNetwork") and dotted.startswith("net."):
                out.append(invalid(at, name, "may not be specified when 'hostNetwork' is true"))
            elif spec.get("hostIPC") and (dotted == "kernel.sem" or dotted.startswith(_IPC)):
                out.append(invalid(at, name, "may not be specified when 'hostIPC' is true"))
        seen.add(name)


def _dotted(name: str) -> str:
    """The name with dots as separators, whichever came first in it."""
    first = re.search(r"[./]", name)
    if first is None or first[0] == ".":
        return name
    return name.translate({ord("."): "/", ord("/"): "."})


def seccomp(out: Errors, profile: Obj, path: str) -> None:
    """A seccompProfile."""
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    if not kind:
        out.append(required(f"{path}.type", "type is required when seccompProfile is set"))
    elif kind not in _PROFILES:
        out.append(not_supported(f"{path}.type", kind, _PROFILES))
    if kind == "Localhost":
        if local is None:
            out.append(required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost"))
        else:
            local_descending(out, local, f"{path}.localhostProfile")
    elif local is not None:
        shown = {"Type": kind, "LocalhostProfile": local}
        out.append(invalid(f"{path}.localhostProfile", shown, "can only be set when seccomp type is Localhost"))


def app_armor(out: Errors, profile: Obj, path: str) -> None:
    """An appArmorProfile."""
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    at = f"{path}.localhostProfile"
    if kind == "Localhost":
        missing = "must be set when AppArmor type is Localhost"
        if local is None:
            out.append(required(at, missing))
            return
        if local.strip() != local:
            out.append(invalid(at, local, "must not be padded with whitespace"))
        elif not local:
            out.append(required(at, missing))
        if len(local) > 4095:
            out.append(too_long(at, 4095))
    elif kind in _PROFILES:
        if local is not None:
            out.append(invalid(at, local, "can only be set when AppArmor type is Localhost"))
    elif not kind:
        out.append(required(f"{path}.type", "type is required when appArmorProfile is set"))
    else:
        out.append(not_supported(f"{path}.type", kind, _PROFILES))
