"""The Docker runtime: keeps a picture of this node's sandboxes and containers, and changes it through the engine."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubelet.runtime.docker import config, naming, network, streams, unpack, wire
from kubelet.runtime.docker.engine import Engine, whole
from kubelet.runtime.docker.events import EventStream
from kubelet.runtime.docker.images import Images
from kubelet.runtime.docker.picture import Picture
from kubelet.runtime.docker.usage import usage_of
from kubelet.runtime.interface import (
    Auth,
    Container,
    ContainerSpec,
    ExecTimeout,
    Image,
    Listener,
    LogOptions,
    NoSuchContainer,
    PodView,
    Resources,
    RuntimeFailure,
    Sandbox,
    SandboxSpec,
    State,
    Usage,
    Version,
)  # fmt: skip

log = logging.getLogger(__name__)

RELIST = 60.0
"""Seconds between looks at everything, in case an event was missed."""
EXEC_OUTPUT = 10 * 1024
"""Bytes kept of a probe's or hook's output (upstream's ioutils limit)."""
_KILL_PATIENCE = 2.0


class DockerRuntime:
    """`interface.Runtime` on one Docker engine, for one node of one cluster."""

    materialises = True

    def __init__(self, cluster: str, node: str, cluster_cidr: str, engine: Engine | None = None) -> None:
        self._cluster, self._node, self._cluster_cidr = cluster, node, cluster_cidr
        self._engine = engine or Engine()
        self._images = Images(self._engine)
        self._picture = Picture()
        self._listener: Listener = lambda uid: None
        self._addresses: network.Addresses | None = None
        self._network = network.network_name(cluster)
        self._network_made = False
        self._events: EventStream | None = None
        self._relister: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._version = Version("docker", "")
        self.cgroup_driver = ""

    # -- life -------------------------------------------------------------------------------------------------------------------

    async def start(self, listener: Listener) -> None:
        """Connect; adopt what runs; remove what was created and never started."""
        self._listener = listener
        info = await self._engine.call(self._engine.api.info)
        self._version = Version("docker", info.get("ServerVersion", ""))
        self.cgroup_driver = info.get("CgroupDriver", "")
        labels = [f"{naming.CLUSTER}={self._cluster}", f"{naming.NODE}={self._node}"]
        self._events = EventStream(self._engine, labels, self._on_event, self._on_reopened)
        await self._events.start()
        await self._relist(adopt=True)
        self._relister = asyncio.create_task(self._relist_forever(), name="docker relist")

    async def stop(self) -> None:
        """Disconnect."""
        tasks = [t for t in (self._relister, *self._tasks) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._events is not None:
            await self._events.stop()
        self._engine.close()

    def version(self) -> Version:
        """The engine's."""
        return self._version

    async def set_pod_cidr(self, cidr: str) -> None:
        """Make the network; addresses held by adopted sandboxes stay theirs."""
        await network.ensure(self._engine, self._cluster, self._cluster_cidr)
        self._network_made = True
        network.reflect(self._cluster)
        addresses = network.Addresses(cidr, self._cluster_cidr)
        for sandbox in self._picture.sandboxes():
            if sandbox.ip:
                addresses.hold(sandbox.ip)
        self._addresses = addresses

    # -- the picture ------------------------------------------------------------------------------------------------------------

    def view(self, uid: str) -> PodView | None:
        """From memory."""
        return self._picture.view(uid)

    def views(self) -> Sequence[PodView]:
        """From memory."""
        return self._picture.views()

    async def _relist_forever(self) -> None:
        while True:
            await asyncio.sleep(RELIST)
            with contextlib.suppress(RuntimeFailure):
                await self._relist()

    async def _relist(self, adopt: bool = False) -> None:
        filters = {"label": [f"{naming.CLUSTER}={self._cluster}", f"{naming.NODE}={self._node}"]}
        known_before = self._picture.ids()
        listed = await self._engine.call(self._engine.api.containers, all=True, filters=filters)
        ids = {c["Id"] for c in listed}
        for missing in known_before - ids:
            self._forget(missing)
        stale = [c["Id"] for c in listed if adopt or not self._picture.agrees(c["Id"], c["State"] == "running")]
        if stale:
            await asyncio.gather(*(self._inspect(i, adopt) for i in stale))

    async def _inspect(self, container_id: str, adopt: bool = False) -> None:
        try:
            found = await self._engine.call(self._engine.api.inspect_container, container_id)
        except NoSuchContainer:
            self._forget(container_id)
            return
        state = found["State"]
        if state["Status"] == "created" and not state.get("Error"):
            if adopt:
                # A kubelet died between create and start: nothing ran, so it is made anew under the same attempt.
                await self._remove(container_id)
            return
        if state["Status"] == "removing":
            return
        uid = self._picture.put_inspected(found)
        if uid:
            self._listener(uid)

    def _forget(self, container_id: str) -> None:
        gone = self._picture.forget(container_id)
        if gone is None:
            return
        uid, address = gone
        if address and self._addresses is not None:
            self._addresses.free(address)
        self._listener(uid)

    def _on_reopened(self) -> None:
        self._spawn(self._relist())

    def _spawn(self, work: Any) -> None:
        async def run() -> None:
            try:
                await work
            except RuntimeFailure as e:
                log.warning("looking at the engine failed: %s", e)

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_event(self, event: dict[str, Any]) -> None:
        container_id, action = event["Actor"]["ID"], event["Action"]
        if action == "die":
            if self._picture.knows(container_id):
                self._spawn(self._inspect(container_id))
        elif action == "destroy":
            self._forget(container_id)
        elif action == "start" and not self._picture.agrees(container_id, True) and not self._picture.starting(container_id):
            self._spawn(self._inspect(container_id))

    # -- sandboxes --------------------------------------------------------------------------------------------------------------

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """Create and start it; on failure nothing stays behind."""
        out: Sandbox = await whole(self._create_sandbox(spec))
        return out

    async def _create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        ip = spec.ip
        if not spec.host_network and not ip:
            if self._addresses is None:
                raise RuntimeFailure("network is not ready: the node has no pod CIDR yet")
            ip = self._addresses.take()
        try:
            image = await self._images.sandbox(self._cluster)
            body = config.sandbox_config(self._cluster, self._node, image, self._network, spec, ip)
            container_id = await self._create(body, naming.name("POD", spec.pod, spec.attempt))
            try:
                await self._engine.call(self._engine.api.start, container_id)
            except RuntimeFailure:
                await self._remove(container_id)
                raise
        except RuntimeFailure as e:
            # An address in use belongs to somebody we do not know of: it is not given out again.
            if ip and self._addresses is not None and "address already in use" not in str(e).lower():
                self._addresses.free(ip)
            raise
        if not spec.host_network:
            network.reflect(self._cluster)
        sandbox = Sandbox(container_id, spec.pod, spec.attempt, True, ip, spec.host_network, time.time())
        self._picture.put_sandbox(sandbox)
        return sandbox

    async def _create(self, body: dict[str, Any], name: str) -> str:
        api = self._engine.api
        try:
            made = await self._engine.call(api.create_container_from_config, body, name)
        except RuntimeFailure as e:
            other = re.search(r'already in use by container "?([0-9a-f]{12,64})', str(e))
            if other is None:
                raise
            # Left by a call whose answer was lost. It is not in the picture, so nothing of it is needed.
            if self._picture.knows(other[1]):
                raise
            await self._remove(other[1])
            made = await self._engine.call(api.create_container_from_config, body, name)
        return str(made["Id"])

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Kill it: its program holds nothing."""
        with contextlib.suppress(RuntimeFailure):
            await self._engine.call(self._engine.api.kill, sandbox_id)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Kill and remove in one call."""
        await whole(self._remove(sandbox_id))

    async def _remove(self, container_id: str) -> None:
        try:
            await self._engine.call(self._engine.api.remove_container, container_id, force=True, v=True)
        except NoSuchContainer:
            pass
        except RuntimeFailure as e:
            if "already in progress" not in str(e):
                raise
        self._forget(container_id)

    # -- containers -------------------------------------------------------------------------------------------------------------

    async def create_container(self, sandbox: Sandbox, spec: ContainerSpec) -> Container:
        """Create it, joined to the sandbox."""
        out: Container = await whole(self._create_container(sandbox, spec))
        return out

    async def _create_container(self, sandbox: Sandbox, spec: ContainerSpec) -> Container:
        image = await self._images.get(spec.image)
        if image is None:
            raise RuntimeFailure(f"Error response from daemon: No such image: {spec.image}")
        stop_signal = spec.stop_signal or self._images.stop_signal(image.id)
        body = config.container_config(self._cluster, self._node, sandbox, spec, image, stop_signal)
        container_id = await self._create(body, naming.name(spec.name, spec.pod, spec.attempt))
        container = Container(
            container_id, spec.pod, spec.name, spec.attempt, State.CREATED, time.time(), image=spec.image_name or spec.image,
            image_id=image.ref, spec_hash=spec.spec_hash, resources=spec.resources, sandbox_id=sandbox.id,
        )  # fmt: skip
        self._picture.put_container(container, stop_signal, spec.tty)
        return container

    async def start_container(self, container_id: str) -> None:
        """Start it."""
        await whole(self._start_container(container_id))

    async def _start_container(self, container_id: str) -> None:
        self._picture.set_starting(container_id, True)
        try:
            await self._engine.call(self._engine.api.start, container_id)
        except RuntimeFailure as e:
            self._picture.failed(container_id, str(e), time.time())
            raise
        finally:
            self._picture.set_starting(container_id, False)
        if not self._picture.started(container_id, time.time()):
            # Its death was told before its start was answered.
            await self._inspect(container_id)

    async def stop_container(self, container_id: str, grace: float) -> None:
        """Signal, wait, kill, wait; the engine is not asked to wait, so no thread is held."""
        exited = self._picture.exit_event(container_id)
        if exited is None or exited.is_set():
            return
        if grace > 0:
            await self._signal(container_id, self._picture.stop_signal(container_id) or "SIGTERM")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(exited.wait(), grace)
                return
        while not exited.is_set():
            await self._signal(container_id, "SIGKILL")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(exited.wait(), _KILL_PATIENCE)
                return
            await self._inspect(container_id)

    async def _signal(self, container_id: str, name: str) -> None:
        # "is not running" is success: the death's event is on its way.
        with contextlib.suppress(NoSuchContainer):
            try:
                await self._engine.call(self._engine.api.kill, container_id, signal=name)
            except NoSuchContainer:
                self._forget(container_id)
            except RuntimeFailure as e:
                if "is not running" not in str(e):
                    raise

    async def signal_container(self, container_id: str, signal: str) -> None:
        """Send one signal."""
        await self._signal(container_id, signal)

    async def remove_container(self, container_id: str) -> None:
        """Remove it and its anonymous volumes."""
        await whole(self._remove(container_id))

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        """Change its limits in place."""
        await self._engine.call(self._engine.api.update_container, container_id, **config.update_arguments(resources))
        self._picture.resized(container_id, resources)

    # -- images -----------------------------------------------------------------------------------------------------------------

    async def unpack_image(self, image: str, into: Path) -> None:
        """By way of a container that never runs."""
        body = {"Image": image, "Cmd": ["-"], "Labels": {naming.CLUSTER: self._cluster}, "HostConfig": {"NetworkMode": "none"}}
        made = await self._engine.call(self._engine.api.create_container_from_config, body)
        try:
            await self._engine.call(unpack.export, self._engine.api, made["Id"], into)
        finally:
            await self._remove(made["Id"])

    async def image(self, name: str) -> Image | None:
        """Local only."""
        return await self._images.get(name)

    async def images(self) -> Sequence[Image]:
        """Local ones with a name."""
        return await self._images.all()

    async def pull(self, name: str, auths: Sequence[Auth]) -> Image:
        """Pull."""
        return await self._images.pull(name, auths)

    # -- streams ----------------------------------------------------------------------------------------------------------------

    async def exec(self, container_id: str, command: Sequence[str], *, tty: bool, stdin: bool) -> streams.DockerStream:
        """Run a command attached."""
        exec_id, _ = await self._make_exec(container_id, command, tty, stdin)
        reader, writer = await wire.open_stream("POST", f"/exec/{exec_id}/start", {"Detach": False, "Tty": tty})
        return streams.DockerStream(self._engine, exec_id, True, tty, reader, writer)

    async def _make_exec(self, container_id: str, command: Sequence[str], tty: bool, stdin: bool) -> tuple[str, None]:
        made = await self._engine.call(
            self._engine.api.exec_create, container_id, list(command), stdin=stdin, stdout=True, stderr=True, tty=tty
        )
        return str(made["Id"]), None

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> tuple[int, bytes]:
        """Run a command to its end; one that overruns is killed."""
        stream = await self.exec(container_id, command, tty=False, stdin=False)
        output = bytearray()

        async def collect() -> int:
            while (piece := await stream.read())[0]:
                if len(output) < EXEC_OUTPUT:
                    output.extend(piece[1][: EXEC_OUTPUT - len(output)])
            return await stream.exit_code()

        try:
            async with asyncio.timeout(timeout if timeout > 0 else None):
                return await collect(), bytes(output)
        except TimeoutError as e:
            await self._kill_exec(stream)
            raise ExecTimeout(f"command {' '.join(command)!r} timed out after {timeout:g}s") from e
        finally:
            await stream.close()

    async def _kill_exec(self, stream: streams.DockerStream) -> None:
        # Docker has no call for it. On the engine's machine the process is visible under its number.
        with contextlib.suppress(RuntimeFailure, OSError):
            info = await self._engine.call(self._engine.api.exec_inspect, stream._target)
            if info.get("Running") and info.get("Pid") and Path("/var/run/docker.sock").exists():
                os.kill(info["Pid"], signal.SIGKILL)

    async def attach(self, container_id: str, *, tty: bool, stdin: bool) -> streams.DockerStream:
        """Attach to the first process."""
        query = urlencode({"stream": 1, "stdin": int(stdin), "stdout": 1, "stderr": 1})
        reader, writer = await wire.open_stream("POST", f"/containers/{container_id}/attach?{query}")
        return streams.DockerStream(self._engine, container_id, False, tty, reader, writer)

    async def logs(self, container_id: str, options: LogOptions) -> AsyncIterator[tuple[int, bytes]]:
        """The json-file log through the engine."""
        query = {
            "follow": int(options.follow), "stdout": int(options.stdout), "stderr": int(options.stderr),
            "timestamps": int(options.timestamps), "tail": "all" if options.tail is None else options.tail,
        }  # fmt: skip
        if options.since:
            query["since"] = f"{options.since:.9f}"
        tty = self._picture.tty(container_id)
        reader, writer = await wire.open_stream("GET", f"/containers/{container_id}/logs?{urlencode(query)}")
        try:
            async for piece in wire.pieces(reader, tty):
                yield piece
        finally:
            writer.close()

    async def connect(self, sandbox: Sandbox, port: int) -> streams.SocketConnection:
        """To localhost inside the sandbox."""
        found = await self._engine.call(self._engine.api.inspect_container, sandbox.id)
        return await streams.dial(int(found["State"]["Pid"]), sandbox.ip or "127.0.0.1", port)

    async def usage(self) -> dict[str, Usage]:
        """One sample each."""

        async def one(container_id: str) -> tuple[str, Usage | None]:
            try:
                stats = await self._engine.call(self._engine.api.stats, container_id, stream=False, one_shot=True)
            except RuntimeFailure:
                return container_id, None
            return container_id, usage_of(stats, dt.datetime.now(dt.UTC).timestamp())

        found = await asyncio.gather(*(one(i) for i in self._picture.running_ids()))
        return {i: u for i, u in found if u is not None}
