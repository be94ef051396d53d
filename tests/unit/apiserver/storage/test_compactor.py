"""What the compactor asks for, step by step, on a clock of the test's own."""

from __future__ import annotations

from apiserver.storage import compactor as compactor_module
from apiserver.storage.compactor import Compactor


class Fake:
    """A store that only counts."""

    def __init__(self) -> None:
        self.now = 10
        self.bytes = 0
        self.compactions: list[int] = []

    async def revision(self) -> int:
        return self.now

    async def size(self) -> int:
        return self.bytes

    async def compact(self, revision: int) -> None:
        self.compactions.append(revision)


async def test_history_of_one_interval_stays() -> None:
    store = Fake()
    compactor = Compactor(store, 300)  # type: ignore[arg-type]
    for step in range(10):
        store.now = 10 + step
        await compactor.step(step * 60.0)
    # At 300 s what was noted at 0 s, and so on.
    assert store.compactions == [10, 11, 12, 13, 14]


async def test_nothing_to_forget_is_not_asked_for() -> None:
    store = Fake()
    compactor = Compactor(store, 300)  # type: ignore[arg-type]
    for step in range(20):
        await compactor.step(step * 60.0)
    assert store.compactions == [10]


async def test_a_store_too_large_keeps_less() -> None:
    store = Fake()
    store.bytes = compactor_module.MAX_BYTES
    compactor = Compactor(store, 300)  # type: ignore[arg-type]
    for step in range(4):
        store.now = 10 + step
        await compactor.step(step * 60.0)
    assert store.compactions == [10, 11, 12]


async def test_never() -> None:
    compactor = Compactor(Fake(), 0)  # type: ignore[arg-type]
    compactor.start()
    await compactor.stop()
