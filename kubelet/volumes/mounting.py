"""tmpfs mounts by the system calls themselves, without a process each."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def mount_tmpfs(target: Path, options: str) -> None:
    """Mount a tmpfs with options such as `mode=0777,size=1048576`. Raises OSError."""
    if _libc.mount(b"tmpfs", os.fsencode(target), b"tmpfs", 0, options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def unmount(target: Path) -> None:
    """Unmount if mounted; what is in use goes when its last user does."""
    _libc.umount2(os.fsencode(target), _MNT_DETACH)


def is_mount(path: Path) -> bool:
    """Whether something is mounted there."""
    return os.path.ismount(path)
