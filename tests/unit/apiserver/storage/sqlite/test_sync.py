"""Both ways to sync a file tell the event loop when it is done, or why it failed."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from apiserver.storage.sqlite.sync import FileSync, KernelSync, ThreadSync, file_sync

linux = pytest.mark.skipif(platform.system() != "Linux", reason="needs Linux asynchronous I/O")
BOTH = [pytest.param(KernelSync, marks=linux), ThreadSync]


async def once(sync: FileSync, fd: int) -> OSError | None:
    done: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
    sync.begin(fd, done.set_result)
    assert not done.done()
    return await asyncio.wait_for(done, 5)


@pytest.mark.parametrize("make", BOTH)
async def test_sync(make: Callable[[], FileSync], tmp_path: Path) -> None:
    sync = make()
    with (tmp_path / "file").open("wb") as file:
        for _ in range(20):
            file.write(b"x")
            file.flush()
            assert await once(sync, file.fileno()) is None
    sync.close()


@pytest.mark.parametrize("make", BOTH)
async def test_failure(make: Callable[[], FileSync]) -> None:
    sync = make()
    read, write = os.pipe()
    # A pipe cannot be synced.
    assert isinstance(await once(sync, read), OSError)
    assert isinstance(await once(sync, write), OSError)
    os.close(read)
    os.close(write)
    sync.close()


async def test_choice_works(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        sync = file_sync(file.fileno())
        assert await once(sync, file.fileno()) is None
        sync.close()
