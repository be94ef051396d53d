"""Attached processes (exec, attach) and connections into a sandbox's network, as the interface wants them."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

from kubelet.runtime.docker import wire
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.interface import RuntimeFailure

_CLONE_NEWNET = 0x40000000
_EXIT_POLLS = 50


class DockerStream:
    """An exec'd or attached process over a hijacked connection (interface.Stream)."""

    def __init__(
        self, engine: Engine, target: str, is_exec: bool, tty: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._engine = engine
        self._target = target
        self._is_exec = is_exec
        self._writer = writer
        self._pieces: AsyncIterator[tuple[int, bytes]] = wire.pieces(reader, tty)

    async def read(self) -> tuple[int, bytes]:
        """The next piece of output."""
        async for piece in self._pieces:
            return piece
        return 0, b""

    async def write(self, data: bytes) -> None:
        """Feed stdin; bytes for a process that has ended are lost, as in a pipe."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def close_stdin(self) -> None:
        """End of stdin."""
        with contextlib.suppress(OSError, RuntimeError):
            if self._writer.can_write_eof():
                self._writer.write_eof()

    async def resize(self, width: int, height: int) -> None:
        """Resize the terminal; too early or too late is no error."""
        call = self._engine.api.exec_resize if self._is_exec else self._engine.api.resize
        with contextlib.suppress(RuntimeFailure):
            await self._engine.call(call, self._target, height=height, width=width)

    async def exit_code(self) -> int:
        """The process's exit code: the engine may know it a moment after the output's end."""
        for _ in range(_EXIT_POLLS):
            code = await self._code()
            if code is not None:
                return code
            await asyncio.sleep(0.02)
        return 0

    async def _code(self) -> int | None:
        if self._is_exec:
            info: dict[str, Any] = await self._engine.call(self._engine.api.exec_inspect, self._target)
        else:
            # After attach ends without the container ending (the client detached) there is no code: that is success.
            info = (await self._engine.call(self._engine.api.inspect_container, self._target))["State"]
        if info.get("Running"):
            return None
        code = info.get("ExitCode")
        return None if code is None else int(code)

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class SocketConnection:
    """A TCP connection (interface.Connection)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        """The next piece; a reset counts as the end."""
        try:
            return await self._reader.read(64 * 1024)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        """Send all."""
        self._writer.write(data)
        await self._writer.drain()

    async def write_eof(self) -> None:
        """Half-close."""
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.write_eof()

    async def close(self) -> None:
        """Close."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


def _dial_in_namespace(pid: int, port: int) -> socket.socket:
    # A socket belongs to the namespace it was made in, whoever uses it later: so a thread goes in, dials and ends.
    found: list[socket.socket | OSError] = []

    def dial() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
            try:
                if libc.setns(descriptor, _CLONE_NEWNET) != 0:
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number))
            finally:
                os.close(descriptor)
            try:
                found.append(socket.create_connection(("127.0.0.1", port), timeout=30))
            except ConnectionRefusedError:
                found.append(socket.create_connection(("::1", port), timeout=30))
        except OSError as e:
            found.append(e)

    thread = threading.Thread(target=dial, name="netns-dial")
    thread.start()
    thread.join()
    result = found[0]
    if isinstance(result, OSError):
        raise result
    return result


async def dial(pid: int, ip: str, port: int) -> SocketConnection:
    """Connect to localhost:`port` in the namespace of process `pid`; without the right to enter it, to the pod's address."""
    try:
        sock = await asyncio.to_thread(_dial_in_namespace, pid, port)
        sock.setblocking(False)
        return SocketConnection(*await asyncio.open_connection(sock=sock))
    except (PermissionError, FileNotFoundError):
        try:
            return SocketConnection(*await asyncio.open_connection(ip, port))
        except OSError as e:
            raise RuntimeFailure(str(e)) from e
    except OSError as e:
        raise RuntimeFailure(f"failed to connect to localhost:{port} inside the pod: {e}") from e
