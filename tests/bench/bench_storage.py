"""A few seconds of figures for the stores and the watch cache: `python -m tests.bench.bench_storage [sqlite|etcd ...]`."""

from __future__ import annotations

import asyncio
import resource
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from apiserver.storage.cacher import Cacher, Watcher
from apiserver.storage.interface import Storage
from tests.contract.storage.backends import MAKERS

PODS = "/registry/pods/"
PAD = "x" * 1700


def pod(name: str, number: int) -> bytes:
    """About 2 kB."""
    return (
        f'{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}","namespace":"default","labels":{{"app":"a{number % 10}"}}}},'
        f'"spec":{{"nodeName":"n{number % 100}","pad":"{PAD}"}},"status":{{"n":{number}}}}}'
    ).encode()


def say(what: str, figure: float, unit: str) -> None:
    print(f"{what:62} {figure:12,.2f} {unit}", flush=True)


async def writes(store: Storage, writers: int, each: int) -> None:
    """Creates, then updates, by so many writers at once."""
    taken: list[float] = []

    async def write(writer: int) -> None:
        for number in range(each):
            start = time.perf_counter()
            name = f"w{writers}-{writer}-{number}"
            await store.create(f"{PODS}default/{name}", pod(name, number))
            taken.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    say(f"acknowledged writes, {writers} writers", writers * each / (time.perf_counter() - start), "/s")
    taken.sort()
    say("  median", taken[len(taken) // 2] * 1e3, "ms")
    say("  99th percentile", taken[len(taken) * 99 // 100] * 1e3, "ms")


async def reads(store: Storage, cacher: Cacher) -> None:
    """Linearizable reads from the cache by 16 readers."""
    key = cacher.list(PODS)[0].key

    async def read(count: int) -> None:
        for _ in range(count):
            await cacher.fresh()
            assert cacher.get(PODS, key) is not None

    start = time.perf_counter()
    await asyncio.gather(*(read(500) for _ in range(16)))
    say("linearizable cache reads, 16 readers", 8000 / (time.perf_counter() - start), "/s")
    start = time.perf_counter()
    for number in range(20):
        cacher.joined(PODS, None, number, lambda entry: entry.item)
    say(f"joining a list of {cacher.count(PODS)}", (time.perf_counter() - start) / 20 * 1e3, "ms")


async def fanout(store: Storage, cacher: Cacher, watchers: int, events: int) -> None:
    """Updates that every watcher writes to its socket; another process reads the other ends."""
    pairs = [socket.socketpair() for _ in range(watchers)]
    ends = [b.fileno() for _, b in pairs]
    drain = await asyncio.create_subprocess_exec(sys.executable, "-c", DRAIN, *map(str, ends), pass_fds=ends)
    loop = asyncio.get_running_loop()
    delivered = 0
    finished = asyncio.Event()

    async def pump(watcher: Watcher, sock: socket.socket) -> None:
        nonlocal delivered
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=sock)
        async for batch in watcher:
            transport.write(batch.lines)
            delivered += len(batch)
            if delivered >= watchers * events:
                finished.set()
        transport.close()

    opened = [cacher.watch(PODS, cacher.revision) for _ in range(watchers)]
    for _, b in pairs:
        b.close()
    tasks = [asyncio.ensure_future(pump(watcher, a)) for watcher, (a, _) in zip(opened, pairs, strict=True)]
    entries = cacher.list(PODS)[:64]

    async def write(part: int) -> None:
        for number in range(events // 16):
            entry = cacher.get(PODS, entries[(part * 4 + number % 4)].key)
            assert entry is not None
            value = pod(entry.name, number)
            cacher.written(entry.key, await store.update(entry.key, value, entry.revision), value)

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(write(part) for part in range(16)))
    await finished.wait()
    took, used = time.perf_counter() - start, time.process_time() - cpu
    say(f"deliveries to {watchers} watchers, with the writes and the sockets", delivered / took, "/s")
    say("  per delivery", used / delivered * 1e6, "µs CPU")
    for watcher in opened:
        watcher.close()
    await asyncio.gather(*tasks)
    await drain.wait()


DRAIN = """
import selectors, socket, sys
selector = selectors.DefaultSelector()
for fd in sys.argv[1:]:
    selector.register(socket.socket(fileno=int(fd)), selectors.EVENT_READ)
while selector.get_map():
    for key, _ in selector.select():
        if not key.fileobj.recv(1 << 18):
            selector.unregister(key.fileobj)
"""


def memory() -> float:
    """Resident megabytes now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


async def run(kind: str, folder: Path) -> None:
    backend = MAKERS[kind](folder)
    print(f"-- {kind}")
    store = backend.open()
    await store.start()
    cacher = Cacher(store)
    await cacher.start()
    empty = memory()
    try:
        await writes(store, 1, 400)
        await writes(store, 16, 600 if kind == "sqlite" else 200)
        await cacher.fresh()
        await reads(store, cacher)
        await fanout(store, cacher, 50, 1600)
        await fanout(store, cacher, 1, 1600)
        say(f"resident memory, {cacher.count(PODS)} objects after {cacher.revision} revisions", memory(), "MB")
        say("  of which the store and the cache", memory() - empty, "MB")
        say("size of the store", await store.size() / 1e6, "MB")
    finally:
        await cacher.stop()
        await store.close()
    start = time.perf_counter()
    store = backend.open()
    await store.start()
    cacher = Cacher(store)
    await cacher.start()
    say(f"opening and loading {cacher.count(PODS)} objects", (time.perf_counter() - start) * 1e3, "ms")
    await cacher.stop()
    start = time.perf_counter()
    await store.compact(await store.revision())
    say("compacting everything", (time.perf_counter() - start) * 1e3, "ms")
    await store.close()
    backend.close()


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["sqlite", *(["etcd"] if shutil.which("etcd") else [])]
    for name in chosen:
        with tempfile.TemporaryDirectory() as place:
            uvloop.run(run(name, Path(place)))
