"""The frame of a daemon: common flags, logs, signals, the health port, one asyncio loop. No daemon's own logic."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import uvloop

from kubepy.client.config import Config, ConfigError, load
from kubepy.client.rest import Client
from kubepy.runtime import memory
from kubepy.runtime.health import Health
from kubepy.runtime.leader import LeaderElector, LeadershipLost, Terms

log = logging.getLogger(__name__)


def duration(text: str) -> float:
    """Seconds of Go's duration text such as `15s`, `1m30s`, `100ms`. Raises argparse.ArgumentTypeError."""
    units = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
    rest, total = text.strip(), 0.0
    if rest in ("0", ""):
        return 0.0
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        unit = next((u for u in sorted(units, key=len, reverse=True) if rest[digits:].startswith(u)), "")
        if not digits or not unit:
            raise argparse.ArgumentTypeError(f"invalid duration {text!r}")
        total += float(rest[:digits]) * units[unit]
        rest = rest[digits + len(unit) :]
    return total


def boolean(text: str) -> bool:
    """A Go boolean flag's value. Raises argparse.ArgumentTypeError."""
    if text.lower() in ("true", "1", "t"):
        return True
    if text.lower() in ("false", "0", "f"):
        return False
    raise argparse.ArgumentTypeError(f"invalid boolean value {text!r}")


def add_bool(parser: argparse.ArgumentParser, flag: str, default: bool, help: str) -> None:
    """A Go-style boolean flag: `--x`, `--x=true`, `--x=false`."""
    parser.add_argument(flag, nargs="?", const=True, default=default, type=boolean, metavar="BOOL", help=help)


def parser(prog: str, description: str, *, leader_election: bool = False) -> argparse.ArgumentParser:
    """A parser with the flags that all daemons share; with `leader_election` also upstream's --leader-elect family."""
    out = argparse.ArgumentParser(prog=prog, description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    out.add_argument(
        "--kubeconfig", default=None, help="kubeconfig file; without it $KUBECONFIG, ~/.kube/config or the pod's service account"
    )
    out.add_argument("--healthz-bind-address", default="127.0.0.1", help="address of the port for /healthz, /readyz and /metrics")
    out.add_argument("--healthz-port", type=int, default=0, help="port for /healthz, /readyz and /metrics; 0: none")
    out.add_argument("-v", "--v", type=int, default=0, dest="verbosity", metavar="LEVEL", help="4 and more: debug logs")
    out.add_argument("--logging-format", choices=("text", "json"), default="text", help="log format")
    if leader_election:
        add_bool(out, "--leader-elect", False, "act only while holding the lease; for several replicas")
        out.add_argument("--leader-elect-lease-duration", type=duration, default=10.0, metavar="DURATION", help="how long a lease holds")
        out.add_argument(
            "--leader-elect-renew-deadline", type=duration, default=8.0, metavar="DURATION", help="time to renew before giving up"
        )
        out.add_argument("--leader-elect-retry-period", type=duration, default=2.0, metavar="DURATION", help="time between attempts")
        out.add_argument("--leader-elect-resource-name", default=prog, help="name of the Lease")
        out.add_argument("--leader-elect-resource-namespace", default="kube-system", help="namespace of the Lease")
    return out


@dataclass
class Daemon:
    """What `run` gives to a daemon's main: flags, configuration of the API's client, health, and the stop event."""

    args: argparse.Namespace
    health: Health
    stopping: asyncio.Event

    def config(self) -> Config:
        """The API server's configuration from --kubeconfig. Raises ConfigError."""
        return load(self.args.kubeconfig)

    def elector(self, client: Client) -> LeaderElector | None:
        """The elector of --leader-elect, or None. From now on `client` sends writes only while the lease is held.

        The elector has connections of its own: neither the fence nor a busy client may hold up a renewal.
        """
        args = self.args
        if not args.leader_elect:
            return None
        terms = Terms(args.leader_elect_lease_duration, args.leader_elect_renew_deadline, args.leader_elect_retry_period)
        identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        own = Client(client.config, user_agent="leader-election", patience=0.0)
        out = LeaderElector(own, args.leader_elect_resource_namespace, args.leader_elect_resource_name, identity, terms=terms)
        client.transport.fence = out.holds
        return out


Main = Callable[[Daemon], Awaitable[None]]


def run(main: Main, args: argparse.Namespace) -> int:
    """Run `main` until it returns or SIGINT/SIGTERM comes, then cancel it; the process's exit status."""
    configure_logs(args.logging_format, args.verbosity)
    memory.tune()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(main, args))
    except KeyboardInterrupt:
        return 130


async def _run(main: Main, args: argparse.Namespace) -> int:
    loop = asyncio.get_running_loop()
    daemon = Daemon(args, Health(), asyncio.Event())
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, daemon.stopping.set)
    if args.healthz_port:
        await daemon.health.start(args.healthz_bind_address, args.healthz_port)
    tidying = asyncio.ensure_future(memory.tidy())
    work = asyncio.ensure_future(main(daemon))
    stop = asyncio.ensure_future(daemon.stopping.wait())
    try:
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return 0
        await work
    except LeadershipLost as e:
        log.error("%s", e)
        return 1
    except ConfigError as e:
        log.error("%s", e)
        return 1
    except Exception:
        log.exception("failed")
        return 1
    finally:
        stop.cancel()
        tidying.cancel()
        await daemon.health.stop()
    return 0


class _JSONFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        out = {"ts": round(record.created * 1000, 3), "level": record.levelname.lower(), "logger": record.name, "msg": record.getMessage()}
        if record.exc_info:
            out["stacktrace"] = self.formatException(record.exc_info)
        return json.dumps(out)


class _TextFormatter(logging.Formatter):
    """klog's line: `I0131 12:34:56.789012    4242 name] message`."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%m%d %H:%M:%S", time.localtime(record.created))
        text = f"{record.levelname[0]}{stamp}.{int(record.created % 1 * 1e6):06d} {os.getpid():7d} {record.name}] {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def configure_logs(style: str, verbosity: int) -> None:
    """Log to stderr, as klog text or JSON lines; verbosity 4 and more includes debug."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JSONFormatter() if style == "json" else _TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbosity >= 4 else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def main_of(make_parser: Callable[[], argparse.ArgumentParser], main: Main, argv: Sequence[str] | None = None) -> int:
    """Parse `argv` and run: the whole body of a daemon's `__main__`."""
    return run(main, make_parser().parse_args(argv))
