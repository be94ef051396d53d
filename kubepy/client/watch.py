"""A watch stream's frames: newline-delimited JSON, split and decoded chunk by chunk. Sans I/O but for reading the stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
from aiohttp import StreamReader

Obj = dict[str, Any]
Event = tuple[str, Obj]


class LineSplitter:
    """Bytes in, whole lines out; a line that spans many chunks is joined once, not copied at each chunk."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, without their newlines; empty ones are left out."""
        lines = chunk.split(b"\n")
        tail = lines.pop()
        if lines and self._pieces:
            self._pieces.append(lines[0])
            lines[0] = b"".join(self._pieces)
            self._pieces.clear()
        if tail:
            self._pieces.append(tail)
        return [line for line in lines if line]


async def batches(content: StreamReader) -> AsyncIterator[list[Event]]:
    """The events of a stream, all that one read brought at a time, as (type, object)."""
    splitter = LineSplitter()
    while chunk := await content.readany():
        if lines := splitter.feed(chunk):
            frames = [orjson.loads(line) for line in lines]
            yield [(frame["type"], frame["object"]) for frame in frames]
