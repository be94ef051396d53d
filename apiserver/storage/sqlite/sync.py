"""fdatasync without blocking the event loop.

A thread is the obvious way, and a bad one: under a saturated event loop a thread that comes back from fdatasync can
wait for the interpreter lock for seconds (measured: 12 writes/s where this module reaches 2,400). So on Linux
the kernel's own asynchronous I/O does it: `io_submit` with IOCB_CMD_FDSYNC, completion through an eventfd that the
event loop polls. Elsewhere, or where the kernel refuses, a thread serves.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import platform
from collections.abc import Callable
from typing import Protocol

Done = Callable[[OSError | None], None]

_SYSCALLS = {"x86_64": (206, 207, 208, 209), "aarch64": (0, 1, 4, 2)}
"""io_setup, io_destroy, io_getevents, io_submit."""
_FDSYNC = 3
_RESFD = 1


class FileSync(Protocol):
    """Makes a file durable; one sync at a time."""

    def begin(self, fd: int, done: Done) -> None:
        """Start a sync; `done` is called in the event loop, with the error if it failed."""

    def close(self) -> None:
        """Release everything; no sync may be under way."""


class _Iocb(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_uint64),
        ("key", ctypes.c_uint32),
        ("rw_flags", ctypes.c_uint32),
        ("opcode", ctypes.c_uint16),
        ("priority", ctypes.c_int16),
        ("fd", ctypes.c_uint32),
        ("buffer", ctypes.c_uint64),
        ("nbytes", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("resfd", ctypes.c_uint32),
    ]


class _IoEvent(ctypes.Structure):
    _fields_ = [("data", ctypes.c_uint64), ("iocb", ctypes.c_uint64), ("result", ctypes.c_int64), ("result2", ctypes.c_int64)]


class KernelSync:
    """Linux asynchronous I/O. The constructor raises OSError where it cannot be had."""

    def __init__(self) -> None:
        numbers = _SYSCALLS.get(platform.machine())
        if numbers is None or not hasattr(os, "eventfd"):
            raise OSError("no asynchronous fdatasync on this platform")
        self._setup, self._destroy, self._getevents, self._submit = (ctypes.c_long(n) for n in numbers)
        # PyDLL keeps the interpreter lock: none of these calls blocks.
        self._syscall = ctypes.PyDLL(None, use_errno=True).syscall
        self._syscall.restype = ctypes.c_long
        self._context = ctypes.c_ulong(0)
        self._call(self._setup, ctypes.c_uint(1), ctypes.byref(self._context))
        self._eventfd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._iocb = _Iocb(opcode=_FDSYNC, flags=_RESFD, resfd=self._eventfd)
        self._iocbs = (ctypes.c_void_p * 1)(ctypes.addressof(self._iocb))
        self._event = _IoEvent()
        self._done: Done | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._eventfd, self._complete)

    def _call(self, *args: object) -> int:
        result = int(self._syscall(*args))
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    def begin(self, fd: int, done: Done) -> None:
        self._done = done
        self._iocb.fd = fd
        try:
            self._call(self._submit, self._context, ctypes.c_long(1), self._iocbs)
        except OSError:
            # The kernel is short of something: sync here and now.
            self._done = None
            error: OSError | None = None
            try:
                os.fdatasync(fd)
            except OSError as failed:
                error = failed
            self._loop.call_soon(done, error)

    def once(self, fd: int) -> None:
        """One blocking sync; raises OSError."""
        self._iocb.fd = fd
        self._call(self._submit, self._context, ctypes.c_long(1), self._iocbs)
        error = self._collect()
        os.eventfd_read(self._eventfd)
        if error is not None:
            raise error

    def _collect(self) -> OSError | None:
        self._call(self._getevents, self._context, ctypes.c_long(1), ctypes.c_long(1), ctypes.byref(self._event), None)
        code = -self._event.result
        return OSError(code, os.strerror(code)) if code > 0 else None

    def _complete(self) -> None:
        os.eventfd_read(self._eventfd)
        error = self._collect()
        done, self._done = self._done, None
        if done is not None:
            done(error)

    def close(self) -> None:
        self._loop.remove_reader(self._eventfd)
        self._call(self._destroy, self._context)
        os.close(self._eventfd)


class ThreadSync:
    """A thread per sync, from the event loop's pool."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def begin(self, fd: int, done: Done) -> None:
        # macOS has no fdatasync.
        future = self._loop.run_in_executor(None, getattr(os, "fdatasync", os.fsync), fd)
        future.add_done_callback(lambda f: done(e if isinstance(e := f.exception(), OSError) else None))

    def close(self) -> None:
        return


def file_sync(fd: int) -> FileSync:
    """The best there is; tried once on `fd`, because a kernel says only on submission whether it knows FDSYNC."""
    try:
        sync = KernelSync()
    except OSError:
        return ThreadSync()
    try:
        sync.once(fd)
    except OSError:
        sync.close()
        return ThreadSync()
    return sync
