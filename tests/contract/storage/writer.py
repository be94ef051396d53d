"""Writes until it is killed, and prints a line per acknowledged write: `python writer.py <url> <root> <writers>`."""

from __future__ import annotations

import asyncio
import sys

from apiserver.storage.interface import Storage


def connect(url: str) -> Storage:
    """The store that Backend.url names."""
    kind, _, place = url.partition(":")
    if kind == "sqlite":
        from apiserver.storage.sqlite import SQLiteStorage

        return SQLiteStorage(place)
    from apiserver.storage.etcd import EtcdStorage

    return EtcdStorage([place])


def payload(writer: int, number: int) -> bytes:
    """What the write with that number writes."""
    return (f"{writer}/{number}/" + "x" * 500).encode()


async def write(store: Storage, root: str, writer: int) -> None:
    """Create and update keys in turn, so that a half-done group would show as either."""
    for number in range(1_000_000):
        key = f"{root}{writer}/{number // 2}"
        if number % 2 == 0:
            revision = await store.create(key, payload(writer, number))
        else:
            revision = await store.update(key, payload(writer, number), revision)
        print(f"{key} {number} {revision}", flush=True)


async def main(url: str, root: str, writers: int) -> None:
    store = connect(url)
    await store.start()
    await asyncio.gather(*(write(store, root, writer) for writer in range(writers)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
