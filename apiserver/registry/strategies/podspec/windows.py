"""What is particular to Windows pods: options, host processes, and fields that one operating system does not know.

Upstream: validateWindowsSecurityContextOptions, validateWindowsHostProcessPod, validateLinux, validateWindows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors, named
from kubepy.api import names
from kubepy.api.errors import forbidden_field, invalid, not_supported, required

_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
_NETBIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}').fullmatch
_DNS_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*").fullmatch
_BAD_USER = re.compile(r'["/\\:;|=,+*?<>@\[\]]').search
_DOTS = re.compile(r"[. ]+").fullmatch

_POD_FORBIDDEN = (
    "securityContext.appArmorProfile",
    "securityContext.seLinuxOptions",
    "hostUsers",
    "hostPID",
    "hostIPC",
    "securityContext.seccompProfile",
    "securityContext.fsGroup",
    "securityContext.fsGroupChangePolicy",
    "securityContext.sysctls",
    "shareProcessNamespace",
    "securityContext.runAsUser",
    "securityContext.runAsGroup",
    "securityContext.supplementalGroups",
    "securityContext.supplementalGroupsPolicy",
    "securityContext.seLinuxChangePolicy",
)
_CONTAINER_FORBIDDEN = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)


def all_containers(spec: Obj, path: str) -> Iterator[tuple[Obj, str]]:
    """Every container of a spec with its path (VisitContainersWithPath): init, regular, ephemeral."""
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for i, c in enumerate(spec.get(key) or ()):
            yield c, f"{path}.{key}[{i}]"


def options(out: Errors, value: Obj, path: str) -> None:
    """windowsOptions of a pod or container."""
    if (name := value.get("gmsaCredentialSpecName")) is not None:
        named(out, name, f"{path}.gmsaCredentialSpecName", names.dns1123_subdomain)
    if (text := value.get("gmsaCredentialSpec")) is not None:
        at = f"{path}.gmsaCredentialSpec"
        if not text:
            out.append(invalid(at, text, "gmsaCredentialSpec cannot be an empty string"))
        elif len(text.encode()) > 64 * 1024:
            out.append(invalid(at, text, "gmsaCredentialSpec size must be under 64 KiB"))
    if (user := value.get("runAsUserName")) is not None:
        out.extend(invalid(f"{path}.runAsUserName", user, m) for m in _user_name(user))


def _user_name(value: str) -> list[str]:
    if not value:
        return ["runAsUserName cannot be an empty string"]
    if _CONTROL(value):
        return ["runAsUserName cannot contain control characters"]
    parts = value.split("\\")
    if len(parts) > 2:
        return ["runAsUserName cannot contain more than one backslash"]
    out = []
    user = parts[-1]
    if len(parts) == 2:
        if len(parts[0]) >= 256:
            out.append("runAsUserName's Domain length must be under 256 characters")
        if not (_NETBIOS(parts[0]) or _DNS(parts[0])):
            out.append("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
    if not user:
        out.append("runAsUserName's User cannot be empty")
    elif len(user) > 104:
        out.append("runAsUserName's User length must not be longer than 104 characters")
    if _DOTS(user):
        out.append("runAsUserName's User cannot contain only periods or spaces")
    if _BAD_USER(user):
        out.append("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]")
    return out


def host_process(out: Errors, spec: Obj, path: str) -> None:
    """Either all containers are host processes, in a pod on the host's network, or none is."""
    of_pod = ((spec.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    total = count = 0
    for c, at in all_containers(spec, path):
        total += 1
        own = ((c.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
        if of_pod is not None and own is not None and of_pod != own:
            text = f"pod hostProcess value must be identical if both are specified, was {str(of_pod).lower()}"
            out.append(invalid(f"{at}.securityContext.windowsOptions.hostProcess", own, text))
        if own or (own is None and of_pod):
            count += 1
    if not count:
        return
    if count != total:
        text = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        out.append(invalid(path, "", text))
    if not spec.get("hostNetwork"):
        out.append(invalid(f"{path}.hostNetwork", False, "hostNetwork must be true if pod contains any hostProcess containers"))


def operating_system(out: Errors, spec: Obj, path: str) -> None:
    """spec.os, and the fields it rules out."""
    name = (spec.get("os") or {}).get("name") or ""
    if not name:
        out.append(required(f"{path}.os.name"))
    elif name not in ("linux", "windows"):
        out.append(not_supported(f"{path}.os", name, ("linux", "windows")))
    elif name == "linux":
        if (spec.get("securityContext") or {}).get("windowsOptions") is not None:
            text = "windows options cannot be set for a linux pod"
            out.append(forbidden_field(f"{path}.securityContext.windowsOptions", text))
        for c, at in all_containers(spec, path):
            if (c.get("securityContext") or {}).get("windowsOptions") is not None:
                text = "windows options cannot be set for a linux pod"
                out.append(forbidden_field(f"{at}.securityContext.windowsOptions", text))
    else:
        _no_linux_fields(out, spec, path)


def _no_linux_fields(out: Errors, spec: Obj, path: str) -> None:
    text = "cannot be set for a windows pod"
    context = spec.get("securityContext") or {}
    for dotted in _POD_FORBIDDEN:
        holder, _, key = dotted.rpartition(".")
        value = (context if holder else spec).get(key)
        # False and empty lists are as good as absent where upstream has no pointer.
        if value is not None and (value or key in ("hostUsers", "shareProcessNamespace") or isinstance(value, int | dict | str)):
            if key in ("hostPID", "hostIPC") and not value:
                continue
            out.append(forbidden_field(f"{path}.{dotted}", text))
    for c, at in all_containers(spec, path):
        own = c.get("securityContext") or {}
        out.extend(forbidden_field(f"{at}.securityContext.{key}", text) for key in _CONTAINER_FORBIDDEN if own.get(key) is not None)
