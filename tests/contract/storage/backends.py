"""The stores under contract: each can be opened anew on the same data, and named to another process."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Protocol

from apiserver.storage.interface import Storage


class Backend(Protocol):
    """One store's data and, where it has one, its server."""

    url: str

    def open(self) -> Storage:
        """A client for the data, not started."""

    def kill(self) -> None:
        """kill -9 the server, if there is one."""

    def restart(self) -> None:
        """Start the server again, if there is one."""

    def close(self) -> None:
        """Stop everything; the folder is the caller's."""


class SQLite:
    """A file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.db"
        self.url = f"sqlite:{self.path}"

    def open(self) -> Storage:
        from apiserver.storage.sqlite import SQLiteStorage

        return SQLiteStorage(self.path)

    def kill(self) -> None:
        return

    def restart(self) -> None:
        return

    def close(self) -> None:
        return


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Etcd:
    """An etcd of one member, as a process of its own."""

    def __init__(self, folder: Path, *tls: str) -> None:
        binary = shutil.which("etcd")
        assert binary is not None
        self.scheme = "https" if tls else "http"
        self.client, self.peer = f"127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        url = f"{self.scheme}://{self.client}"
        self._log = (folder / "etcd.log").open("ab")
        self._command = [
            binary, "--name=m", f"--data-dir={folder / 'data'}", f"--listen-client-urls={url}", f"--advertise-client-urls={url}",
            f"--listen-peer-urls={self.peer}", f"--initial-advertise-peer-urls={self.peer}", f"--initial-cluster=m={self.peer}",
            "--heartbeat-interval=20", "--election-timeout=200", *tls,
        ]  # fmt: skip
        self.url = f"etcd:{url}"
        self.process: subprocess.Popen[bytes] | None = None
        self.restart()

    def open(self) -> Storage:
        from apiserver.storage.etcd import EtcdStorage

        return EtcdStorage([f"{self.scheme}://{self.client}"])

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log)

    def close(self) -> None:
        self.kill()
        self._log.close()


MAKERS = {"sqlite": SQLite, "etcd": Etcd}
