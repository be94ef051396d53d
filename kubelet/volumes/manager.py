"""Sets a pod's volumes up under `<root>/pods/<uid>/volumes/<plugin>/<name>`, refreshes their content, tears them down.

Upstream: pkg/kubelet/volumemanager and pkg/volume/*; sorts that need a driver (CSI, NFS, iSCSI) are refused with a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubelet import env
from kubelet.objects import ObjectSource
from kubelet.tokens import Tokens
from kubelet.volumes import atomic, mounting, payload
from kubelet.volumes.payload import VolumeError
from kubepy.api import quantity
from kubepy.api.errors import StatusError

Obj = dict[str, Any]

PLUGINS = {
    "configMap": "kubernetes.io~configmap", "secret": "kubernetes.io~secret", "downwardAPI": "kubernetes.io~downward-api",
    "projected": "kubernetes.io~projected", "emptyDir": "kubernetes.io~empty-dir",
}  # fmt: skip
IMAGE_PLUGIN = "kubernetes.io~image"
_PAYLOAD = ("configMap", "secret", "downwardAPI", "projected")
_TYPE_CHECKS = {
    "Directory": (stat.S_ISDIR, "a directory"), "File": (stat.S_ISREG, "a file"), "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"), "BlockDevice": (stat.S_ISBLK, "a block device"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume that is set up: where it lies on the host."""

    path: Path
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the downward API may ask of the node."""

    name: str
    allocatable: Mapping[str, str]


class VolumeManager:
    """The volumes of one node's pods. Files are written in threads; state between calls is the disk's alone."""

    def __init__(self, root: Path, objects: ObjectSource, tokens: Tokens, node: NodeFacts) -> None:
        self._root = root
        self._objects, self._tokens, self._node = objects, tokens, node
        self.tmpfs = os.geteuid() == 0

    def pod_dir(self, uid: str) -> Path:
        """Everything of one pod on disk."""
        return self._root / "pods" / uid

    def image_dir(self, uid: str, name: str) -> Path:
        """Where the files of an image volume lie, once they are unpacked."""
        return self.pod_dir(uid) / "volumes" / IMAGE_PLUGIN / name

    async def setup(self, pod: Obj, ips: Mapping[str, str]) -> tuple[dict[str, Volume], float]:
        """Set up, or bring up to date, all volumes; also when (epoch) to come again for tokens, 0 for never. Raises VolumeError."""
        volumes = pod["spec"].get("volumes") or []
        renew = 0.0
        claims: dict[str, Obj] = {}
        for volume in volumes:
            for part in (volume.get("projected") or {}).get("sources") or ():
                if source := part.get("serviceAccountToken"):
                    try:
                        at = await self._tokens.ensure(pod, source)
                    except StatusError as e:
                        raise VolumeError(_failed(volume, f"failed to fetch token: {e}")) from e
                    renew = min(renew or at, at)
            if "persistentVolumeClaim" in volume or "ephemeral" in volume:
                claims[volume["name"]] = await self._persistent(pod, volume)
        found = await asyncio.to_thread(self._write, pod, volumes, claims, ips)
        return found, renew

    def _write(self, pod: Obj, volumes: list[Obj], claims: dict[str, Obj], ips: Mapping[str, str]) -> dict[str, Volume]:
        namespace = pod["metadata"]["namespace"]
        first = (pod["spec"].get("containers") or [{}])[0]
        sources = payload.Sources(
            lambda plural, name: self._objects.get(plural, namespace, name),
            lambda path: env.field_value(pod, path, self._node.name, ips),
            lambda ref: env.resource_value(pod, first, ref, self._node.allocatable),
            lambda source: self._tokens.get(pod, source),
        )
        out = {}
        group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
        for volume in volumes:
            try:
                out[volume["name"]] = self._one(pod, volume, claims.get(volume["name"]), sources, group)
            except VolumeError as e:
                raise VolumeError(_failed(volume, str(e))) from e
            except OSError as e:
                raise VolumeError(_failed(volume, f"{e.strerror}: {e.filename}")) from e
        return out

    def _one(self, pod: Obj, volume: Obj, claim: Obj | None, sources: payload.Sources, group: int | None) -> Volume:
        if claim is not None:
            return _persistent_path(claim, volume)
        if (source := volume.get("hostPath")) is not None:
            return Volume(_host_path(source["path"], source.get("type") or ""))
        if "image" in volume:
            path = self.image_dir(pod["metadata"]["uid"], volume["name"])
            path.mkdir(parents=True, exist_ok=True)
            return Volume(path, True)
        kind = next((k for k in PLUGINS if k in volume), "emptyDir" if len(volume) == 1 else "")
        if not kind:
            raise VolumeError(f"no volume plugin matched: {', '.join(sorted(k for k in volume if k != 'name'))}")
        path = self.pod_dir(pod["metadata"]["uid"]) / "volumes" / PLUGINS[kind] / volume["name"]
        fresh = not path.exists()
        path.mkdir(parents=True, exist_ok=True)
        if kind == "emptyDir":
            if fresh:
                self._empty(path, volume.get("emptyDir") or {}, pod, group)
            return Volume(path)
        if fresh:
            path.chmod(0o755)
            if kind != "configMap" and self.tmpfs:
                mounting.mount_tmpfs(path, "mode=0755")
        wanted = payload.files(volume, pod["metadata"]["namespace"], sources, _common_user(pod))
        atomic.write(path, wanted or {}, group)
        return Volume(path, True)

    def _empty(self, path: Path, source: Obj, pod: Obj, group: int | None) -> None:
        if source.get("medium") == "Memory" and self.tmpfs:
            limit = source.get("sizeLimit")
            options = "mode=0777" + (f",size={quantity.parse(limit).value()}" if limit and quantity.parse(limit).value() else "")
            mounting.mount_tmpfs(path, options)
        path.chmod(0o777)
        if group is not None:
            os.chown(path, -1, group)
            path.chmod(0o2777)

    async def _persistent(self, pod: Obj, volume: Obj) -> Obj:
        """The bound PersistentVolume of a claim (or of a generic ephemeral volume's claim). Raises VolumeError."""
        meta = pod["metadata"]
        if "ephemeral" in volume:
            name = f"{meta['name']}-{volume['name']}"
        else:
            name = volume["persistentVolumeClaim"]["claimName"]
        claim = await self._objects.fetch("persistentvolumeclaims", name, meta["namespace"])
        if claim is None:
            raise VolumeError(_failed(volume, f'persistentvolumeclaim "{name}" not found'))
        bound = claim["spec"].get("volumeName")
        if not bound or (claim.get("status") or {}).get("phase") != "Bound":
            raise VolumeError(_failed(volume, f"PVC {meta['namespace']}/{name} is not bound"))
        found = await self._objects.fetch("persistentvolumes", bound, None)
        if found is None:
            raise VolumeError(_failed(volume, f'persistentvolume "{bound}" not found'))
        return found

    async def teardown(self, uid: str) -> None:
        """Remove all that is the pod's. Idempotent; hostPaths and persistent volumes are left alone."""
        self._objects.release(uid)
        self._tokens.forget(uid)
        await asyncio.to_thread(remove_tree, self.pod_dir(uid))

    async def unmount(self, uid: str) -> None:
        """Remove the volumes of a pod that has ended, and keep the rest of its folder."""
        self._objects.release(uid)
        self._tokens.forget(uid)
        await asyncio.to_thread(remove_tree, self.pod_dir(uid) / "volumes")

    def known(self) -> list[str]:
        """Uids of all pods that have a folder."""
        folder = self._root / "pods"
        return [p.name for p in folder.iterdir()] if folder.is_dir() else []


def _failed(volume: Obj, text: str) -> str:
    return f'MountVolume.SetUp failed for volume "{volume["name"]}" : {text}'


def remove_tree(path: Path) -> None:
    """Delete a folder of volumes: first unmount what is mounted below, so that no foreign data is deleted."""
    if not path.exists():
        return
    prefix = f"{path}/"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            target = line.split(" ")[4]
            if target.startswith(prefix):
                mounting.unmount(Path(target))
    shutil.rmtree(path, ignore_errors=True)


def _common_user(pod: Obj) -> int | None:
    """The one uid that all containers run as, if they do."""
    default = (pod["spec"].get("securityContext") or {}).get("runAsUser")
    every = (*(pod["spec"].get("initContainers") or ()), *(pod["spec"].get("containers") or ()))
    users = {(c.get("securityContext") or {}).get("runAsUser", default) for c in every}
    return users.pop() if len(users) == 1 else None


def _persistent_path(pv: Obj, volume: Obj) -> Volume:
    spec = pv["spec"]
    read_only = bool((volume.get("persistentVolumeClaim") or {}).get("readOnly"))
    if (source := spec.get("hostPath")) is not None:
        return Volume(_host_path(source["path"], source.get("type") or ""), read_only)
    if (source := spec.get("local")) is not None:
        path = Path(source["path"])
        if not path.exists():
            raise VolumeError(f'path "{path}" does not exist')
        return Volume(path, read_only)
    kinds = [k for k in spec if k in ("csi", "nfs", "iscsi", "fc", "rbd", "cephfs", "glusterfs")]
    raise VolumeError(f"no volume plugin matched: {', '.join(kinds) or pv['metadata']['name']}")


def _host_path(text: str, kind: str) -> Path:
    path = Path(text)
    if kind == "DirectoryOrCreate":
        if not path.exists():
            path.mkdir(parents=True, mode=0o755)
        kind = "Directory"
    elif kind == "FileOrCreate":
        if not path.exists():
            path.touch(mode=0o644)
        kind = "File"
    elif not kind:
        if not path.exists():
            # Container runtimes make a missing source a folder.
            path.mkdir(parents=True)
        return path
    check, what = _TYPE_CHECKS[kind]
    if not path.exists() or not check(path.stat().st_mode):
        raise VolumeError(f"hostPath type check failed: {path} is not {what}")
    return path
