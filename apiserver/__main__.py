"""`python -m apiserver`: run the API server in the foreground until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys

import uvloop

from apiserver.options import Options, parse
from kubepy.runtime import memory


def main(argv: list[str] | None = None) -> int:
    """Parse flags and serve; the process's exit code."""
    options = parse(argv)
    _logs(options)
    memory.tune()
    if options.workers > 1 and not _is_worker(options):
        return _oversee()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(options))
    except OSError as e:
        print(f"apiserver: {e}", file=sys.stderr)
        return 1


_children: list[int] = []


def _is_worker(options: Options) -> bool:
    """Fork the workers, which share the port; True in each of them, False in the process that looks after them."""
    from apiserver.app import Server

    Server(options).prepare()
    for _ in range(options.workers):
        child = os.fork()
        if child == 0:
            return True
        _children.append(child)
    return False


def _oversee() -> int:
    """Pass signals on and wait; when one worker ends, all do."""

    ending = False

    def end(_number: int = 0, _frame: object = None) -> None:
        nonlocal ending
        if ending:
            return  # a second signal would find a worker that no longer handles it, in its last moments
        ending = True
        for child in _children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    worst = 0
    while _children:
        child, status = os.wait()
        _children.remove(child)
        worst = max(worst, os.waitstatus_to_exitcode(status) & 0xFF)
        end()
    return worst


async def _serve(options: Options) -> int:
    from apiserver.app import Server
    from apiserver.storage.entry import forget_parsed
    from apiserver.storage.interface import Unavailable
    from kubepy.runtime.serving import on_signals

    server = Server(options)
    on_signals(server.terminate)

    def started(port: int) -> None:
        logging.getLogger("apiserver").info("serving on https://%s:%d", options.bind_address, port)
        forget_parsed()
        memory.settle()

    def release() -> None:
        forget_parsed()
        memory.release()

    tidying = asyncio.ensure_future(memory.tidy(release=release))
    try:
        await server.run(started)
    except Unavailable as e:
        print(f"apiserver: the store cannot be reached: {e}", file=sys.stderr)
        return 1
    finally:
        tidying.cancel()
    return 0


def _logs(options: Options) -> None:
    level = logging.DEBUG if options.v >= 4 else logging.INFO
    form = "%(asctime)s %(levelname).1s %(name)s: %(message)s"
    if options.log_format == "json":
        form = '{"ts":"%(asctime)s","level":"%(levelname)s","logger":"%(name)s","msg":"%(message)s"}'
    logging.basicConfig(level=level, format=form, stream=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
