"""Files of a projected volume, replaced all at once: a new folder, then one rename of the `..data` link.

The layout is upstream's (pkg/volume/util/atomic_writer.go): applications watch `..data`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DATA = "..data"


@dataclass(frozen=True, slots=True)
class File:
    """One file's content, permission bits, and owner where it is not root."""

    content: bytes
    mode: int
    uid: int | None = None


def read(root: Path) -> dict[str, File] | None:
    """What is there now, by relative path; None before the first write."""
    data = root / DATA
    if not data.is_symlink():
        return None
    base = data.resolve()
    out = {}
    for path in base.rglob("*"):
        if path.is_file():
            stat = path.stat()
            out[str(path.relative_to(base))] = File(path.read_bytes(), stat.st_mode & 0o7777, stat.st_uid or None)
    return out


def _same(a: Mapping[str, File], b: Mapping[str, File]) -> bool:
    return a.keys() == b.keys() and all(
        a[k].content == b[k].content and a[k].mode == b[k].mode and (b[k].uid or None) == (a[k].uid or None) for k in a
    )


def write(root: Path, files: Mapping[str, File], gid: int | None = None) -> bool:
    """Make the volume hold just these files; False when it did already. Raises OSError.

    `gid` is the pod's fsGroup: it owns the files and may read what their owner may.
    """
    present = read(root)
    wanted = {k: File(f.content, f.mode | ((f.mode & 0o700) >> 3 & 0o040 if gid is not None else 0), f.uid) for k, f in files.items()}
    if present is not None and _same(present, wanted):
        return False
    stamp = dt.datetime.now(dt.UTC).strftime("..%Y_%m_%d_%H_%M_%S.") + str(secrets.randbelow(10**10))
    folder = root / stamp
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    for name, file in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(file.mode)
        if file.uid is not None or gid is not None:
            os.chown(path, file.uid if file.uid is not None else -1, gid if gid is not None else -1)
    if gid is not None:
        for path in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
            os.chown(path, -1, gid)
            path.chmod(0o2775 if path == folder else path.stat().st_mode | 0o2000)
    old = root / DATA
    before = old.resolve() if old.is_symlink() else None
    link = root / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(stamp)
    link.rename(old)
    tops = {name.split("/", 1)[0] for name in wanted}
    for top in tops:
        visible = root / top
        if not visible.is_symlink():
            visible.symlink_to(f"{DATA}/{top}")
    for entry in list(root.iterdir()):
        if entry.is_symlink() and entry.name != DATA and entry.name not in tops:
            entry.unlink()
    if before is not None:
        with contextlib.suppress(OSError):
            shutil.rmtree(before)
    return True
