"""Takes away what a cluster has on the engine, by its label."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from kubelet.runtime.docker import naming, network
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.interface import NoSuchContainer, RuntimeFailure

log = logging.getLogger(__name__)

_ROUNDS, _PAUSE = 10, 0.5
"""How often, and how many seconds apart, it is looked again for containers while the network is in use."""


async def stop_all(cluster: str, grace: int = 5) -> None:
    """Stop all containers of the cluster. Raises RuntimeFailure."""
    engine = Engine()
    try:

        async def stop(container_id: str) -> None:
            with contextlib.suppress(NoSuchContainer):
                await engine.call(engine.api.stop, container_id, timeout=grace)

        running = await engine.call(engine.api.containers, filters={"label": [f"{naming.CLUSTER}={cluster}"]})
        await asyncio.gather(*(stop(c["Id"]) for c in running))
    finally:
        engine.close()


def pod_folders(listed: list[dict[str, Any]]) -> set[str]:
    """The kubelets' folders of the pods that these containers (as the engine lists them) belong to: `<root>/pods/<uid>`."""
    out = set()
    for container in listed:
        uid = (container.get("Labels") or {}).get(naming.POD_UID)
        for mount in container.get("Mounts") or ():
            before, found, _ = str(mount.get("Source", "")).partition(f"/pods/{uid}/")
            if uid and found:
                out.add(f"{before}/pods/{uid}")
    return out


async def remove_all(cluster: str) -> set[str]:
    """Remove all containers and the network of the cluster; the folders of its pods that may be left. Raises RuntimeFailure."""
    engine = Engine()
    try:

        async def remove(container_id: str) -> None:
            with contextlib.suppress(NoSuchContainer):
                await engine.call(engine.api.remove_container, container_id, force=True, v=True)

        folders: set[str] = set()
        for left in range(_ROUNDS, 0, -1):
            listed = await engine.call(engine.api.containers, all=True, filters={"label": [f"{naming.CLUSTER}={cluster}"]})
            folders |= pod_folders(listed)
            await asyncio.gather(*(remove(c["Id"]) for c in listed))
            try:
                with contextlib.suppress(NoSuchContainer):
                    await engine.call(engine.api.remove_network, network.network_name(cluster))
                break
            except RuntimeFailure as e:
                # A container that a kubelet asked for just before it ended has come up since. If there is none, the engine has lost count.
                if "active endpoints" not in str(e):
                    raise
                if left == 1:
                    log.warning("the engine takes the network for in use, it stays until the engine is started anew: %s", e)
            await asyncio.sleep(_PAUSE)
        return folders
    finally:
        engine.close()
