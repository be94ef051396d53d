"""A control plane of real processes under a small supervisor: what is killed or ends is started again, and unasked ends are noted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from kubepy.client.config import Config
from kubepy.client.rest import Client
from tests.integration.conftest import TOKENS, free_port

NODES = 5
PATIENCE = 30.0


@dataclass
class Daemon:
    """One process that is kept running. `pauses` are seconds before it is started again."""

    name: str
    argv: list[str]
    log: Path
    pause: float = 0.1
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    killed: bool = False

    def start(self) -> None:
        """Start it; output is appended to its log."""
        if self.process is not None:
            self.process.wait(10)
        with self.log.open("ab") as out:
            self.process = subprocess.Popen([sys.executable, "-m", *self.argv], stdout=out, stderr=out)
        self.killed = False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.killed = self.killed or number == signal.SIGKILL
            self.process.send_signal(number)


class Plane:
    """API server (more of them over one etcd), controllers, scheduler and simulated nodes in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.daemons: dict[str, Daemon] = {}
        self.unasked: list[str] = []
        """Ends of processes that nobody killed."""
        self._keeper: asyncio.Task[None] | None = None

    def add(self, name: str, *argv: str) -> Daemon:
        """Start a process and keep it running."""
        daemon = self.daemons[name] = Daemon(name, list(argv), self.folder / f"{name}.log")
        daemon.start()
        return daemon

    async def add_apiserver(self, name: str = "apiserver", port: int = 0, *flags: str) -> int:
        """Start an API server and wait until it is ready; its port. Servers of one plane share certificates."""
        port = port or self.port
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "tokens.csv").write_text(TOKENS)
        argv = [
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--data-dir={self.folder}",
            f"--token-auth-file={self.folder}/tokens.csv",
        ]
        self.add(name, "apiserver", *argv, *flags)
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(Exception):
                async with self.client(port) as client:
                    await client.raw("GET", "/readyz", timeout=5)
                    return port
            assert time.monotonic() < deadline, f"{name} did not become ready:\n{self.tail(name)}"
            await asyncio.sleep(0.05)

    def add_controllers(self, name: str = "controllers", *flags: str, port: int = 0) -> Daemon:
        """A controller-manager, by default of this plane's first API server."""
        pki = self.folder / "pki"
        own = (f"--root-ca-file={pki}/ca.crt", f"--service-account-private-key-file={pki}/sa.key")
        signing = (f"--cluster-signing-cert-file={pki}/ca.crt", f"--cluster-signing-key-file={pki}/ca.key")
        return self.add(name, "controllers", f"--kubeconfig={self._kubeconfig('controller-manager', port)}", *own, *signing, *flags)

    def add_scheduler(self, name: str = "scheduler", *flags: str, port: int = 0) -> Daemon:
        """A scheduler."""
        return self.add(name, "scheduler", f"--kubeconfig={self._kubeconfig('scheduler', port)}", *flags)

    def add_nodes(self, count: int = NODES, *flags: str, port: int = 0) -> Daemon:
        """Simulated nodes, all in one process."""
        pki = self.folder / "pki"
        own = ("--runtime=simulated", f"--simulated-nodes={count}", f"--port={free_port()}", f"--root-dir={self.folder}/nodes")
        certificates = (f"--client-ca-file={pki}/ca.crt", f"--tls-cert-ca-file={pki}/ca.crt", f"--tls-cert-ca-key-file={pki}/ca.key")
        return self.add("nodes", "kubelet", f"--kubeconfig={self._kubeconfig('admin', port)}", *own, *certificates, *flags)

    def _kubeconfig(self, who: str, port: int) -> Path:
        """The kubeconfig of a component, for another API server than the one that wrote it if `port` is given."""
        source = self.folder / f"{who}.kubeconfig"
        target = self.folder / f"{who}-{port or self.port}.kubeconfig"
        target.write_text(re.sub(r"server: \S+", f"server: https://127.0.0.1:{port or self.port}", source.read_text()))
        target.chmod(0o600)
        return target

    def client(self, port: int = 0, patience: float = PATIENCE) -> Client:
        """An administrator's client that waits for a server that is being started again."""
        ca = self.folder / "pki" / "ca.crt"
        server = f"https://127.0.0.1:{port or self.port}"
        return Client(Config(server=server, ca=ca.read_bytes(), token="admintoken"), patience=patience, user_agent="chaos")

    def tail(self, name: str, size: int = 3000) -> str:
        """The end of a process's log."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-size:]

    def keep(self) -> None:
        """Begin to start again what ends."""
        self._keeper = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            for daemon in self.daemons.values():
                if daemon.process is None or (code := daemon.process.poll()) is None:
                    continue
                if not daemon.killed:
                    self.unasked.append(f"{daemon.name} ended with {code}:\n{self.tail(daemon.name)}")
                    daemon.pause = min(5.0, daemon.pause * 2)
                await asyncio.sleep(daemon.pause)
                daemon.start()
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End everything, the API servers last."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        ordered = sorted(self.daemons.values(), key=lambda d: "apiserver" in d.argv[0])
        for last in (False, True):
            group = [d.process for d in ordered if ("apiserver" in d.argv[0]) is last and d.process is not None]
            for process in group:
                if process.poll() is None:
                    process.send_signal(signal.SIGCONT)
                    process.terminate()
            for process in group:
                try:
                    await asyncio.to_thread(process.wait, 15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(10)


def seconds(name: str, default: float) -> float:
    """A number from the environment."""
    return float(os.environ.get(name, default))
