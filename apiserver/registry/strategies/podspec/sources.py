"""Volume sources, for pods and for persistent volumes, each checked by one small function.

Upstream: validate*VolumeSource and validate*PersistentVolumeSource in pkg/apis/core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors, named, need
from apiserver.registry.strategies.podspec.paths import file_mode, local_descending, local_non_reserved, no_backsteps
from kubepy.api import names
from kubepy.api.errors import invalid, not_supported, required, too_long

Check = Callable[[Errors, Obj, str], None]

ISCSI_TOO_LONG = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."
_HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
_CACHING = ("None", "ReadOnly", "ReadWrite")
_DISK_KINDS = ("Dedicated", "Managed", "Shared")
_MANAGED_URI = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB_URI = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_QUOBYTE = "must be a host:port pair or multiple pairs separated by commas"
_LUN = "must be between 0 and 255, inclusive"
_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$").search,
    "eui": re.compile(r"^eui.[A-Za-z0-9]{16}$").search,
    "naa": re.compile(r"^naa.[A-Za-z0-9]{32}$").search,
}
_HOST_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*").fullmatch


def _needs(*keys: str) -> Check:
    def check(out: Errors, source: Obj, path: str) -> None:
        need(out, source, path, *keys)

    return check


def host_path(out: Errors, source: Obj, path: str) -> None:
    """A directory or file of the node."""
    where = source.get("path")
    if not where:
        out.append(required(f"{path}.path"))
        return
    no_backsteps(out, where, f"{path}.path")
    kind = source.get("type")
    if kind is not None and kind not in _HOST_PATH_TYPES:
        out.append(not_supported(f"{path}.type", kind, _HOST_PATH_TYPES))


def _git(out: Errors, source: Obj, path: str) -> None:
    need(out, source, path, "repository")
    local_descending(out, source.get("directory") or "", f"{path}.directory")


def _partition(name: str) -> Check:
    def check(out: Errors, source: Obj, path: str) -> None:
        need(out, source, path, name)
        number = source.get("partition") or 0
        if not 0 <= number <= 255:
            out.append(invalid(f"{path}.partition", number, "must be between 1 and 255, inclusive"))

    return check


def key_to_path(out: Errors, item: Obj, path: str) -> None:
    """One entry of `items`: a key and the file it becomes."""
    need(out, item, path, "key", "path")
    local_non_reserved(out, item.get("path") or "", f"{path}.path")
    file_mode(out, item.get("mode"), f"{path}.mode")


def _keys(name: str) -> Check:
    def check(out: Errors, source: Obj, path: str) -> None:
        if not source.get(name):
            out.append(required(f"{path}.{name}"))
        file_mode(out, source.get("defaultMode"), f"{path}.defaultMode")
        for i, item in enumerate(source.get("items") or ()):
            key_to_path(out, item, f"{path}.items[{i}]")

    return check


def _nfs(out: Errors, source: Obj, path: str) -> None:
    need(out, source, path, "server", "path")
    if not (source.get("path") or "").startswith("/"):
        out.append(invalid(f"{path}.path", source.get("path") or "", "must be an absolute path"))


def _initiator(out: Errors, value: str, path: str, text: str) -> None:
    match = _INITIATORS.get(value[:3])
    if match is None:
        out.append(invalid(path, value, text))
    elif not match(value):
        out.append(invalid(path, value, "must be valid format"))


def _iscsi(persistent: bool) -> Check:
    text = "must be valid format" if persistent else "must be valid format starting with iqn, eui, or naa"

    def check(out: Errors, source: Obj, path: str) -> None:
        need(out, source, path, "targetPortal", "iqn")
        if source.get("iqn"):
            _initiator(out, source["iqn"], f"{path}.iqn", text)
        lun = source.get("lun") or 0
        if not 0 <= lun <= 255:
            out.append(invalid(f"{path}.lun", lun, _LUN))
        secret = source.get("secretRef")
        if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and secret is None:
            out.append(required(f"{path}.secretRef"))
        if persistent and secret is not None:
            need(out, secret, f"{path}.secretRef", "name")
        if (name := source.get("initiatorName")) is not None:
            _initiator(out, name, f"{path}.initiatorname", text)

    return check


def _glusterfs(out: Errors, source: Obj, path: str) -> None:
    need(out, source, path, "endpoints", "path")
    namespace = source.get("endpointsNamespace")
    if namespace == "":
        text = "if the endpointnamespace is set, it must be a valid namespace name"
        out.append(invalid(f"{path}.endpointsNamespace", namespace, text))
    elif namespace is not None:
        named(out, namespace, f"{path}.endpointsNamespace", names.dns1123_label)


def _flocker(out: Errors, source: Obj, path: str) -> None:
    name, uuid = source.get("datasetName") or "", source.get("datasetUUID") or ""
    if not name and not uuid:
        out.append(required(path, "one of datasetName and datasetUUID is required"))
    if name and uuid:
        out.append(invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously"))
    if "/" in name:
        out.append(invalid(f"{path}.datasetName", name, "must not contain '/'"))


def _secret_ref(*keys: str) -> Check:
    def check(out: Errors, source: Obj, path: str) -> None:
        if (ref := source.get("secretRef")) is not None:
            need(out, ref, f"{path}.secretRef", *keys)

    return check


def _cinder(secret: Check) -> Check:
    def check(out: Errors, source: Obj, path: str) -> None:
        need(out, source, path, "volumeID")
        secret(out, source, path)

    return check


def _quobyte(out: Errors, source: Obj, path: str) -> None:
    registry = source.get("registry") or ""
    if not registry:
        out.append(required(f"{path}.registry", _QUOBYTE))
    elif len(source.get("tenant") or "") >= 65:
        out.append(required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters"))
    else:
        out.extend(invalid(f"{path}.registry", registry, _QUOBYTE) for pair in registry.split(",") if not _HOST_PORT(pair))
    need(out, source, path, "volume")


def _fc(out: Errors, source: Obj, path: str) -> None:
    targets, wwids, lun = source.get("targetWWNs"), source.get("wwids"), source.get("lun")
    if not targets and not wwids:
        out.append(required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both"))
    if targets and wwids:
        out.append(invalid(f"{path}.targetWWNs", targets, "targetWWNs and wwids can not be specified simultaneously"))
    if targets:
        if lun is None:
            out.append(required(f"{path}.lun", "lun is required if targetWWNs is specified"))
        elif not 0 <= lun <= 255:
            out.append(invalid(f"{path}.lun", lun, _LUN))


def _flex(out: Errors, source: Obj, path: str) -> None:
    need(out, source, path, "driver")
    for key in source.get("options") or {}:
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            out.append(invalid(f"{path}.options[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved"))


def _azure_file(out: Errors, source: Obj, path: str) -> None:
    need(out, source, path, "secretName", "shareName")
    if source.get("secretNamespace") == "":
        out.append(required(f"{path}.secretNamespace"))


def _azure_disk(out: Errors, source: Obj, path: str) -> None:
    need(out, source, path, "diskName", "diskURI")
    caching, kind, uri = source.get("cachingMode"), source.get("kind"), source.get("diskURI") or ""
    if caching is not None and caching not in _CACHING:
        out.append(not_supported(f"{path}.cachingMode", caching, _CACHING))
    if kind is not None and kind not in _DISK_KINDS:
        out.append(not_supported(f"{path}.kind", kind, _DISK_KINDS))
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        out.append(not_supported(f"{path}.diskURI", uri, (_MANAGED_URI,)))
    if kind is not None and kind != "Managed" and not uri.startswith("https://"):
        out.append(not_supported(f"{path}.diskURI", uri, (_BLOB_URI,)))


def _storage_os(secret: Check) -> Check:
    def check(out: Errors, source: Obj, path: str) -> None:
        name, namespace = source.get("volumeName"), source.get("volumeNamespace")
        if not name:
            out.append(required(f"{path}.volumeName"))
        else:
            named(out, name, f"{path}.volumeName", names.dns1123_label)
        if namespace:
            named(out, namespace, f"{path}.volumeNamespace", names.dns1123_label)
        secret(out, source, path)

    return check


def csi_driver_name(out: Errors, value: str | None, path: str) -> None:
    """The name of a CSI driver: a short DNS subdomain, in either case."""
    if not value:
        out.append(required(path))
        return
    if len(value) > 63:
        out.append(too_long(path, 63))
    for m in names.dns1123_subdomain(value.lower()):
        out.append(invalid(path, value, m))


def _csi(out: Errors, source: Obj, path: str) -> None:
    csi_driver_name(out, source.get("driver"), f"{path}.driver")
    if (ref := source.get("nodePublishSecretRef")) is not None:
        if not ref.get("name"):
            out.append(required(f"{path}.nodePublishSecretRef.name"))
        else:
            named(out, ref["name"], f"{path}.name", names.dns1123_subdomain)


def csi_persistent(out: Errors, source: Obj, path: str) -> None:
    """A CSI volume that outlives pods."""
    csi_driver_name(out, source.get("driver"), f"{path}.driver")
    need(out, source, path, "volumeHandle")
    for key in ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef"):
        if (ref := source.get(key)) is not None:
            for part, rule in (("name", names.dns1123_subdomain), ("namespace", names.dns1123_label)):
                if not ref.get(part):
                    out.append(required(f"{path}.{key}.{part}"))
                else:
                    named(out, ref[part], f"{path}.{key}.{part}", rule)


def _local(out: Errors, source: Obj, path: str) -> None:
    where = source.get("path")
    if not where:
        out.append(required(f"{path}.path"))
    else:
        no_backsteps(out, where, f"{path}.path")


def image(out: Errors, source: Obj, path: str, is_pod: bool) -> None:
    """An OCI image or artifact mounted as a volume."""
    from apiserver.registry.strategies.podspec.containers import pull_policy

    if is_pod and not source.get("reference"):
        out.append(required(f"{path}.reference"))
    pull_policy(out, source.get("pullPolicy"), f"{path}.pullPolicy")


_SHARED: dict[str, Check] = {
    "hostPath": host_path,
    "gcePersistentDisk": _partition("pdName"),
    "awsElasticBlockStore": _partition("volumeID"),
    "nfs": _nfs,
    "glusterfs": _glusterfs,
    "flocker": _flocker,
    "rbd": _needs("monitors", "image"),
    "cephfs": _needs("monitors"),
    "quobyte": _quobyte,
    "fc": _fc,
    "flexVolume": _flex,
    "azureFile": _azure_file,
    "vsphereVolume": _needs("volumePath"),
    "photonPersistentDisk": _needs("pdID"),
    "portworxVolume": _needs("volumeID"),
    "azureDisk": _azure_disk,
    "scaleIO": _needs("gateway", "system", "volumeName"),
}
POD_SOURCES: dict[str, Check] = {
    **_SHARED,
    "gitRepo": _git,
    "secret": _keys("secretName"),
    "configMap": _keys("name"),
    "persistentVolumeClaim": _needs("claimName"),
    "iscsi": _iscsi(False),
    "cinder": _cinder(_secret_ref("name")),
    "storageos": _storage_os(_secret_ref("name")),
    "csi": _csi,
}
PERSISTENT_SOURCES: dict[str, Check] = {
    **_SHARED,
    "iscsi": _iscsi(True),
    "cinder": _cinder(_secret_ref("name", "namespace")),
    "storageos": _storage_os(_secret_ref("name", "namespace")),
    "csi": csi_persistent,
    "local": _local,
}
