"""A controller-manager process beside the module's API server, and a way to wait for the API to say something."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kubepy.api.errors import NotFound
from kubepy.client import Client
from tests.integration.conftest import ApiServer

Obj = dict[str, Any]


def start_manager(server: ApiServer, log: Path, *flags: str) -> subprocess.Popen[bytes]:
    """`python -m controllers` for a server, writing to `log`."""
    pki = server.data_dir / "pki"
    argv = [sys.executable, "-m", "controllers", f"--kubeconfig={server.data_dir / 'controller-manager.kubeconfig'}"]
    argv += [f"--service-account-private-key-file={pki / 'sa.key'}", f"--root-ca-file={pki / 'ca.crt'}"]
    argv += [f"--cluster-signing-cert-file={pki / 'ca.crt'}", f"--cluster-signing-key-file={pki / 'ca.key'}", *flags]
    with log.open("ab") as out:
        return subprocess.Popen(argv, stdout=out, stderr=out)


def stop_manager(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> int:
    """End a manager; its exit code."""
    if process.poll() is None:
        process.send_signal(number)
    return process.wait(20)


@pytest.fixture(scope="module")
def manager(apiserver: ApiServer) -> Iterator[subprocess.Popen[bytes]]:
    """One controller-manager for the module."""
    process = start_manager(apiserver, apiserver.data_dir / "controllers.log")
    try:
        yield process
        assert process.poll() is None, (apiserver.data_dir / "controllers.log").read_text()
    finally:
        stop_manager(process)


@pytest.fixture
async def client(apiserver: ApiServer, manager: subprocess.Popen[bytes]) -> AsyncIterator[Client]:
    """An administrator's client of a cluster whose controllers run."""
    async with apiserver.client() as made:
        yield made


async def until(
    client: Client, resource: str, name: str, namespace: str | None, condition: Callable[[Obj], Any], seconds: float = 20
) -> Obj:
    """Watch one object until a condition holds; the object then."""
    async with asyncio.timeout(seconds):
        while True:
            listed = await client.list(resource, namespace, field_selector=f"metadata.name={name}")
            for obj in listed["items"]:
                if condition(obj):
                    return obj
            watch = client.watch(
                resource, namespace, listed["metadata"]["resourceVersion"], field_selector=f"metadata.name={name}", timeout_seconds=30
            )
            async for kind, obj in watch:
                if kind in ("ADDED", "MODIFIED") and condition(obj):
                    await watch.aclose()
                    return obj


async def until_count(client: Client, resource: str, namespace: str | None, count: int, seconds: float = 20, **selectors: Any) -> list[Obj]:
    """Watch a collection until it has so many objects that are not being deleted; the objects then."""
    async with asyncio.timeout(seconds):
        while True:
            listed = await client.list(resource, namespace, **selectors)
            items: list[Obj] = listed["items"]
            if len([i for i in items if not i["metadata"].get("deletionTimestamp")]) == count:
                return items
            watch = client.watch(resource, namespace, listed["metadata"]["resourceVersion"], timeout_seconds=30, **selectors)
            async for kind, _ in watch:
                if kind != "BOOKMARK":
                    break
            await watch.aclose()


async def until_gone(client: Client, resource: str, name: str, namespace: str | None, seconds: float = 20) -> None:
    """Watch one object until it is not there."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                obj = await client.get(resource, name, namespace)
            except NotFound:
                return
            watch = client.watch(
                resource, namespace, obj["metadata"]["resourceVersion"], field_selector=f"metadata.name={name}", timeout_seconds=30
            )
            async for kind, _ in watch:
                if kind == "DELETED":
                    break
            await watch.aclose()
