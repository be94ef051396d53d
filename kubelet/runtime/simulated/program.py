"""What a simulated container would do: the few commands that end by themselves. Pure; everything else runs until it is stopped."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

SHELLS = {"sh", "bash", "ash", "dash"}


def ending(command: Sequence[str] | None, args: Sequence[str] | None) -> tuple[float, int] | None:
    """(seconds until it ends, exit code) of `true`, `false`, `echo`, `date`, `printf`, `sleep N`, and of `sh -c` of a row of
    these and `exit N`; else None."""
    words = [*(command or ()), *(args or ())]
    if not words:
        return None
    name = words[0].rpartition("/")[2]
    if name in SHELLS and len(words) == 3 and words[1] == "-c":
        return _script(words[2])
    return _simple(name, words[1:])


def _simple(name: str, operands: Sequence[str]) -> tuple[float, int] | None:
    if name in ("true", "echo", "date", "printf"):
        return 0.0, 0
    if name == "false":
        return 0.0, 1
    if name == "sleep" and len(operands) == 1 and re.fullmatch(r"\d+(\.\d+)?s?", operands[0]):
        return float(operands[0].rstrip("s")), 0
    return None


def _script(text: str) -> tuple[float, int] | None:
    total, code = 0.0, 0
    for line in re.split(r"[;\n]", text):
        for part in line.split("&&"):
            try:
                words = shlex.split(part)
            except ValueError:
                return None
            if not words:
                continue
            if words[0] == "exit" and len(words) == 2 and words[1].isdigit():
                return total, int(words[1]) & 255
            one = _simple(words[0], words[1:])
            if one is None:
                return None
            total, code = total + one[0], one[1]
            if code:
                break
    return total, code
