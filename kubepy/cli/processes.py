"""Processes by pid file: identity that survives pid reuse, signals, waiting. Linux only (pidfd, /proc)."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process told apart from later ones with the same pid by its start time (clock ticks since boot)."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Whether it still runs (a zombie does not)."""
        stat = _stat(self.pid)
        return stat is not None and stat[0] != "Z" and int(stat[19]) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it is gone."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended, at most so long; returns whether it has."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if self.alive():
                select.select([descriptor], [], [], seconds)
        finally:
            os.close(descriptor)
        return not self.alive()

    def uptime(self) -> float:
        """Seconds since it started."""
        up = float(Path("/proc/uptime").read_text().split()[0])
        return up - self.started / os.sysconf("SC_CLK_TCK")

    def cpu_seconds(self) -> float:
        """Processor time used so far."""
        stat = _stat(self.pid)
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK") if stat else 0.0

    def resident_bytes(self) -> int:
        """Resident memory."""
        stat = _stat(self.pid)
        return int(stat[21]) * os.sysconf("SC_PAGE_SIZE") if stat else 0


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def of(pid: int) -> Process | None:
    """The process that has this pid now."""
    stat = _stat(pid)
    return Process(pid, int(stat[19])) if stat else None


def write(file: Path, process: Process) -> None:
    """Record a process in a pid file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".new")
    temporary.write_text(f"{process.pid} {process.started}\n")
    temporary.replace(file)


def read(file: Path) -> Process | None:
    """The process a pid file names, when it still runs."""
    try:
        pid, started = file.read_text().split()
        process = Process(int(pid), int(started))
    except (OSError, ValueError):
        return None
    return process if process.alive() else None
