"""exec and attach: which streams there are, how channels are numbered on WebSockets, and how the end is told. Pure.

Upstream: apimachinery pkg/util/remotecommand, kubelet pkg/cri/streaming/remotecommand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

SPDY_PROTOCOLS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
WEBSOCKET_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io")

CHANNELS = {"stdin": 0, "stdout": 1, "stderr": 2, "error": 3, "resize": 4}
NAMES = {number: name for name, number in CHANNELS.items()}
CLOSE = 255
"""v5: the byte before the number of a channel that its sender has closed."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the request asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @classmethod
    def of(cls, query: dict[str, str]) -> Options:
        """From the query's `input`/`stdin` and the like. Raises ValueError."""

        def wanted(*keys: str) -> bool:
            return any(query.get(k, "") in ("1", "true") for k in keys)

        tty = wanted("tty")
        out = cls(wanted("input", "stdin"), wanted("output", "stdout"), wanted("error", "stderr") and not tty, tty)
        if not (out.stdin or out.stdout or out.stderr):
            raise ValueError("you must specify at least 1 of stdin, stdout, stderr")
        return out


def streams(options: Options, protocol: str) -> frozenset[str]:
    """The streams that an SPDY client opens before anything starts."""
    out = {"error"}
    for name in ("stdin", "stdout", "stderr"):
        if getattr(options, name):
            out.add(name)
    if options.tty and protocol in ("v3.channel.k8s.io", "v4.channel.k8s.io"):
        out.add("resize")
    return frozenset(out)


def negotiate(offered: Sequence[str], ours: Sequence[str]) -> str | None:
    """The first of the client's protocols that we have too; an SPDY client that names none speaks the first version."""
    return next((p for p in offered if p in ours), None)


def status_of_exit(code: int) -> bytes:
    """What the error stream says (v4 and later) when the process has ended."""
    if code == 0:
        return orjson.dumps({"metadata": {}, "status": "Success"})
    text = f"command terminated with non-zero exit code: exit status {code}"
    cause = {"reason": "ExitCode", "message": str(code)}
    return orjson.dumps({"metadata": {}, "status": "Failure", "message": text, "reason": "NonZeroExitCode", "details": {"causes": [cause]}})


def status_of_error(text: str) -> bytes:
    """What the error stream says (v4 and later) when something else went wrong."""
    message = f"Internal error occurred: {text}"
    return orjson.dumps(
        {
            "metadata": {}, "status": "Failure", "message": message, "reason": "InternalError",
            "details": {"causes": [{"message": text}]}, "code": 500,
        }
    )  # fmt: skip


def parse_resize(data: bytes) -> tuple[int, int] | None:
    """(width, height) of a resize message, or None."""
    try:
        size = orjson.loads(data)
        return int(size["Width"]), int(size["Height"])
    except (ValueError, KeyError, TypeError):
        return None
