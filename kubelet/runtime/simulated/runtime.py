"""The simulated runtime: containers start after a delay and stay Running until they are told to stop. Runs nothing, reads no disk.

Commands that end by themselves do (`program`), so that Jobs complete; what a test needs besides is asked of the object (`exit`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

from kubelet.runtime.interface import (
    Auth,
    Connection,
    Container,
    ContainerSpec,
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
    Stream,
    Usage,
    Version,
)  # fmt: skip
from kubelet.runtime.simulated.program import ending

_UNSUPPORTED = "not supported by the simulated runtime"
_ids = itertools.count(1)


def _id() -> str:
    return f"{next(_ids):064x}"


class SimulatedRuntime:
    """`interface.Runtime` in memory, for one node."""

    materialises = False
    cgroup_driver = ""

    def __init__(self, start_delay: float = 0.0) -> None:
        self._start_delay = start_delay
        self._pods: dict[str, PodView] = {}
        self._containers: dict[str, Container] = {}
        self._endings: dict[str, tuple[float, int]] = {}
        self._sandboxes: dict[str, Sandbox] = {}
        self._listener: Listener = lambda uid: None
        self._pool: AddressPool | None = None

    async def start(self, listener: Listener) -> None:
        """Nothing is adopted: what a former process pretended is gone with it."""
        self._listener = listener

    async def stop(self) -> None:
        """Nothing to let go."""

    def view(self, uid: str) -> PodView | None:
        """One pod's."""
        return self._pods.get(uid)

    def views(self) -> Sequence[PodView]:
        """Every pod's."""
        return list(self._pods.values())

    def version(self) -> Version:
        """Its own."""
        return Version("simulated", "1.0.0")

    async def set_pod_cidr(self, cidr: str) -> None:
        """Addresses are given from here."""
        self._pool = AddressPool(cidr)

    # -- sandboxes --------------------------------------------------------------------------------------------------------------

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """At once."""
        view = self._pods.setdefault(spec.pod.uid, PodView(spec.pod))
        same = next((s for s in view.sandboxes if s.attempt == spec.attempt), None)
        if same is not None:
            return same
        ip = spec.ip
        if not spec.host_network and not ip:
            if self._pool is None:
                raise RuntimeFailure("network is not ready: the node has no pod CIDR yet")
            ip = self._pool.take()
        elif ip and self._pool is not None:
            self._pool.hold(ip)
        sandbox = Sandbox(_id(), spec.pod, spec.attempt, True, ip, spec.host_network, time.time())
        view.sandboxes.insert(0, sandbox)
        self._sandboxes[sandbox.id] = sandbox
        return sandbox

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Its containers end with it."""
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or not sandbox.running:
            return
        sandbox.running = False
        self._listener(sandbox.pod.uid)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """And its address is free."""
        sandbox = self._sandboxes.pop(sandbox_id, None)
        if sandbox is None:
            return
        if sandbox.ip and self._pool is not None and not sandbox.host_network:
            self._pool.give(sandbox.ip)
        view = self._pods[sandbox.pod.uid]
        view.sandboxes.remove(sandbox)
        self._drop_if_empty(view)

    def _drop_if_empty(self, view: PodView) -> None:
        if not view.sandboxes and not view.containers:
            self._pods.pop(view.pod.uid, None)

    # -- containers -------------------------------------------------------------------------------------------------------------

    async def create_container(self, sandbox: Sandbox, spec: ContainerSpec) -> Container:
        """At once; the same again for the same attempt."""
        view = self._pods[spec.pod.uid]
        same = next((c for c in view.containers if (c.name, c.attempt) == (spec.name, spec.attempt)), None)
        if same is not None:
            return same
        container = Container(
            _id(), spec.pod, spec.name, spec.attempt, State.CREATED, time.time(), spec.image_name or spec.image, spec.image,
            spec_hash=spec.spec_hash, resources=spec.resources, sandbox_id=sandbox.id,
        )  # fmt: skip
        view.containers.insert(0, container)
        self._containers[container.id] = container
        if (end := ending(spec.command, spec.args)) is not None:
            self._endings[container.id] = end
        return container

    def _get(self, container_id: str) -> Container:
        container = self._containers.get(container_id)
        if container is None:
            raise NoSuchContainer(f"No such container: {container_id}")
        return container

    async def start_container(self, container_id: str) -> None:
        """After the delay."""
        container = self._get(container_id)
        if self._start_delay:
            await asyncio.sleep(self._start_delay)
        if container.state is State.CREATED:
            container.state, container.started_at = State.RUNNING, time.time()
            if (end := self._endings.get(container_id)) is not None:
                asyncio.get_running_loop().call_later(end[0], self._end, container_id, end[1])

    def _end(self, container_id: str, code: int) -> None:
        if container_id in self._containers:
            self.exit(container_id, code)

    def exit(self, container_id: str, code: int, reason: str = "") -> None:
        """Pretend that its process ended."""
        container = self._get(container_id)
        if container.state is not State.RUNNING:
            return
        container.state, container.exit_code, container.finished_at = State.EXITED, code, time.time()
        container.reason = reason or ("Error" if code else "Completed")
        self._listener(container.pod.uid)

    async def stop_container(self, container_id: str, grace: float) -> None:
        """It obeys at once: killed when there is no grace; a program that has an end of its own does not handle SIGTERM."""
        if container_id in self._containers:
            self.exit(container_id, 137 if grace <= 0 else 143 if container_id in self._endings else 0)

    async def remove_container(self, container_id: str) -> None:
        """Forget it."""
        container = self._containers.pop(container_id, None)
        self._endings.pop(container_id, None)
        if container is not None:
            view = self._pods[container.pod.uid]
            view.containers.remove(container)
            self._drop_if_empty(view)

    async def signal_container(self, container_id: str, signal: str) -> None:
        """SIGKILL and SIGTERM end it."""
        if signal in ("SIGKILL", "SIGTERM"):
            self.exit(container_id, 137 if signal == "SIGKILL" else 143)

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        """Noted."""
        self._get(container_id).resources = replace(resources)

    # -- images -----------------------------------------------------------------------------------------------------------------

    async def unpack_image(self, image: str, into: Path) -> None:
        """Images are empty."""

    async def image(self, name: str) -> Image | None:
        """Every image is there."""
        return Image(name, f"simulated://{name}", names=(name,))

    async def images(self) -> Sequence[Image]:
        """None worth telling."""
        return ()

    async def pull(self, name: str, auths: Sequence[Auth]) -> Image:
        """At once."""
        return Image(name, f"simulated://{name}", names=(name,))

    # -- streams ----------------------------------------------------------------------------------------------------------------

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> tuple[int, bytes]:
        """Every command succeeds and says nothing."""
        if self._get(container_id).state is not State.RUNNING:
            raise RuntimeFailure(f"container {container_id} is not running")
        return 0, b""

    async def exec(self, container_id: str, command: Sequence[str], *, tty: bool, stdin: bool) -> Stream:
        """Not supported: there is nothing to talk to."""
        raise RuntimeFailure(f"exec is {_UNSUPPORTED}")

    async def attach(self, container_id: str, *, tty: bool, stdin: bool) -> Stream:
        """Not supported."""
        raise RuntimeFailure(f"attach is {_UNSUPPORTED}")

    async def logs(self, container_id: str, options: LogOptions) -> AsyncIterator[tuple[int, bytes]]:
        """Empty."""
        self._get(container_id)
        nothing: tuple[tuple[int, bytes], ...] = ()
        for piece in nothing:
            yield piece

    async def connect(self, sandbox: Sandbox, port: int) -> Connection:
        """Nobody listens."""
        raise RuntimeFailure(f"failed to connect to localhost:{port} inside the pod: connection refused")

    async def usage(self) -> dict[str, Usage]:
        """Idle."""
        now = time.time()
        running = [c.id for c in self._containers.values() if c.state is State.RUNNING]
        return {i: Usage(now) for i in (*running, *self._sandboxes)}


class AddressPool:
    """Addresses of a range, counted up and reused."""

    def __init__(self, cidr: str) -> None:
        net = ipaddress.ip_network(cidr)
        self._next, self._end = int(net.network_address) + 2, int(net.network_address) + net.num_addresses - 1
        self._free: list[int] = []
        self._held: set[int] = set()

    def take(self) -> str:
        """A free one. Raises RuntimeFailure."""
        while self._next < self._end:
            self._next += 1
            if self._next - 1 not in self._held:
                return str(ipaddress.ip_address(self._next - 1))
        if not self._free:
            raise RuntimeFailure("no IP addresses available in the node's pod CIDR")
        return str(ipaddress.ip_address(self._free.pop(0)))

    def hold(self, address: str) -> None:
        """Somebody has it already."""
        value = int(ipaddress.ip_address(address))
        if value in self._free:
            self._free.remove(value)
        elif value >= self._next:
            self._held.add(value)

    def give(self, address: str) -> None:
        """Back."""
        value = int(ipaddress.ip_address(address))
        if value >= self._next:
            self._held.discard(value)
        else:
            self._free.append(value)
