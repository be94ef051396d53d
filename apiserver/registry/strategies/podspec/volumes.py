"""Volumes of a pod: names, and exactly one valid source each.

Upstream: ValidateVolumes, validateVolumeSource.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors, named
from apiserver.registry.strategies.podspec import projected, sources
from apiserver.registry.strategies.podspec.options import Options
from kubepy.api import names
from kubepy.api.errors import duplicate, forbidden_field, invalid, required
from kubepy.api.quantity import parse

# In upstream's order. Where the path of the "more than 1" error or of the source differs from the field, it is given.
_ORDER = (
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
)
_SECOND_PATH = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
_SOURCE_PATH = {"gcePersistentDisk": "persistentDisk"}


def validate(out: Errors, volumes: Sequence[Obj], pod_name: str, path: str, options: Options) -> dict[str, Obj]:
    """Check all volumes; the valid ones by name. `pod_name` is empty in templates."""
    valid: dict[str, Obj] = {}
    created = {f"{pod_name}-{v.get('name', '')}" for v in volumes if "ephemeral" in v} if pod_name else set()
    for i, volume in enumerate(volumes):
        at = f"{path}[{i}]"
        before = len(out)
        name = volume.get("name") or ""
        _source(out, volume, name, pod_name, at, options)
        if not name:
            out.append(required(f"{at}.name"))
        else:
            named(out, name, f"{at}.name", names.dns1123_label)
        if name in valid:
            out.append(duplicate(f"{at}.name", name))
        if len(out) == before:
            valid[name] = volume
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim in created:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            out.append(invalid(f"{at}.persistentVolumeClaim.claimName", claim, text))
    return valid


def _source(out: Errors, volume: Obj, name: str, pod_name: str, path: str, options: Options) -> None:
    count = 0
    if (source := volume.get("emptyDir")) is not None:
        count = 1
        limit = source.get("sizeLimit")
        if limit is not None and parse(limit).nanos < 0:
            out.append(forbidden_field(f"{path}.emptyDir.sizeLimit", "SizeLimit field must be a valid resource quantity"))
        if len(volume) == 2:
            return
    for key in volume if len(volume) == 2 else _ORDER:
        source = volume.get(key)
        if source is None or key == "name":
            continue
        if key not in _KNOWN:
            continue
        count += 1
        if count > 1:
            out.append(forbidden_field(f"{path}.{_SECOND_PATH.get(key, key)}", "may not specify more than 1 volume type"))
        elif key == "projected":
            projected.validate(out, source, f"{path}.projected", options)
        elif key == "downwardAPI":
            projected.downward_api(out, source, f"{path}.downwardAPI")
        elif key == "ephemeral":
            _ephemeral(out, source, name, pod_name, path)
        elif key == "image":
            sources.image(out, source, f"{path}.image", options.is_pod)
        else:
            sources.POD_SOURCES[key](out, source, f"{path}.{_SOURCE_PATH.get(key, key)}")
        if key == "iscsi" and source.get("initiatorName") is not None and len(f"{name}:{source.get('targetPortal', '')}") > 64:
            out.append(invalid(f"{path}.name", name, sources.ISCSI_TOO_LONG))
    if not count:
        out.append(required(path, "must specify a volume type"))


_KNOWN = frozenset(_ORDER)


def _ephemeral(out: Errors, source: Obj, name: str, pod_name: str, path: str) -> None:
    from apiserver.registry.strategies import persistentvolumeclaims  # its specs and ours contain each other

    template = source.get("volumeClaimTemplate")
    if template is None:
        out.append(required(f"{path}.ephemeral.volumeClaimTemplate"))
    else:
        persistentvolumeclaims.template(out, template, f"{path}.ephemeral.volumeClaimTemplate")
    if pod_name and name:
        claim = f"{pod_name}-{name}"
        for m in names.dns1123_subdomain(claim):
            out.append(invalid(f"{path}.name", name, f'PVC name "{claim}": {m}'))
