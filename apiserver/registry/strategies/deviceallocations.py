"""The status of a ResourceClaim: what was allocated, who uses it, how the devices fare. And the strategy of claims.

Upstream: validateResourceClaimStatusUpdate in pkg/apis/resource/validation, pkg/registry/resource/resourceclaim/strategy.go.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.addresses import interface_address
from apiserver.registry.strategies.checks import Errors, conditions, immutable, named
from apiserver.registry.strategies.common import both, checked, status_only, with_status
from apiserver.registry.strategies.deviceclaims import (
    MAX_CONFIG,
    Names,
    claim,
    configuration,
    default_claim,
    raw_object,
    reference,
    references,
    request_names,
)
from apiserver.registry.strategies.devicelists import each, unique
from apiserver.registry.strategies.devicenames import binding_conditions, pool_name, share_id
from apiserver.registry.strategies.podspec.affinity import node_selector
from apiserver.registry.strategies.podspec.sources import csi_driver_name
from kubepy.api import names
from kubepy.api.errors import forbidden_field, invalid, not_supported, required, too_long, too_many

_MAX_RESERVED = 256
_MAX_RESULTS = 32
_MAX_CONDITIONS = 8
_MAX_ADDRESSES = 16
_SOURCES = ("FromClaim", "FromClass")
_NETWORK_LIMITS = (("interfaceName", 256), ("hardwareAddress", 128))
_GONE = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"


def _device_id(value: Obj) -> str:
    """A device, or the share of one, by name."""
    device = "/".join(value.get(key) or "" for key in ("driver", "pool", "device"))
    return f"{device}/{value['shareID']}" if value.get("shareID") else device


def _allocated(status: Obj) -> set[str]:
    results = ((status.get("allocation") or {}).get("devices") or {}).get("results") or ()
    return {_device_id(result) for result in results}


_keep = status_only(meta=("labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp", "generation", "selfLink"))


def _prepare(new: Obj, old: Obj) -> None:
    """What is said of a device goes when the device is allocated no longer."""
    _keep(new, old)
    status = new.get("status") or {}
    gone = _allocated(old.get("status") or {}) - _allocated(status)
    if "devices" in status:
        status["devices"] = [d for d in status["devices"] if _device_id(d) not in gone]
        if not status["devices"]:
            del status["devices"]


def _consumer(out: Errors, value: Obj, path: str) -> None:
    out.extend(required(f"{path}.{key}") for key in ("resource", "name", "uid") if not value.get(key))


def _device(out: Errors, value: Obj, path: str, allocated: set[str]) -> None:
    csi_driver_name(out, value.get("driver"), f"{path}.driver")
    pool_name(out, value.get("pool", ""), f"{path}.pool")
    named(out, value.get("device", ""), f"{path}.device", names.dns1123_label)
    if (share := value.get("shareID")) is not None:
        share_id(out, share, f"{path}.shareID")
    if _device_id(value) not in allocated:
        out.append(invalid(path, _device_id(value), "must be an allocated device in the claim"))
    found = value.get("conditions") or ()
    if len(found) > _MAX_CONDITIONS:
        out.append(too_many(f"{path}.conditions", len(found), _MAX_CONDITIONS))
    conditions(out, found, f"{path}.conditions")
    if (data := value.get("data")) is not None:
        raw_object(out, data, f"{path}.data")
    network, at = value.get("networkData") or {}, f"{path}.networkData"
    for key, limit in _NETWORK_LIMITS:
        if len((network.get(key) or "").encode()) > limit:
            out.append(too_long(f"{at}.{key}", limit))
    ips = network.get("ips")
    unique(out, ips, f"{at}.ips", _MAX_ADDRESSES, lambda ip, here: interface_address(out, ip, here), lambda ip: ip)


def _allocation(out: Errors, value: Obj, known: Names, path: str) -> None:
    devices, at = value.get("devices") or {}, f"{path}.devices"
    each(out, devices.get("results"), f"{at}.results", _MAX_RESULTS, lambda result, here: _result(out, result, known, here))

    def config(found: Obj, here: str) -> None:
        source = found.get("source", "")
        if source not in _SOURCES:
            out.append(not_supported(f"{here}.source", source, _SOURCES) if source else required(f"{here}.source"))
        references(out, found.get("requests"), known, f"{here}.requests")
        configuration(out, found, here)

    each(out, devices.get("config"), f"{at}.config", 2 * MAX_CONFIG, config)
    if (selector := value.get("nodeSelector")) is not None:
        node_selector(out, selector, f"{path}.nodeSelector")


def _result(out: Errors, value: Obj, known: Names, path: str) -> None:
    reference(out, value.get("request", ""), known, f"{path}.request")
    csi_driver_name(out, value.get("driver"), f"{path}.driver")
    pool_name(out, value.get("pool", ""), f"{path}.pool")
    named(out, value.get("device", ""), f"{path}.device", names.dns1123_label)
    binding_conditions(out, value, path)
    if (share := value.get("shareID")) is not None:
        share_id(out, share, f"{path}.shareID")


def _status(out: Errors, new: Obj, old: Obj) -> None:
    status, before = new.get("status") or {}, old.get("status") or {}
    reserved, allocation, was = status.get("reservedFor") or [], status.get("allocation"), before.get("allocation")
    unique(out, reserved, "status.reservedFor", _MAX_RESERVED, lambda c, at: _consumer(out, c, at), lambda c: c.get("uid", ""))
    allocated = _allocated(status)
    unique(out, status.get("devices"), "status.devices", -1, lambda d, at: _device(out, d, at, allocated), _device_id)
    if reserved and allocation is None:
        out.append(forbidden_field("status.reservedFor", "may not be specified when `allocated` is not set"))
    elif new["metadata"].get("deletionTimestamp") and any(c not in (before.get("reservedFor") or ()) for c in reserved):
        out.append(forbidden_field("status.reservedFor", _GONE))
    if was is not None and allocation is not None:
        immutable(out, allocation, was, "status.allocation", goform.of("AllocationResult", allocation))
    elif allocation is not None:
        _allocation(out, allocation, request_names((new.get("spec") or {}).get("devices") or {}), "status.allocation")


STRATEGY = with_status(
    default=lambda obj: default_claim(obj.get("spec")),
    has_generation=False,
    status_prepare_update=_prepare,
    status_validate_update=checked(_status),
    **both(claim),
)
