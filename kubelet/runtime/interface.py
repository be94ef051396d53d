"""The container runtime as the kubelet sees it, in our own types. No Kubernetes objects and no engine's client here.

A pod is a sandbox (it owns the network and IPC namespaces) and containers joined to it. Identity is carried by the runtime's
own objects, so that a restarted kubelet finds again what it started.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class RuntimeFailure(Exception):
    """The engine refused or failed an operation; the text is what the user sees in statuses and events."""


class NoSuchContainer(RuntimeFailure):
    """The container or sandbox does not exist (any more)."""


class ImageFailure(RuntimeFailure):
    """An image could not be pulled or inspected."""


class ExecTimeout(RuntimeFailure):
    """A command did not end within its time."""


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """What makes a pod that pod; printed the way upstream prints pods in messages (kubelet/util/format)."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.name}_{self.namespace}({self.uid})"


class State(StrEnum):
    """Where a container is in its life."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class PortMapping:
    """One hostPort: `host_ip` empty means every address; `protocol` is tcp, udp or sctp."""

    container_port: int
    host_port: int
    protocol: str = "tcp"
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    """A bind mount of the host's `source` at the container's `target`; `propagation` as mount(8) names it."""

    source: str
    target: str
    read_only: bool = False
    propagation: str = "rprivate"


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits in cgroup terms: shares, microseconds per `cpu_period`, bytes; 0 means unlimited or default."""

    cpu_shares: int = 0
    cpu_quota: int = 0
    cpu_period: int = 100_000
    memory_limit: int = 0
    pids_limit: int = 0
    oom_score_adj: int = 0


@dataclass(frozen=True, slots=True)
class Security:
    """The effective security settings of one container; `user` is `uid`, `uid:gid` or empty for the image's own."""

    user: str = ""
    groups: tuple[str, ...] = ()
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    read_only_root: bool = False
    no_new_privileges: bool = False
    seccomp: str = "unconfined"
    """`unconfined`, `runtime/default`, or the profile's JSON text."""
    apparmor: str = ""
    """Empty for the engine's default, `unconfined`, or a loaded profile's name."""
    proc_unmasked: bool = False


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """A sandbox to create; `ip` is empty for host networking."""

    pod: PodIdentity
    attempt: int = 0
    hostname: str = ""
    ip: str = ""
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    ports: tuple[PortMapping, ...] = ()
    sysctls: dict[str, str] = field(default_factory=dict)
    cgroup_parent: str = ""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container to create in a sandbox. `command`/`args` replace the image's entrypoint/command where not None."""

    pod: PodIdentity
    name: str
    attempt: int
    image: str
    image_name: str = ""
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    devices: tuple[str, ...] = ()
    resources: Resources = Resources()
    security: Security = Security()
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    stop_signal: str = ""
    share_pid: bool = False
    """Join the sandbox's process namespace (shareProcessNamespace)."""
    host_pid: bool = False
    host_ipc: bool = False
    target_id: str = ""
    """Join this container's process namespace (ephemeral containers' targetContainerName)."""
    cgroup_parent: str = ""
    spec_hash: str = ""


@dataclass(slots=True)
class Sandbox:
    """A sandbox as last seen. Times are seconds since the epoch."""

    id: str
    pod: PodIdentity
    attempt: int
    running: bool
    ip: str
    host_network: bool
    created_at: float


@dataclass(slots=True)
class Container:
    """A container as last seen. Times are seconds since the epoch; zero means not yet."""

    id: str
    pod: PodIdentity
    name: str
    attempt: int
    state: State
    created_at: float
    image: str = ""
    image_id: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    """Completed, Error, OOMKilled or StartError once it has exited."""
    message: str = ""
    spec_hash: str = ""
    resources: Resources = Resources()
    sandbox_id: str = ""


@dataclass(slots=True)
class PodView:
    """Everything the runtime holds of one pod, newest first. Shared: treat as read-only."""

    pod: PodIdentity
    sandboxes: list[Sandbox] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)

    def latest(self, name: str) -> Container | None:
        """The newest container of that name."""
        return next((c for c in self.containers if c.name == name), None)

    @property
    def sandbox(self) -> Sandbox | None:
        """The newest sandbox."""
        return self.sandboxes[0] if self.sandboxes else None


@dataclass(frozen=True, slots=True)
class Image:
    """A local image: its id, how a status names it, the user it runs as and its size in bytes."""

    id: str
    ref: str
    user: str = ""
    size: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Auth:
    """Registry credentials."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    server: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """One sample of a container's or sandbox's use: CPU in nanoseconds since start, bytes of memory and network."""

    time: float
    cpu_nanoseconds: int = 0
    memory_bytes: int = 0
    working_set_bytes: int = 0
    rss_bytes: int = 0
    rx_bytes: int = 0
    tx_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What part of a log is wanted; `tail` None means all; times are seconds since the epoch."""

    follow: bool = False
    tail: int | None = None
    since: float = 0.0
    timestamps: bool = False
    stdout: bool = True
    stderr: bool = True


@dataclass(frozen=True, slots=True)
class Version:
    """The engine's name and version, for NodeStatus.nodeInfo."""

    name: str
    version: str


class Stream(Protocol):
    """An attached process: bytes from it tagged 1 (stdout) or 2 (stderr), bytes to its stdin."""

    async def read(self) -> tuple[int, bytes]:
        """The next piece; (0, b"") at the end."""

    async def write(self, data: bytes) -> None:
        """Feed stdin."""

    async def close_stdin(self) -> None:
        """End stdin; output goes on."""

    async def resize(self, width: int, height: int) -> None:
        """Resize the terminal."""

    async def exit_code(self) -> int:
        """After the end of output: the process's exit code."""

    async def close(self) -> None:
        """Let go of the connection."""


class Connection(Protocol):
    """A byte stream into a pod's network namespace (port-forward)."""

    async def read(self) -> bytes:
        """The next piece; empty at the end."""

    async def write(self, data: bytes) -> None:
        """Send all of `data`."""

    async def write_eof(self) -> None:
        """Half-close."""

    async def close(self) -> None:
        """Close."""


Listener = Callable[[str], None]
"""Called on the event loop with the uid of a pod whose sandboxes or containers changed."""


class Runtime(Protocol):
    """What the kubelet asks of a container engine. All calls may raise RuntimeFailure.

    State is read with `view`/`views` from memory; the runtime keeps it up to date from its own calls and the engine's events,
    so reading costs no round trip. Creating is idempotent by (pod uid, name, attempt).
    """

    materialises: bool
    """False where nothing really runs, so volumes, environment and probes need not be made up either."""

    async def start(self, listener: Listener) -> None:
        """Connect, adopt what this node already runs, and begin reporting changes."""

    async def stop(self) -> None:
        """Disconnect; containers run on."""

    def view(self, uid: str) -> PodView | None:
        """What is known of one pod."""

    def views(self) -> Sequence[PodView]:
        """What is known of every pod of this node."""

    async def set_pod_cidr(self, cidr: str) -> None:
        """Tell the node's range once it is known; networks are made then."""

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """Create and start a sandbox; assigns the IP when `spec.ip` is empty and the network is not the host's."""

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Stop a sandbox; its network is gone then. Idempotent."""

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Stop and remove a sandbox. Idempotent."""

    async def create_container(self, sandbox: Sandbox, spec: ContainerSpec) -> Container:
        """Create a container, not started."""

    async def start_container(self, container_id: str) -> None:
        """Start it; a failure leaves it EXITED with reason StartError."""

    async def stop_container(self, container_id: str, grace: float) -> None:
        """Stop signal, then a kill after `grace` seconds (0: kill at once); returns once it has exited. Idempotent."""

    async def remove_container(self, container_id: str) -> None:
        """Remove it and its logs, killing it if it runs. Idempotent."""

    async def signal_container(self, container_id: str, signal: str) -> None:
        """Send one signal."""

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        """Change the limits of a running container."""

    async def image(self, name: str) -> Image | None:
        """The local image of that name, or None."""

    async def images(self) -> Sequence[Image]:
        """All local images."""

    async def pull(self, name: str, auths: Sequence[Auth]) -> Image:
        """Pull an image, trying the credentials in turn; raises ImageFailure."""

    async def unpack_image(self, image: str, into: Path) -> None:
        """Write an image's files into an empty folder; raises RuntimeFailure, OSError."""

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> tuple[int, bytes]:
        """Run a command; its exit code and output (both streams, bounded). Raises ExecTimeout."""

    async def exec(self, container_id: str, command: Sequence[str], *, tty: bool, stdin: bool) -> Stream:
        """Run a command attached."""

    async def attach(self, container_id: str, *, tty: bool, stdin: bool) -> Stream:
        """Attach to the container's first process."""

    def logs(self, container_id: str, options: LogOptions) -> AsyncIterator[tuple[int, bytes]]:
        """The log in pieces of (stream, bytes)."""

    async def connect(self, sandbox: Sandbox, port: int) -> Connection:
        """A TCP connection to localhost:`port` inside the sandbox."""

    async def usage(self) -> dict[str, Usage]:
        """A sample per running container and sandbox, by id."""

    def version(self) -> Version:
        """Known after `start`."""
