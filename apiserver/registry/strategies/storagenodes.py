"""CSIDrivers, CSINodes, CSIStorageCapacities and VolumeAttachments.

Upstream: pkg/apis/storage/validation, pkg/registry/storage.
"""

from __future__ import annotations

from typing import Any

from apiserver.context import Obj
from apiserver.registry.strategies import goform, persistentvolumes
from apiserver.registry.strategies.checks import NEGATIVE, Errors, immutable, label_selector, named
from apiserver.registry.strategies.common import both, bump_generation, checked, with_status
from apiserver.registry.strategies.podspec.sources import csi_driver_name
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import duplicate, forbidden_field, invalid, not_supported, required, too_long
from kubepy.api.quantity import parse

_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_MODES = ("Persistent", "Ephemeral")
_MAX_NODE_ID = 256
_TOKENS_IN_CONTEXT = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens "
    "in volume attributes"
)
_MAX_MESSAGE = 1024


def _driver(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    for key in ("attachRequired", "podInfoOnMount", "storageCapacity", "seLinuxMount"):
        if spec.get(key) is None:
            out.append(required(f"spec.{key}"))
    policy = spec.get("fsGroupPolicy")
    if policy is None:
        out.append(required("spec.fsGroupPolicy"))
    elif policy not in _GROUP_POLICIES:
        out.append(not_supported("spec.fsGroupPolicy", policy, _GROUP_POLICIES))
    audiences = set()
    for i, token in enumerate(spec.get("tokenRequests") or ()):
        at, audience = f"spec.tokenRequests[{i}]", token.get("audience", "")
        if audience in audiences:
            out.append(duplicate(f"{at}.audience", audience))
        audiences.add(audience)
        seconds = token.get("expirationSeconds")
        if seconds is not None and seconds < 600:
            out.append(invalid(f"{at}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
        if seconds is not None and seconds > 1 << 32:
            out.append(invalid(f"{at}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"))
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in _MODES:
            out.append(not_supported("spec.volumeLifecycleModes", mode, _MODES))
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < 10:
        out.append(invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, "must be greater than or equal to 10 seconds"))
    if old is not None:
        before = old.get("spec") or {}
        for key in ("attachRequired", "volumeLifecycleModes"):
            immutable(out, spec.get(key), before.get(key), f"spec.{key}")


def _drop_gated(new: Obj, old: Obj | None) -> None:
    """Limits that keep pods from nodes without the driver are behind a gate that is off."""
    if ((old or {}).get("spec") or {}).get("preventPodSchedulingIfMissing") is None:
        (new.get("spec") or {}).pop("preventPodSchedulingIfMissing", None)


def _driver_update(new: Obj, old: Obj) -> None:
    _drop_gated(new, old)
    bump_generation(new, old, new.get("spec") != old.get("spec"))


def _driver_warnings(new: Obj, old: Obj | None) -> list[str]:
    spec, before = new.get("spec") or {}, (old or {}).get("spec") or {}
    requests = spec.get("tokenRequests")
    unchanged = old is not None and requests == before.get("tokenRequests")
    if not requests or unchanged or spec.get("serviceAccountTokenInSecrets") is not None:
        return []
    return [_TOKENS_IN_CONTEXT]


def _node(out: Errors, new: Obj, old: Obj | None) -> None:
    drivers = (new.get("spec") or {}).get("drivers") or []
    seen: set[str] = set()
    for i, d in enumerate(drivers):
        at, name, identity = f"spec.drivers[{i}]", d.get("name", ""), d.get("nodeID", "")
        csi_driver_name(out, name, f"{at}.name")
        if not identity:
            out.append(required(f"{at}.nodeID"))
        elif len(identity) > _MAX_NODE_ID:
            out.append(invalid(f"{at}.nodeID", identity, f"must be {_MAX_NODE_ID} characters or less"))
        count = (d.get("allocatable") or {}).get("count")
        if count is not None and count < 0:
            out.append(invalid(f"{at}.allocatable.count", count, NEGATIVE))
        if name in seen:
            out.append(duplicate(f"{at}.name", name))
        seen.add(name)
        topology: set[str] = set()
        for key in d.get("topologyKeys") or ():
            if not key:
                out.append(required(at))
            if key in topology:
                out.append(duplicate(at, key))
            topology.add(key)
            named(out, key, at, names.qualified_name)
    if old is None:
        return
    known = {d.get("name"): _fixed(d) for d in (old.get("spec") or {}).get("drivers") or ()}
    for d in drivers:
        before = known.get(d.get("name"))
        if before is not None and _fixed(d) != before:
            out.append(invalid("spec.drivers", goform.of("CSINodeDriver", _fixed(d)), "field is immutable"))


def _fixed(driver: Obj) -> dict[str, Any]:
    """What may not change of a driver: all but its allocatable volumes."""
    return {k: v for k, v in driver.items() if k != "allocatable"}


def _capacity(out: Errors, new: Obj, old: Obj | None) -> None:
    named(out, new.get("storageClassName") or "", "storageClassName", names.dns1123_subdomain)
    if new.get("capacity") is not None and parse(new["capacity"]).nanos < 0:
        out.append(invalid("capacity", str(parse(new["capacity"])), NEGATIVE))
    label_selector(out, new.get("nodeTopology"), "nodeTopology")
    if old is not None:
        immutable(out, new.get("nodeTopology"), old.get("nodeTopology"), "nodeTopology")
        immutable(out, new.get("storageClassName"), old.get("storageClassName"), "storageClassName")


def _attacher(out: Errors, name: str | None) -> None:
    csi_driver_name(out, name, "spec.attacher")


def _attachment(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    _attacher(out, spec.get("attacher"))
    source = spec.get("source") or {}
    inline, name = source.get("inlineVolumeSpec"), source.get("persistentVolumeName")
    one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if inline is not None and name is not None:
        out.append(forbidden_field("spec.source", one))
    elif name is not None:
        if not name:
            out.append(required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName"))
    elif inline is not None:
        persistentvolumes.spec(out, inline, "", "spec.source.inlineVolumeSpec", inline=True)
    else:
        out.append(required("spec.source", one))
    named(out, spec.get("nodeName") or "", "spec.nodeName", names.dns1123_subdomain)
    _attachment_status(out, new)
    if old is None and name is not None:
        named(out, name, "spec.source.persistentVolumeName", names.dns1123_subdomain)
    if old is not None:
        immutable(out, spec, old.get("spec") or {}, "spec", goform.of("VolumeAttachmentSpec", spec))


def _attachment_status(out: Errors, new: Obj) -> None:
    status = new.get("status") or {}
    metadata = status.get("attachmentMetadata") or {}
    size = 0
    for key, value in metadata.items():
        size += len(key) + len(value)
    if size > 256 * 1024:
        out.append(too_long("status.attachmentMetadata", 256 * 1024))
    for key in ("attachError", "detachError"):
        error = status.get(key)
        if error is None:
            continue
        if len(error.get("message", "").encode()) > _MAX_MESSAGE:
            out.append(too_long(f"status.{key}.message", 256 * 1024))
        if (code := error.get("errorCode")) is not None and code < 0:
            out.append(invalid(f"status.{key}.errorCode", code, "must be between 0 and 2147483647, inclusive"))


DRIVER = Strategy(
    allow_unconditional_update=False,
    warnings=_driver_warnings,
    prepare=lambda new: _drop_gated(new, None),
    prepare_update=_driver_update,
    has_generation=False,
    **both(_driver),
)
NODE = Strategy(allow_unconditional_update=False, has_generation=False, **both(_node))
CAPACITY = Strategy(allow_unconditional_update=False, name_check=names.name_is_subdomain, has_generation=False, **both(_capacity))
ATTACHMENT = with_status(
    allow_unconditional_update=False,
    status_checks=(1, 0),
    zero={"attached": False},
    has_generation=False,
    status_meta=("labels", "annotations", "finalizers", "ownerReferences"),
    status_validate_update=checked(lambda out, new, _old: _attachment_status(out, new)),
    **both(_attachment),
)
