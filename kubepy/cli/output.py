"""Text for people on a terminal: steps with their time, columns, sizes. Plain when the output is not a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Step:
    """One line of progress: a spinner with seconds while it lasts, a tick or a cross at its end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.note = ""
        self._live = sys.stderr.isatty()
        self._start = time.monotonic()
        self._turn = 0

    def __enter__(self) -> Step:
        self.tick()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        mark = "✗" if kind else "✓"
        note = f" {self.note}" if self.note else ""
        self._print(f"{mark} {self.text}{note} ({time.monotonic() - self._start:.1f} s)", end="\n")

    def tick(self) -> None:
        """Draw the spinner's next frame (terminals only)."""
        if self._live:
            self._turn += 1
            frame = _FRAMES[self._turn % len(_FRAMES)]
            self._print(f"{frame} {self.text} … {time.monotonic() - self._start:.0f} s", end="")

    def wait(self, condition: Callable[[], bool], seconds: float, pause: float = 0.05) -> bool:
        """Poll `condition` until it holds or the time is over; returns whether it holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.tick()
            time.sleep(pause)
        return True

    def _print(self, line: str, end: str) -> None:
        start = "\r\x1b[K" if self._live else ""
        sys.stderr.write(start + line + end)
        sys.stderr.flush()


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows (the first is the heading) as aligned columns, three spaces apart, like kubectl's."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def megabytes(size: int) -> str:
    """`104 MB`."""
    return f"{size / 1e6:.0f} MB"


def duration(seconds: float) -> str:
    """`42s`, `3m7s`, `5h2m`, `2d4h`."""
    s = int(seconds)
    if s < 120:
        return f"{s}s"
    if s < 3 * 3600:
        return f"{s // 60}m{s % 60}s"
    if s < 2 * 86400:
        return f"{s // 3600}h{s % 3600 // 60}m"
    return f"{s // 86400}d{s % 86400 // 3600}h"
