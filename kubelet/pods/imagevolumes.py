"""Volumes that are an image's files (KEP-4639): pulled, and unpacked in the pod's folder, before containers start."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from kubelet.host import Host
from kubelet.pods.images import ImageKeeper
from kubelet.runtime.interface import RuntimeFailure
from kubelet.volumes.payload import VolumeError

Obj = dict[str, Any]
T = TypeVar("T")


async def prepare(host: Host, keeper: ImageKeeper, pod: Obj, unless_ending: Callable[[Awaitable[T]], Awaitable[T]]) -> None:
    """Unpack every image volume of the pod that is not there yet. Raises NotStarted with the image's reason, VolumeError."""
    for volume in pod["spec"].get("volumes") or ():
        source = volume.get("image")
        if source is None or not source.get("reference"):
            continue
        path = host.volumes.image_dir(pod["metadata"]["uid"], volume["name"])
        if path.exists():
            continue
        wanted = {"name": volume["name"], "image": source["reference"], "imagePullPolicy": source.get("pullPolicy")}
        image = await keeper.ensure(pod, wanted, unless_ending)
        await _unpack(host, image.id, path, volume["name"])


async def _unpack(host: Host, image: str, path: Path, name: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        await host.runtime.unpack_image(image, fresh)
    except (RuntimeFailure, OSError) as e:
        raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : failed to unpack image: {e}') from e
    fresh.rename(path)
