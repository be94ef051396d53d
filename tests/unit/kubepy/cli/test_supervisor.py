"""The supervisor over real processes that only sleep: starting, adopting, restarting, stopping; whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubepy.cli import processes, supervisor
from kubepy.cli.cluster import Cluster
from kubepy.cli.components import Component

LAUNCH = """
import sys
from pathlib import Path
from kubepy.cli import cluster, supervisor
from kubepy.cli.components import Component
names = {names!r}
supervisor.components = lambda c: [Component(n, (sys.executable, "-c", "import time; time.sleep(600)", n)) for n in names]
supervisor.guard(cluster.require(Path({dir!r})))
"""


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Watched:
    """A supervised cluster of sleeping processes."""

    def __init__(self, directory: Path, names: list[str]) -> None:
        self.dir, self.names = directory, names
        Cluster(dir=directory).save()
        code = LAUNCH.format(names=names, dir=str(directory))
        self.guardian = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        until(lambda: self.supervisor() is not None and all(self.process(n) for n in names))

    def supervisor(self) -> processes.Process | None:
        return processes.read(self.dir / "run" / "supervisor.pid")

    def process(self, name: str) -> processes.Process | None:
        return processes.read(self.dir / "run" / f"{name}.pid")

    def pids(self) -> dict[str, int]:
        return {n: p.pid for n in self.names if (p := self.process(n)) is not None}


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    out = Watched(tmp_path, ["apiserver", "other"])
    yield out
    supervisor = out.supervisor()
    if supervisor is not None:
        supervisor.signal(signal.SIGTERM)
        assert supervisor.wait(20)
    assert out.pids() == {}
    if out.guardian.poll() is None:
        out.guardian.wait(10)


def test_a_component_that_dies_is_started_again_and_the_others_are_left_alone(watched: Watched) -> None:
    before = watched.pids()
    os.kill(before["other"], signal.SIGKILL)
    until(lambda: watched.pids().get("other") not in (None, before["other"]))
    assert watched.pids()["apiserver"] == before["apiserver"]


def test_a_killed_supervisor_comes_back_and_adopts_what_runs(watched: Watched) -> None:
    before, first = watched.pids(), watched.supervisor()
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: watched.supervisor() not in (None, first))
    os.kill(before["other"], signal.SIGKILL)
    until(lambda: watched.pids().get("other") not in (None, before["other"]))
    assert watched.pids()["apiserver"] == before["apiserver"]


def test_a_killed_guardian_is_replaced(watched: Watched) -> None:
    before, first = watched.pids(), watched.supervisor()
    watched.guardian.kill()
    watched.guardian.wait()
    until(lambda: watched.supervisor() not in (None, first))
    assert watched.pids() == before
    second = watched.supervisor()
    assert second is not None
    os.kill(second.pid, signal.SIGKILL)
    until(lambda: watched.supervisor() not in (None, second))
    assert watched.pids() == before


def test_what_a_predecessor_left_is_stopped_by_a_supervisor_that_is_told_to_stop_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Component("one", (sys.executable, "-c", "import time; time.sleep(600)"))
    monkeypatch.setattr(supervisor, "components", lambda _cluster: [left])
    for handler in ("signal", "set_wakeup_fd"):
        monkeypatch.setattr(f"kubepy.cli.supervisor.signal.{handler}", lambda *_args, **_options: None)
    cluster = Cluster(dir=tmp_path)
    cluster.save()
    child = subprocess.Popen(left.argv, start_new_session=True)
    running = processes.of(child.pid)
    assert running is not None
    pid_file = supervisor.component_pid_file(cluster, left)
    processes.write(pid_file, running)
    told = supervisor.Supervisor(cluster, os.getpid())
    told.stopping = True
    told.run()
    assert child.wait(10) is not None
    assert processes.of(running.pid) is None
    assert not pid_file.exists()
