"""The write-ahead log is carried over into the database while writes go on, and does not grow without end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from apiserver.storage.sqlite import SQLiteStorage, storage


async def test_the_log_stays_short(store: SQLiteStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "CHECKPOINT_BYTES", 1 << 20)

    async def write(writer: int) -> None:
        for number in range(100):
            await store.create(f"{writer}/{number}", b"x" * 4000)

    await asyncio.gather(*(write(writer) for writer in range(16)))
    size = Path(f"{store.path}-wal").stat().st_size
    written = 16 * 100 * 4000
    assert store.path.stat().st_size > written / 2
    assert size < written
    await store.close()
    reopened = SQLiteStorage(store.path)
    await reopened.start()
    assert len((await reopened.range("")).items) == 1600
    await reopened.close()
