"""Takes away what a cluster has on the engine, by its label."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from kubelet.runtime.docker import naming, network
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.interface import NoSuchContainer


async def _ids(engine: Engine, cluster: str, everything: bool) -> list[str]:
    filters: dict[str, Any] = {"label": [f"{naming.CLUSTER}={cluster}"]}
    found = await engine.call(engine.api.containers, all=everything, filters=filters)
    return [c["Id"] for c in found]


async def stop_all(cluster: str, grace: int = 5) -> None:
    """Stop all containers of the cluster. Raises RuntimeFailure."""
    engine = Engine()
    try:

        async def stop(container_id: str) -> None:
            with contextlib.suppress(NoSuchContainer):
                await engine.call(engine.api.stop, container_id, timeout=grace)

        await asyncio.gather(*(stop(i) for i in await _ids(engine, cluster, False)))
    finally:
        engine.close()


async def remove_all(cluster: str) -> None:
    """Remove all containers and the network of the cluster. Raises RuntimeFailure."""
    engine = Engine()
    try:

        async def remove(container_id: str) -> None:
            with contextlib.suppress(NoSuchContainer):
                await engine.call(engine.api.remove_container, container_id, force=True, v=True)

        await asyncio.gather(*(remove(i) for i in await _ids(engine, cluster, True)))
        with contextlib.suppress(NoSuchContainer):
            await engine.call(engine.api.remove_network, network.network_name(cluster))
    finally:
        engine.close()
