"""Starts the project's daemons for a measurement and tells what they use."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from pathlib import Path

TOKEN = "benchtoken"
CONTEXT = ssl._create_unverified_context()


def free_port() -> int:
    """A TCP port that is free now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def resident_mb(pid: int) -> float:
    """Resident memory of one process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_seconds(pid: int) -> float:
    """Processor time used by one process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """A running API server, and what else was started against it."""

    port: int
    dir: Path
    process: subprocess.Popen[bytes]
    started_in: float
    others: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://127.0.0.1:{self.port}"

    def request(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, bytes]:
        """One request with the administrator's token."""
        connection = HTTPSConnection("127.0.0.1", self.port, context=CONTEXT, timeout=60)
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = kind
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def start(self, name: str, *argv: str) -> subprocess.Popen[bytes]:
        """Start another daemon; its output goes to a file in the server's folder."""
        log = (self.dir / f"{name}.log").open("ab")
        self.others[name] = subprocess.Popen([sys.executable, "-m", *argv], stdout=log, stderr=log)
        return self.others[name]


def _ready(port: int) -> bool:
    try:
        connection = HTTPSConnection("127.0.0.1", port, context=CONTEXT, timeout=5)
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
        connection.close()
    except OSError:
        return False
    return status == 200


@contextlib.contextmanager
def api_server(*flags: str) -> Iterator[Server]:
    """An API server of its own on a free port, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="kubepy-bench-") as folder:
        directory, port = Path(folder), free_port()
        tokens = directory / "tokens.csv"
        tokens.write_text(f'{TOKEN},admin,admin,"system:masters"\n')
        argv = [
            sys.executable,
            "-m",
            "apiserver",
            f"--secure-port={port}",
            f"--data-dir={directory}",
            f"--token-auth-file={tokens}",
            *flags,
        ]
        start = time.perf_counter()
        with (directory / "apiserver.log").open("wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            while not _ready(port):
                if process.poll() is not None or time.perf_counter() - start > 60:
                    raise RuntimeError(f"the API server did not start:\n{(directory / 'apiserver.log').read_text()[-3000:]}")
                time.sleep(0.005)
            server = Server(port, directory, process, time.perf_counter() - start)
            yield server
            for other in server.others.values():
                other.terminate()
            for other in server.others.values():
                other.wait(20)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def etcd() -> Iterator[str]:
    """A real etcd on free loopback ports; yields its client URL."""
    with tempfile.TemporaryDirectory(prefix="kubepy-bench-etcd-") as folder:
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        flags = {
            "data-dir": folder,
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            "log-level": "error",
        }
        argv = ["etcd", *(f"--{name}={value}" for name, value in flags.items())]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield client
        finally:
            process.terminate()
            process.wait(20)
