"""A real API server process for tests: `apiserver` starts one per test module on a free port, in a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from kubepy.client.config import Config
from kubepy.client.rest import Client

TOKENS = """\
admintoken,admin,admin,"system:masters"
alicetoken,alice,alice,"dev"
bobtoken,bob,bob,"ops"
"""
READY_SECONDS = 30.0


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@dataclass
class ApiServer:
    """A running `python -m apiserver`. `token` is an administrator's; `alicetoken` and `bobtoken` have no rights."""

    data_dir: Path
    port: int = 0
    flags: Sequence[str] = ()
    token: str = "admintoken"
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """https://127.0.0.1:<port>."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, with a client certificate."""
        return self.data_dir / "admin.kubeconfig"

    @property
    def ca_file(self) -> Path:
        """The cluster CA's certificate."""
        return self.data_dir / "pki" / "ca.crt"

    @property
    def log(self) -> str:
        """What the process has written so far."""
        return (self.data_dir / "apiserver.log").read_text()

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        self.port = self.port or free_port()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        tokens = self.data_dir / "tokens.csv"
        tokens.write_text(TOKENS)
        argv = [sys.executable, "-m", "apiserver", "--bind-address=127.0.0.1", f"--secure-port={self.port}"]
        argv += [f"--data-dir={self.data_dir}", f"--token-auth-file={tokens}", *self.flags]
        with (self.data_dir / "apiserver.log").open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, env={**os.environ, "PYTHONWARNINGS": "default"})
        self._wait()

    def _wait(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the API server exited with {self.process.returncode}:\n{self.log}")
            try:
                context = ssl.create_default_context(cafile=str(self.ca_file))
                if httpx.get(f"{self.url}/readyz", verify=context, timeout=5).status_code == 200:
                    return
            except (httpx.TransportError, OSError):
                time.sleep(0.02)
        raise RuntimeError(f"the API server did not become ready:\n{self.log}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process and wait for it; its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(10)
        finally:
            self.process = None

    def config(self, token: str | None = None) -> Config:
        """A client configuration with a bearer token (the administrator's by default)."""
        return Config(server=self.url, ca=self.ca_file.read_bytes(), token=token or self.token)

    def client(self, token: str | None = None, **options: Any) -> Client:
        """An asyncio client; use it as an async context manager."""
        return Client(self.config(token), **options)

    def http(self, token: str | None = None) -> httpx.Client:
        """A plain HTTP client with the base URL, CA and token set; use it as a context manager."""
        token = self.token if token is None else token
        context = ssl.create_default_context(cafile=str(self.ca_file))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, verify=context, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """One server for the module. Tests share its objects: use namespaces of your own (`namespace`)."""
    server = ApiServer(tmp_path_factory.mktemp("apiserver"))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def namespace(apiserver: ApiServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace with its default service account."""
    name = "t-" + "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[:40].strip("-") + f"-{time.time_ns() % 1_000_000}"
    with apiserver.http() as http:
        http.post("/api/v1/namespaces", json={"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}).raise_for_status()
        account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
        answer = http.post(f"/api/v1/namespaces/{name}/serviceaccounts", json=account)
        assert answer.status_code in (201, 409), answer.text
        yield name
        http.delete(f"/api/v1/namespaces/{name}")
