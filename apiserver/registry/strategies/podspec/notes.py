"""Annotations that mean something to pods: mirror pods, deletion cost, seccomp and AppArmor profiles of old.

Upstream: ValidatePodSpecificAnnotations, validateSeccompAnnotationsAndFields, validateAppArmorAnnotationsAndFieldsMatchOnCreate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors
from apiserver.registry.strategies.podspec.options import Options
from apiserver.registry.strategies.podspec.paths import local_descending
from apiserver.registry.strategies.podspec.windows import all_containers
from kubepy.api.errors import forbidden_field, go_value, invalid

MIRROR = "kubernetes.io/config.mirror"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_COST = re.compile(r"-?(0|[1-9][0-9]*)").fullmatch


def validate(out: Errors, found: Mapping[str, str], spec: Obj, path: str, options: Options) -> None:
    """The annotations of a pod or template at `path`."""
    if MIRROR in found and not spec.get("nodeName"):
        out.append(invalid(f"{path}[{MIRROR}]", found[MIRROR], "must set spec.nodeName if mirror pod annotation is set"))
    cost = found.get(DELETION_COST)
    if cost is not None and not options.any_deletion_cost and not (_COST(cost) and -(2**31) <= int(cost) < 2**31):
        out.append(invalid(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer"))
    if SECCOMP_POD in found:
        _seccomp(out, found[SECCOMP_POD], f"{path}.{SECCOMP_POD}")
    for key, value in found.items():
        if key.startswith(SECCOMP_CONTAINER):
            _seccomp(out, value, f"{path}.{key}")
    for key, value in found.items():
        if key.startswith(APPARMOR):
            name = key.removeprefix(APPARMOR)
            if all(c.get("name") != name for c, _ in all_containers(spec, "")):
                out.append(invalid(f"{path}[{key}]", name, "container not found"))
            if value not in ("", "runtime/default", "unconfined") and not value.startswith("localhost/"):
                out.append(invalid(f"{path}[{key}]", value, f"invalid AppArmor profile name: {go_value(value)}"))


def _seccomp(out: Errors, value: str, path: str) -> None:
    if value in ("runtime/default", "docker/default", "unconfined"):
        return
    if value.startswith("localhost/"):
        local_descending(out, value.removeprefix("localhost/"), path)
    else:
        out.append(invalid(path, value, "must be a valid seccomp profile"))


def match_fields(out: Errors, found: Mapping[str, str], spec: Obj, path: str) -> None:
    """Annotations and fields that say the same thing must agree."""
    context = spec.get("securityContext") or {}
    profile = context.get("seccompProfile")
    if profile is not None and SECCOMP_POD in found:
        _agree(out, found[SECCOMP_POD], profile, f"{path}.securityContext.seccompProfile", "seccomp")
    of_pod = context.get("appArmorProfile")
    skip_armor = (spec.get("os") or {}).get("name") == "windows"
    for c, at in all_containers(spec, path):
        own = c.get("securityContext") or {}
        name = c.get("name", "")
        profile = own.get("seccompProfile")
        if profile is not None and SECCOMP_CONTAINER + name in found:
            _agree(out, found[SECCOMP_CONTAINER + name], profile, f"{at}.securityContext.seccompProfile", "seccomp")
        armor = own.get("appArmorProfile") or of_pod
        if armor is not None and not skip_armor and APPARMOR + name in found:
            _agree(out, found[APPARMOR + name], armor, f"{at}.securityContext.appArmorProfile", "apparmor")


_NAMES = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default", "docker/default")}


def _agree(out: Errors, annotation: str, profile: Obj, path: str, what: str) -> None:
    kind = profile.get("type")
    wrong_type = forbidden_field(f"{path}.type", f"{what} type in annotation and field must match")
    if kind in _NAMES:
        if annotation not in _NAMES[kind] or (what == "apparmor" and annotation == "docker/default"):
            out.append(wrong_type)
    elif kind == "Localhost":
        if not annotation.startswith("localhost/"):
            out.append(wrong_type)
        elif annotation.removeprefix("localhost/") != profile.get("localhostProfile"):
            out.append(forbidden_field(f"{path}.localhostProfile", f"{what} profile in annotation and field must match"))


def validate_update(out: Errors, new: Mapping[str, str], old: Mapping[str, str]) -> None:
    """Which annotations may not come, change or go."""
    for key, value in old.items():
        if new.get(key) != value:
            if key.startswith(APPARMOR):
                out.append(forbidden_field(f"metadata.annotations[{key}]", "may not remove or update AppArmor annotations"))
            if key == MIRROR:
                out.append(forbidden_field(f"metadata.annotations[{key}]", "may not remove or update mirror pod annotation"))
    for key in new:
        if key not in old:
            if key.startswith(APPARMOR):
                out.append(forbidden_field(f"metadata.annotations[{key}]", "may not add AppArmor annotations"))
            if key == MIRROR:
                out.append(forbidden_field(f"metadata.annotations[{key}]", "may not add mirror pod annotation"))
