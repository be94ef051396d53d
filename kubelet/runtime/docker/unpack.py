"""A container's files, as the engine exports them, onto the disk. Blocking: for the engine's threads."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ENGINES_OWN = (".dockerenv",)


class _Pieces(io.RawIOBase):
    """An iterator of bytes as a file to read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = next(self._pieces, b"")
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


def export(api: Any, container: str, into: Path) -> None:
    """Unpack with owners and modes as they are in the image (without root: as this user). Raises OSError and the client's errors."""
    with tarfile.open(fileobj=io.BufferedReader(_Pieces(iter(api.export(container)))), mode="r|") as archive:
        # The archive comes from the engine, which resolves names inside the image's own root.
        archive.extraction_filter = lambda member, path: member
        for member in archive:
            if member.name.removeprefix("./") not in _ENGINES_OWN and not member.isdev():
                archive.extract(member, into, numeric_owner=True)
