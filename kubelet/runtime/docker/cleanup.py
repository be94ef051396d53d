"""Stops or removes all that a cluster has on the engine, without a kubelet: what `kubepy down` and `kubepy delete` need."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
import docker.errors

from kubelet.runtime.docker import naming
from kubelet.runtime.docker.engine import MAX_CALLS, Engine
from kubelet.runtime.docker.network import network_name

STOP_SECONDS = 10


def _containers(api: docker.APIClient, cluster: str, *, everything: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.containers(all=everything, filters={"label": f"{naming.CLUSTER}={cluster}"})
    return found


def _is_sandbox(container: dict[str, Any]) -> bool:
    return bool(container["Labels"].get(naming.KIND) == "sandbox")


def stop(cluster: str) -> int:
    """Stop the cluster's containers, the pods' own before their sandboxes; returns how many ran. Raises RuntimeFailure."""
    engine = Engine()
    try:
        running = _containers(engine.api, cluster, everything=False)

        def one(container: dict[str, Any]) -> None:
            with contextlib.suppress(docker.errors.NotFound):
                engine.api.stop(container["Id"], timeout=0 if _is_sandbox(container) else STOP_SECONDS)

        with ThreadPoolExecutor(MAX_CALLS) as pool:
            list(pool.map(one, [c for c in running if not _is_sandbox(c)]))
            list(pool.map(one, [c for c in running if _is_sandbox(c)]))
        return len(running)
    finally:
        engine.close()


def remove(cluster: str) -> int:
    """Remove the cluster's containers and its network; returns how many containers there were. Raises RuntimeFailure."""
    engine = Engine()
    try:
        found = _containers(engine.api, cluster, everything=True)

        def one(container: dict[str, Any]) -> None:
            try:
                engine.api.remove_container(container["Id"], force=True, v=True)
            except docker.errors.NotFound:
                pass
            except docker.errors.APIError as error:
                if error.response is None or error.response.status_code != 409:  # removal is under way already
                    raise

        with ThreadPoolExecutor(MAX_CALLS) as pool:
            list(pool.map(one, sorted(found, key=_is_sandbox)))
        for network in engine.api.networks(names=[network_name(cluster)]):
            if network["Name"] == network_name(cluster):
                engine.api.remove_network(network["Id"])
        return len(found)
    finally:
        engine.close()
