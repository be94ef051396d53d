"""Requests to the server under attack, byte by byte where that is the point; each is timed."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection, RemoteDisconnected
from typing import Any

from tests.integration.conftest import ApiServer

http.client._MAXHEADERS = 1000  # type: ignore[attr-defined]  # many warnings are many headers
PATIENCE = 1.0
"""Seconds that no answer may take."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes

    @property
    def fault(self) -> bool:
        """Whether the server failed. Some patches that do not fit are answered 500 by upstream, too: then no reason is given."""
        if self.status < 500 or self.status == 504:
            return False
        return not self.body.startswith(b"{") or bool(self.json.get("reason"))

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Door:
    """One kept connection for ordinary requests, and fresh ones for `raw`."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self._context = ssl.create_default_context(cafile=str(server.ca_file))
        self._connection: HTTPSConnection | None = None

    def close(self) -> None:
        """Close."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def request(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Answer:
        """One request by the administrator. A connection that the server closed is opened again, once."""
        headers = {"Authorization": f"Bearer {self.server.token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = kind
        for fresh in (False, True):
            if self._connection is None:
                self._connection = HTTPSConnection("127.0.0.1", self.server.port, context=self._context, timeout=30)
            try:
                self._connection.request(method, path, body, headers)
                answer = self._connection.getresponse()
                return Answer(answer.status, answer.read())
            except (RemoteDisconnected, ConnectionError, HTTPException):
                self.close()
                if fresh:
                    raise
        raise AssertionError("unreachable")

    def prompt(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Answer:
        """As `request`, and the answer is no fault of the server's and came at once (a second try excuses a busy machine)."""
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            answer = self.request(method, path, body, kind)
            taken.append(time.perf_counter() - start)
            assert not answer.fault, f"{method} {path}\n{body!r}\n{answer}"[:6000]
            if taken[-1] < PATIENCE:
                return answer
        raise AssertionError(f"{method} {path} took {taken} seconds\n{body!r}"[:4000])

    def open(self, timeout: float = 5.0) -> ssl.SSLSocket:
        """A TLS connection; close it."""
        plain = socket.create_connection(("127.0.0.1", self.server.port), timeout=timeout)
        return self._context.wrap_socket(plain, server_hostname="127.0.0.1")

    def raw(self, data: bytes, *, end: bool = True, timeout: float = 5.0) -> bytes:
        """Send bytes on a fresh connection; everything that comes back until the server closes or has nothing more to say."""
        with self.open(timeout) as sock:
            with contextlib.suppress(OSError):  # refused before everything was sent: what was said about it is still to be read
                sock.sendall(data)
            return read_all(sock, quiet=0.5 if end else timeout)


def read_all(sock: ssl.SSLSocket, quiet: float) -> bytes:
    """What comes until the end, or until nothing has come for `quiet` seconds after something came."""
    out = b""
    while True:
        if out:
            sock.settimeout(quiet)
        try:
            data = sock.recv(65536)
        except (TimeoutError, OSError):
            return out
        if not data:
            return out
        out += data


def status_of(answer: bytes) -> int:
    """The status code of a raw answer, 0 if there is none."""
    parts = answer.split(b" ", 2)
    return int(parts[1]) if answer.startswith(b"HTTP/1.1 ") else 0
