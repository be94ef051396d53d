"""How a daemon's process keeps its memory small: the allocator's thresholds, and garbage collection at times that suit.

Most of what a daemon holds lives long (caches), so the collector's own rule, by counts of new objects, either runs
all the time or never. Here a full collection follows work that was done: a process at rest does nothing.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import time
from collections.abc import Callable

MMAP_THRESHOLD = 256 * 1024
"""Bytes from which a block is a mapping of its own: it goes back to the system when it is freed, and takes only what is used
of it (uvloop gives each TLS connection a buffer of just this size)."""
TRIM_THRESHOLD = 8 * 1024 * 1024
ARENAS = 2

INTERVAL = 2.0
"""Seconds between looks at what the process has used."""
WORK = 0.3
"""Seconds of processor time that are worth a collection once the process rests."""
MUCH_WORK = 4.0
"""Seconds of processor time after which a collection comes even in the middle of work."""
RESTING = 0.1
"""Share of one core below which the process counts as resting."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def _libc() -> ctypes.CDLL | None:
    """The C library if it is glibc; others have neither function."""
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt, libc.malloc_trim  # noqa: B018  # raises where they are missing
    except (OSError, AttributeError):
        return None
    return libc


_glibc = _libc()


def tune() -> None:
    """Set the process's policy; to be called once, before threads are started.

    glibc's own threshold for mappings grows with every large block that is freed, up to 32 MB, and each thread gets
    an arena: large answers then stay in the heap for ever. New objects are rarely garbage in cycles here, so the
    youngest generation is large, and the oldest is collected by `tidy`.
    """
    if _glibc is not None:
        _glibc.mallopt(_M_MMAP_THRESHOLD, MMAP_THRESHOLD)
        _glibc.mallopt(_M_TRIM_THRESHOLD, TRIM_THRESHOLD)
        _glibc.mallopt(_M_ARENA_MAX, ARENAS)
    gc.set_threshold(50_000, 20, 1_000)


def release() -> None:
    """Collect all garbage and give what is free back to the system. Takes milliseconds per 100,000 objects."""
    gc.collect()
    if _glibc is not None:
        _glibc.malloc_trim(0)


def settle() -> None:
    """Call when a process has started: what is there now stays, and is left out of later collections."""
    release()
    gc.freeze()


async def tidy(*, clock: Callable[[], float] = time.process_time, release: Callable[[], None] = release) -> None:
    """Run `release` after work, for ever: at the next rest, or amid work that goes on. Cancel to end.

    The work of the start counts: what it leaves behind is much.
    """
    at_release, before = 0.0, clock()
    while True:
        await asyncio.sleep(INTERVAL)
        now = clock()
        resting = now - before < RESTING * INTERVAL
        before = now
        if now - at_release > (WORK if resting else MUCH_WORK):
            release()
            at_release = before = clock()
