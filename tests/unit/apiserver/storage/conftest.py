"""A cache over an embedded store, and one over a store that can be held back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apiserver.storage.cacher import Cacher
from apiserver.storage.sqlite import SQLiteStorage
from tests.unit.apiserver.storage.held import HeldStorage


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStorage]:
    opened = SQLiteStorage(tmp_path / "store.db")
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
async def cacher(store: SQLiteStorage) -> AsyncIterator[Cacher]:
    cache = Cacher(store)
    await cache.start()
    yield cache
    await cache.stop()


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[HeldStorage]:
    opened = HeldStorage(tmp_path / "held.db")
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
async def slow(held: HeldStorage) -> AsyncIterator[Cacher]:
    cache = Cacher(held)
    await cache.start()
    yield cache
    await cache.stop()
