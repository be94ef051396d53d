"""Calls to the Docker engine off the event loop: a bounded thread pool over the SDK, its errors in our terms."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import docker
import docker.errors
import docker.utils
import requests
import urllib3

from kubelet.runtime.interface import NoSuchContainer, RuntimeFailure

P = ParamSpec("P")
T = TypeVar("T")

MAX_CALLS = 12
"""Calls under way at once. dockerd saturates well below; more only queue inside it."""


def failure(error: Exception) -> RuntimeFailure:
    """An SDK error as ours, with the engine's own words."""
    if isinstance(error, docker.errors.NotFound):
        return NoSuchContainer(f"Error response from daemon: {error.explanation}")
    if isinstance(error, docker.errors.APIError):
        return RuntimeFailure(f"Error response from daemon: {error.explanation or error}")
    return RuntimeFailure(f"Cannot connect to the Docker daemon: {error}")


class Engine:
    """One engine, as DOCKER_HOST and the like describe it (docker.utils.kwargs_from_env)."""

    def __init__(self, client: docker.APIClient | None = None) -> None:
        self._pool = ThreadPoolExecutor(MAX_CALLS, thread_name_prefix="docker")
        self.api: docker.APIClient = client or self._connect()

    def _connect(self) -> docker.APIClient:
        try:
            return docker.APIClient(version="auto", timeout=120, num_pools=MAX_CALLS, **docker.utils.kwargs_from_env())
        except docker.errors.DockerException as e:
            raise RuntimeFailure(f"Cannot connect to the Docker daemon: {e}") from e

    def another(self) -> docker.APIClient:
        """A client of its own, for a stream that occupies a connection."""
        return self._connect()

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking SDK call. Raises RuntimeFailure. The call goes on when the awaiting task is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, functools.partial(function, *args, **kwargs))
        except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as e:
            raise failure(e) from e

    def close(self) -> None:
        """Let go of threads and connections."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.api.close()


async def whole(awaitable: Any) -> Any:
    """Await something that must run to its end, with its bookkeeping, even when the caller is cancelled."""
    task = asyncio.ensure_future(awaitable)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            task.add_done_callback(lambda t: t.cancelled() or t.exception())
        raise
