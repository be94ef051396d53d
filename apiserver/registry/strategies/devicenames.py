"""Names in resource.k8s.io: of pools, attributes and capacities, conditions and shares. Pure.

Upstream: pkg/apis/resource/validation.
"""

from __future__ import annotations

import re

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors, label_name, named
from apiserver.registry.strategies.devicelists import each
from apiserver.registry.strategies.podspec.sources import csi_driver_name
from kubepy.api import names
from kubepy.api.errors import duplicate, invalid, required, too_long

_MAX_IDENTIFIER = 32
_MAX_POOL = 253
_MAX_CONDITIONS = 4
_UID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_ANY_UID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch


def pool_name(out: Errors, name: str, path: str) -> None:
    """The name of a pool: DNS subdomains between slashes."""
    if not name:
        out.append(required(path))
        return
    if len(name) > _MAX_POOL:
        out.append(too_long(path, _MAX_POOL))
    for part in name.split("/"):
        named(out, part, path, names.dns1123_subdomain)


def qualified(out: Errors, name: str, path: str) -> None:
    """A C identifier, perhaps after a domain and a slash. Names with more slashes pass, as they do upstream."""
    parts = name.split("/")
    if len(parts) == 1:
        _identifier(out, name, path)
    elif len(parts) == 2:
        if parts[0]:
            csi_driver_name(out, parts[0], path)
        else:
            out.append(invalid(path, "", "the domain must not be empty"))
        if parts[1]:
            _identifier(out, parts[1], path)
        else:
            out.append(invalid(path, "", "the name must not be empty"))


def fully_qualified(out: Errors, name: str, path: str) -> None:
    """As `qualified`, with a domain."""
    qualified(out, name, path)
    if "/" not in name:
        out.append(invalid(path, name, "a fully qualified name must be a domain and a name separated by a slash"))


def _identifier(out: Errors, name: str, path: str) -> None:
    if len(name) > _MAX_IDENTIFIER:
        out.append(too_long(path, _MAX_IDENTIFIER))
    named(out, name, path, names.c_identifier)


def share_id(out: Errors, uid: str, path: str) -> None:
    """The UID of a share of a device, in lower case."""
    if _UID(uid):
        return
    if _ANY_UID(uid):
        form = "`xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters"
        out.append(invalid(path, uid, f"uid must be in RFC 4122 normalized form, {form}"))
    else:
        problem = "invalid UUID format" if len(uid) == 36 else f"invalid UUID length: {len(uid)}"
        out.append(invalid(path, uid, f"error validating uid: {problem}"))


def binding_conditions(out: Errors, value: Obj, path: str) -> None:
    """bindingConditions and bindingFailureConditions: label names, no two alike, both or neither."""
    wanted, failed = value.get("bindingConditions") or [], value.get("bindingFailureConditions") or []
    at, at_failed = f"{path}.bindingConditions", f"{path}.bindingFailureConditions"
    for found, here in ((wanted, at), (failed, at_failed)):
        each(out, found, here, _MAX_CONDITIONS, lambda name, where: label_name(out, name, where))
    out.extend(duplicate(f"{at}[{i}]", name) for i, name in enumerate(wanted) if name in wanted[:i])
    for i, name in enumerate(failed):
        if name in failed[:i]:
            out.append(duplicate(f"{at_failed}[{i}]", name))
        if name in wanted:
            out.append(invalid(f"{at_failed}[{i}]", name, "bindingFailureConditions must not overlap with bindingConditions"))
    if failed and not wanted:
        out.append(invalid(at, value.get("bindingConditions"), "bindingConditions are required to use bindingFailureConditions"))
    if wanted and not failed:
        shown = value.get("bindingFailureConditions")
        out.append(invalid(at_failed, shown, "bindingFailureConditions are required to use bindingConditions"))
