"""A daemon's own small HTTP port: /healthz, /livez, /readyz with named checks, and /metrics. Serves nothing else."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import time
from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)

Check = Callable[[], str | None]
"""None when healthy, otherwise what is wrong."""
Samples = Callable[[], Iterable[str]]
"""Lines of the Prometheus text format."""


class Health:
    """Checks and metrics of this process, and the port that serves them."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {"ping": lambda: None}
        self.ready_checks: dict[str, Check] = {}
        self.samples: list[Samples] = [_process]
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; `port` 0 takes a free one, see `self.port`. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def answer(self, target: str) -> tuple[int, str]:
        """Status and text for a path, such as `/healthz?verbose` or `/readyz`."""
        path, _, query = target.partition("?")
        if path == "/metrics":
            return 200, "".join(f"{line}\n" for samples in self.samples for line in samples())
        head = path.split("/")[1]
        if head not in ("healthz", "livez", "readyz"):
            return 404, "404 page not found\n"
        checks = dict(self.checks)
        if head == "readyz":
            checks.update(self.ready_checks)
        if name := path[len(head) + 2 :]:
            if name not in checks:
                return 404, "404 page not found\n"
            checks = {name: checks[name]}
        results = {name: check() for name, check in checks.items()}
        failed = any(results.values())
        if not failed and "verbose" not in query:
            return 200, "ok"
        lines = [f"[+]{n} ok" if r is None else f"[-]{n} failed: {r}" for n, r in results.items()]
        lines.append(f"{head} check {'failed' if failed else 'passed'}")
        return (500 if failed else 200), "\n".join(lines) + "\n"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(60):
                    head = await reader.readuntil(b"\r\n\r\n")
                parts = head.split(b" ", 2)
                status, text = self.answer(parts[1].decode("latin-1")) if len(parts) == 3 and parts[0] == b"GET" else (405, "")
                body = text.encode()
                reason = {200: "OK", 404: "Not Found", 405: "Method Not Allowed"}.get(status, "Internal Server Error")
                writer.write(
                    f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, TimeoutError):
            pass
        finally:
            writer.close()


_STARTED = time.time()


def _process() -> Iterable[str]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield "# TYPE process_cpu_seconds_total counter"
    yield f"process_cpu_seconds_total {usage.ru_utime + usage.ru_stime:.2f}"
    yield "# TYPE process_start_time_seconds gauge"
    yield f"process_start_time_seconds {_STARTED:.2f}"
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - a procfs read, no path arithmetic
            pages = int(statm.read().split()[1])
        yield "# TYPE process_resident_memory_bytes gauge"
        yield f"process_resident_memory_bytes {pages * os.sysconf('SC_PAGE_SIZE')}"
    except OSError:
        pass
    yield "# TYPE python_gc_collections_total counter"
    for generation, stats in enumerate(gc.get_stats()):
        yield f'python_gc_collections_total{{generation="{generation}"}} {stats["collections"]}'
