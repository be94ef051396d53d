"""PersistentVolumes: exactly one source, which never changes.

Upstream: ValidatePersistentVolume, pkg/registry/core/persistentvolume/strategy.go.
"""

from __future__ import annotations

import posixpath
from typing import Any

from apiserver.context import Obj
from apiserver.registry import objectmeta
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors, named
from apiserver.registry.strategies.common import both, copy, with_status
from apiserver.registry.strategies.persistentvolumeclaims import VOLUME_MODES, access_modes, basic_amount
from apiserver.registry.strategies.podspec import sources
from apiserver.registry.strategies.podspec.affinity import node_selector
from apiserver.registry.strategies.podspec.warnings import node_selector_term
from kubepy.api import names
from kubepy.api.errors import forbidden_field, invalid, not_supported, required
from kubepy.api.quantity import parse

_RECLAIM = ("Delete", "Recycle", "Retain")
_MORE = "may not specify more than 1 volume type"
# In upstream's order; a different path of the second's error, or of the source's own errors, where it differs from the field.
_SOURCES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte", "cephfs", "iscsi",
    "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk", "scaleIO",
    "local", "storageos", "csi",
)  # fmt: skip
_BETA_LABELS = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}
_INLINE = "in the context of inline volumes"


def spec(out: Errors, value: Obj, name: str, path: str, inline: bool = False) -> None:
    """A PersistentVolumeSpec: of the volume `name`, or `inline` in a VolumeAttachment."""
    if inline:
        for key in ("claimRef", "capacity"):
            if value.get(key):
                out.append(forbidden_field(f"{path}.{key}", f"may not be specified {_INLINE}"))
        if value.get("csi") is None:
            out.append(required(f"{path}.csi", f"has to be specified {_INLINE}"))
    modes = value.get("accessModes") or ()
    if not modes:
        out.append(required(f"{path}.accessModes"))
    access_modes(out, modes, path)
    if not inline:
        _capacity(out, value.get("capacity") or {}, f"{path}.capacity")
    reclaim = value.get("persistentVolumeReclaimPolicy")
    at = f"{path}.persistentVolumeReclaimPolicy"
    if reclaim and inline and reclaim != "Retain":
        out.append(forbidden_field(at, f"may only be Retain {_INLINE}"))
    elif reclaim and not inline and reclaim not in _RECLAIM:
        out.append(not_supported(at, reclaim, _RECLAIM))
    affinity = value.get("nodeAffinity")
    if affinity is not None:
        if inline:
            out.append(forbidden_field(f"{path}.nodeAffinity", f"may not be specified {_INLINE}"))
        elif affinity.get("required") is None:
            out.append(required(f"{path}.nodeAffinity.required", "must specify required node constraints"))
        else:
            node_selector(out, affinity["required"], f"{path}.nodeAffinity.required")
    _source(out, value, name, path)
    if reclaim == "Recycle" and posixpath.normpath((value.get("hostPath") or {}).get("path") or ".") == "/":
        out.append(forbidden_field(at, "may not be 'recycle' for a hostPath mount of '/'"))
    _classes(out, value, path, inline)


def _capacity(out: Errors, capacity: dict[str, str], path: str) -> None:
    if not capacity:
        out.append(required(path))
    if "storage" not in capacity or len(capacity) > 1:
        out.append(not_supported(path, dict(sorted(capacity.items())) or None, ("storage",)))
    for key, text in capacity.items():
        basic_amount(out, text, f"{path}[{key}]")
        if parse(text).nanos <= 0:
            out.append(invalid(f"{path}[{key}]", str(parse(text)), "must be greater than zero"))


def _source(out: Errors, value: Obj, name: str, path: str) -> None:
    count = 0
    for key in _SOURCES:
        source = value.get(key)
        if source is None:
            continue
        if count and key != "flexVolume":
            out.append(forbidden_field(f"{path}.{'cephFS' if key == 'cephfs' else key}", _MORE))
            continue
        count += 1
        at = f"{path}.{'persistentDisk' if key == 'gcePersistentDisk' else key}"
        if key == "iscsi" and source.get("initiatorName") is not None and len(f"{name}:{source.get('targetPortal', '')}") > 64:
            out.append(invalid(f"{at}.targetportal", source.get("targetPortal", ""), sources.ISCSI_TOO_LONG))
        sources.PERSISTENT_SOURCES[key](out, source, at)
        if key == "local" and value.get("nodeAffinity") is None:
            out.append(required(f"{path}.nodeAffinity", "Local volume requires node affinity"))
    if not count:
        out.append(required(path, "must specify a volume type"))


def _classes(out: Errors, value: Obj, path: str, inline: bool) -> None:
    if name := value.get("storageClassName"):
        if inline:
            out.append(forbidden_field(f"{path}.storageClassName", f"may not be specified {_INLINE}"))
        else:
            named(out, name, f"{path}.storageClassName", names.dns1123_subdomain)
    mode = value.get("volumeMode")
    if mode is not None:
        if inline and mode != "Filesystem":
            out.append(forbidden_field(f"{path}.volumeMode", f"may not specify volumeMode other than Filesystem {_INLINE}"))
        elif not inline and mode not in VOLUME_MODES:
            out.append(not_supported(f"{path}.volumeMode", mode, VOLUME_MODES))
    attributes = value.get("volumeAttributesClassName")
    if attributes is not None:
        at = f"{path}.volumeAttributesClassName"
        if not attributes:
            out.append(required(at, "an empty string is disallowed"))
        else:
            named(out, attributes, at, names.dns1123_subdomain)
        if value.get("csi") is None:
            out.append(required(f"{path}.csi", "has to be specified when using volumeAttributesClassName"))


def _default(obj: Obj) -> None:
    """Of volumes alone: the same spec written out in a VolumeAttachment has no defaults (core/v1/defaults.go)."""
    spec = obj["spec"]
    spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"


def _prepare(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": objectmeta.timestamp()}


def _status_prepare(new: Obj, old: Obj) -> None:
    """The time of the last change of phase is the server's, unless the client gives another."""
    copy(new, old, "spec")
    status, before = new.setdefault("status", {}), old.get("status") or {}
    given, stored = status.get("lastPhaseTransitionTime"), before.get("lastPhaseTransitionTime")
    if status.get("phase") != before.get("phase"):
        if given is None or given == stored:
            status["lastPhaseTransitionTime"] = objectmeta.timestamp()
    elif given is None and stored is not None:
        status["lastPhaseTransitionTime"] = stored


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    value = new.get("spec") or {}
    spec(out, value, new["metadata"].get("name", ""), "spec")
    if old is None:
        return
    spec(out, value, new["metadata"].get("name", ""), "spec")  # Upstream's validation of an update begins with the whole, again.
    before = old["spec"]
    ours, theirs = ({k: v for k, v in s.items() if k in _SOURCES} for s in (value, before))
    if (ours.get("csi") or {}).get("controllerExpandSecretRef") and "csi" in theirs and not theirs["csi"].get("controllerExpandSecretRef"):
        ours["csi"] = {k: v for k, v in ours["csi"].items() if k != "controllerExpandSecretRef"}
    if ours != theirs:
        text = f"spec.persistentvolumesource is immutable after creation\n{goform.diff('PersistentVolumeSource', theirs, ours)}"
        out.append(forbidden_field("spec.persistentvolumesource", text))
    if value.get("volumeMode") != before.get("volumeMode"):
        out.append(invalid("volumeMode", value.get("volumeMode"), "field is immutable"))
    affinity = before.get("nodeAffinity")
    if affinity is not None and value.get("nodeAffinity") != affinity and not _relabelled(value.get("nodeAffinity"), affinity):
        shown = goform.of("VolumeNodeAffinity", value.get("nodeAffinity"))
        out.append(invalid("nodeAffinity", shown, "field is immutable, except for updating from beta label to GA"))
    if before.get("volumeAttributesClassName") is not None and value.get("volumeAttributesClassName") is None:
        out.append(forbidden_field("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden"))


def _relabelled(new: Any, old: Any) -> bool:
    """Whether `new` is `old` with beta label keys replaced by their stable names."""
    if isinstance(new, dict) and isinstance(old, dict):
        if new.keys() != old.keys():
            return False
        return all(v == old[k] or (k == "key" and _BETA_LABELS.get(old[k]) == v) or _relabelled(v, old[k]) for k, v in new.items())
    if isinstance(new, list) and isinstance(old, list):
        return len(new) == len(old) and all(n == o or _relabelled(n, o) for n, o in zip(new, old, strict=True))
    return False


def _warnings(new: Obj, _old: Obj | None) -> list[str]:
    out: list[str] = []
    value, notes = new.get("spec") or {}, new["metadata"].get("annotations") or {}
    if "volume.beta.kubernetes.io/storage-class" in notes:
        out.append(
            'metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" attribute instead'
        )
    if "volume.beta.kubernetes.io/mount-options" in notes:
        out.append(
            'metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; use "mountOptions" attribute instead'
        )
    if value.get("persistentVolumeReclaimPolicy") == "Recycle":
        out.append(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
            "Instead, the recommended approach is to use dynamic provisioning."
        )
    for i, term in enumerate(((value.get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or ()):
        out += node_selector_term(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{i}]")
    for key, text in _DEPRECATED:
        if value.get(key) is not None:
            out.append(f"spec.{key}: {text}")
    size = (value.get("capacity") or {}).get("storage")
    if size is not None and parse(size).milli_value() % 1000:
        out.append(f'spec.capacity[storage]: fractional byte value "{parse(size)}" is invalid, must be an integer')
    return out


_DEPRECATED = (
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
)

STRATEGY = with_status(
    default=_default, prepare=_prepare, warnings=_warnings, has_generation=False, status_prepare_update=_status_prepare, **both(_validate)
)
