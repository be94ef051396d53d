"""Keeps a cluster's processes running: starts what is missing, adopts what runs, restarts what dies.

Two processes guard each other: the guardian starts the supervisor and starts it again when it dies; a supervisor
that loses its guardian becomes guardian of a new supervisor. Components outlive both, and are adopted by pid file.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from select import POLLIN, poll

from kubepy.cli import processes
from kubepy.cli.cluster import Cluster, load
from kubepy.cli.components import Component, components

FIRST_DELAY = 0.1
MAX_DELAY = 5.0
STABLE_AFTER = 10.0
STOP_SECONDS = 15.0
LOG_LIMIT = 32 * 1024 * 1024


def supervisor_pid_file(cluster: Cluster) -> Path:
    """Names the process to signal: SIGTERM stops the cluster, SIGHUP makes it read cluster.json again."""
    return cluster.run / "supervisor.pid"


def component_pid_file(cluster: Cluster, component: Component) -> Path:
    """Names the process of one component."""
    return cluster.run / f"{component.file_name}.pid"


class Supervised:
    """One component: its process while it runs, else the time at which it is started again."""

    def __init__(self, cluster: Cluster, component: Component) -> None:
        self.component = component
        self.pid_file = component_pid_file(cluster, component)
        self.log_file = cluster.logs / f"{component.file_name}.log"
        self.process: processes.Process | None = None
        self.descriptor = -1
        self.delay = FIRST_DELAY
        self.start_at = 0.0

    def adopt(self) -> bool:
        """Take over a process that an earlier supervisor started."""
        process = processes.read(self.pid_file)
        return process is not None and self._follow(process)

    def start(self) -> None:
        """Start the process; its output is appended to the component's log."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_LIMIT:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        with self.log_file.open("ab") as log:
            child = subprocess.Popen(
                self.component.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=_environment()
            )
        process = processes.of(child.pid)
        if process is None or not self._follow(process):
            self.lost(time.monotonic())
            return
        processes.write(self.pid_file, process)

    def _follow(self, process: processes.Process) -> bool:
        try:
            self.descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return False
        self.process = process
        return True

    def lost(self, now: float) -> None:
        """Plan the next start: at once after a stable run, later and later while it keeps dying."""
        if self.process is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.process.pid, os.WNOHANG)
        if self.descriptor >= 0:
            os.close(self.descriptor)
        ran = now - self.start_at
        self.delay = FIRST_DELAY if ran > STABLE_AFTER else min(self.delay * 2, MAX_DELAY)
        self.process, self.descriptor = None, -1
        self.start_at = now + self.delay

    def stop(self) -> None:
        """Ask the process to end."""
        if self.process is not None:
            self.process.signal(signal.SIGTERM)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class Supervisor:
    """The loop over all components of one cluster."""

    def __init__(self, cluster: Cluster, guardian: int) -> None:
        self.cluster = cluster
        self.guardian = guardian
        self.children: dict[str, Supervised] = {}
        self.stopping = False
        self.reload = False
        self.wake_read, self.wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Until SIGTERM; then all components are stopped, the API server last."""
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopping", True))
        signal.signal(signal.SIGINT, lambda *_: setattr(self, "stopping", True))
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "reload", True))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        me = processes.of(os.getpid())
        assert me is not None
        processes.write(supervisor_pid_file(self.cluster), me)  # only now may signals come
        guardian = os.pidfd_open(self.guardian)
        self._reconcile()  # even if it is to stop already: what a predecessor left running is to stop, too
        while not self.stopping:
            if self.reload:
                self._reconcile()
            now = time.monotonic()
            for child in self.children.values():
                if child.process is None and child.start_at <= now:
                    child.start_at = now
                    child.start()
            if self._wait(guardian):
                return  # the guardian died: the caller makes a new pair
        self._stop_all()

    def _reconcile(self) -> None:
        self.reload = False
        self.cluster = load(self.cluster.dir) or self.cluster
        wanted = {c.name: c for c in components(self.cluster)}
        for name in [n for n in self.children if n not in wanted]:
            self._end([self.children.pop(name)])
        for name, component in wanted.items():
            known = self.children.get(name)
            if known is not None and known.component == component:
                continue
            if known is not None:
                self._end([known])
            child = Supervised(self.cluster, component)
            child.adopt()
            self.children[name] = child

    def _wait(self, guardian: int) -> bool:
        poller = poll()
        poller.register(self.wake_read, POLLIN)
        poller.register(guardian, POLLIN)
        by_descriptor = {c.descriptor: c for c in self.children.values() if c.process is not None}
        for descriptor in by_descriptor:
            poller.register(descriptor, POLLIN)
        pending = [c.start_at for c in self.children.values() if c.process is None]
        timeout = max(0.0, min(pending) - time.monotonic()) * 1000 if pending else None
        ready = {descriptor for descriptor, _ in poller.poll(timeout)}
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake_read, 4096)
        now = time.monotonic()
        for descriptor in ready & by_descriptor.keys():
            by_descriptor[descriptor].lost(now)
        return guardian in ready

    def _stop_all(self) -> None:
        rest = [c for name, c in self.children.items() if name != "apiserver"]
        self._end(rest)
        self._end([c for name, c in self.children.items() if name == "apiserver"])

    @staticmethod
    def _end(children: Sequence[Supervised]) -> None:
        for child in children:
            child.stop()
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            if child.process is not None:
                if not child.process.wait(max(0.0, deadline - time.monotonic())):
                    child.process.signal(signal.SIGKILL)
                    child.process.wait(5)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child.process.pid, os.WNOHANG)
            child.pid_file.unlink(missing_ok=True)


def guard(cluster: Cluster) -> None:
    """Be the guardian: keep one supervisor alive until it ends well. Returns when the cluster has been stopped."""
    for _ in _attempts():
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            _supervise(cluster, me)
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            supervisor_pid_file(cluster).unlink(missing_ok=True)
            return


def _supervise(cluster: Cluster, guardian: int) -> None:
    supervisor = Supervisor(cluster, guardian)
    try:
        supervisor.run()
    except Exception:
        import traceback

        traceback.print_exc()
        os._exit(1)
    if not supervisor.stopping:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        guard(load(cluster.dir) or cluster)
    os._exit(0)


def _attempts() -> Iterator[None]:
    delay = FIRST_DELAY
    while True:
        started = time.monotonic()
        yield
        delay = FIRST_DELAY if time.monotonic() - started > STABLE_AFTER else min(delay * 2, MAX_DELAY)
        time.sleep(delay)


def launch(cluster: Cluster) -> None:
    """Start guardian and supervisor in the background, or make the running supervisor read its settings again."""
    running = processes.read(supervisor_pid_file(cluster))
    if running is not None:
        running.signal(signal.SIGHUP)
        return
    cluster.logs.mkdir(parents=True, exist_ok=True)
    with (cluster.logs / "supervisor.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "kubepy.cli.supervisor", str(cluster.dir)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/", env=_launch_environment(),
        )  # fmt: skip


def _launch_environment() -> dict[str, str]:
    """The daemons are found from any folder: a checkout that is not installed is put on the path."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != root]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, *paths])}


def stop(cluster: Cluster, seconds: float = 2 * STOP_SECONDS + 5) -> bool:
    """Stop the cluster's processes; returns whether any ran. Works without a supervisor, too."""
    running = processes.read(supervisor_pid_file(cluster))
    found = running is not None
    if running is not None:
        running.signal(signal.SIGTERM)
        running.wait(seconds)
    left = [p for p in (processes.read(component_pid_file(cluster, c)) for c in components(cluster)) if p is not None]
    for number, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        for process in left:
            process.signal(number)
        for process in left:
            process.wait(patience)
    return found or bool(left)


def main() -> None:
    """`python -m kubepy.cli.supervisor DIR`."""
    cluster = load(Path(sys.argv[1]))
    if cluster is None:
        sys.exit(f"no cluster in {sys.argv[1]}")
    if processes.read(supervisor_pid_file(cluster)) is None:
        guard(cluster)


if __name__ == "__main__":
    main()
