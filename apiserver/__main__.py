"""`python -m apiserver`: run the API server in the foreground until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import sys

import uvloop

from apiserver.options import Options, parse
from kubepy.runtime import memory


def main(argv: list[str] | None = None) -> int:
    """Parse flags and serve; the process's exit code."""
    options = parse(argv)
    _logs(options)
    memory.tune()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(options))
    except OSError as e:
        print(f"apiserver: {e}", file=sys.stderr)
        return 1


async def _serve(options: Options) -> int:
    from apiserver.app import Server
    from apiserver.storage.interface import Unavailable
    from kubepy.runtime.serving import stop_on_signals

    server = Server(options)
    stop_on_signals(server.stop)

    def started(port: int) -> None:
        logging.getLogger("apiserver").info("serving on https://%s:%d", options.bind_address, port)
        memory.settle()

    tidying = asyncio.ensure_future(memory.tidy())
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
