"""Two API servers over one etcd, two controller-managers, two schedulers: one of each may go at any time, and nothing is done twice.

The terms here are a lease of 3 s with tries every 0.5 s: a takeover within 3 + 2.2 * 0.5 s = 4.1 s. With the flags' defaults (15 s and
2 s, upstream's) the same sum is 19.4 s at worst, and 17 s on average, as a candidate waits 1 to 2.2 retry periods between tries.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kubepy.api.errors import Gone, NotFound
from kubepy.client.rest import Client, Unreachable
from tests.bench.processes import etcd
from tests.chaos.invariants import controller, is_ready
from tests.chaos.plane import Plane
from tests.chaos.world import retried
from tests.integration.conftest import free_port

Obj = dict[str, Any]
pytestmark = [pytest.mark.etcd, pytest.mark.skipif(shutil.which("etcd") is None, reason="no etcd binary")]

LEASE_SECONDS, RETRY = 3.0, 0.5
TAKEOVER = LEASE_SECONDS + 2.2 * RETRY
SLACK = 1.5
"""Seconds for a request or two on a busy machine."""
TERMS = ("--leader-elect", "--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=500ms")
LEASES = "leases.coordination.k8s.io"
CONTROLLERS, SCHEDULER = "kube-controller-manager", "kube-scheduler"
NAMESPACE = "default"


class Log:
    """Every event of the pods of all namespaces since a revision, through one API server; resumes where a stream broke.

    A server that was started anew knows no history, as upstream's: it may answer 410. Then `gaps` notes (from, to) of the new list.
    """

    def __init__(self, client: Client, since: str) -> None:
        self.events: list[tuple[str, Obj]] = []
        self.gaps: list[tuple[int, int]] = []
        self.moved = asyncio.Condition()
        self._client, self._since = client, since
        self._task = asyncio.create_task(self._run())

    @property
    def at(self) -> int:
        """The revision up to which events came, or were missed for good."""
        return int(self._since)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(Unreachable):
                try:
                    await self._follow()
                except Gone:
                    listed = (await self._client.list("pods"))["metadata"]["resourceVersion"]
                    async with self.moved:
                        self.gaps.append((self.at, int(listed)))
                        self._since = listed
                        self.moved.notify_all()
            await asyncio.sleep(0.05)

    async def _follow(self) -> None:
        async for kind, obj in self._client.watch("pods", None, self._since, timeout_seconds=60):
            self._since = obj["metadata"]["resourceVersion"]
            if kind != "BOOKMARK":
                async with self.moved:
                    self.events.append((kind, obj))
                    self.moved.notify_all()

    async def until(self, condition: Callable[[Log], object], limit: float, what: str) -> None:
        """Wait for a condition of the events."""
        try:
            async with asyncio.timeout(limit), self.moved:
                await self.moved.wait_for(lambda: condition(self))
        except TimeoutError:
            state = self._task.exception() if self._task.done() else f"following since {self._since}"
            pytest.fail(f"{what} did not come in {limit} s; {state!r}; {self.created()}, {len(self.now())} pods")

    def identities(self) -> list[tuple[str, str, str]]:
        """(type, uid, resourceVersion) of each event."""
        return [(kind, o["metadata"]["uid"], o["metadata"]["resourceVersion"]) for kind, o in self.events]

    def outside(self, gaps: list[tuple[int, int]]) -> list[tuple[str, str, str]]:
        """The identities of the events that are in none of some gaps."""
        return [e for e in self.identities() if not any(low < int(e[2]) <= high for low, high in gaps)]

    def created(self) -> Counter[str]:
        """How many pods were ever created, per controlling owner's uid."""
        return Counter(controller(o) for kind, o in self.events if kind == "ADDED")

    def now(self) -> dict[str, Obj]:
        """The pods that there are, by uid."""
        out: dict[str, Obj] = {}
        for kind, obj in self.events:
            if kind == "DELETED":
                out.pop(obj["metadata"]["uid"], None)
            else:
                out[obj["metadata"]["uid"]] = obj
        return out

    def most(self, owners: set[str]) -> int:
        """The greatest number of pods of some owners, not counting those being deleted, that there was at any time."""
        here: set[str] = set()
        most = 0
        for kind, obj in self.events:
            if controller(obj) in owners:
                if kind == "DELETED" or obj["metadata"].get("deletionTimestamp"):
                    here.discard(obj["metadata"]["uid"])
                else:
                    here.add(obj["metadata"]["uid"])
                most = max(most, len(here))
        return most

    def moves(self) -> list[str]:
        """Pods that were bound to more than one node."""
        nodes: dict[str, set[str]] = {}
        for _, obj in self.events:
            if node := obj["spec"].get("nodeName"):
                nodes.setdefault(obj["metadata"]["name"], set()).add(node)
        return [name for name, where in nodes.items() if len(where) > 1]

    async def stop(self) -> None:
        """End the watch; an error that ended it before is raised."""
        self._task.cancel()
        (outcome,) = await asyncio.gather(self._task, return_exceptions=True)
        if outcome is not None and not isinstance(outcome, asyncio.CancelledError):
            raise outcome


class Pair:
    """The plane with two of each; `1` of controllers and scheduler leads at first, and both `1` use the first API server."""

    def __init__(self, plane: Plane, first: Client, second: Client) -> None:
        self.plane, self.first, self.second = plane, first, second
        self.other_port = 0

    async def holder(self, lease: str) -> str:
        """Who holds a lease."""
        try:
            found = await self.second.get(LEASES, lease, "kube-system")
        except NotFound:
            return ""
        return str(found["spec"].get("holderIdentity") or "")

    async def next_holder(self, lease: str, former: str, limit: float) -> str:
        """Wait until somebody else than `former` holds a lease."""
        ends = time.monotonic() + limit
        while (name := await self.holder(lease)) in ("", former):
            assert time.monotonic() < ends, f"nobody took {lease} over from {former or 'nobody'} in {limit:.1f} s"
            await asyncio.sleep(0.05)
        return name

    async def log(self, client: Client) -> Log:
        """The pods' events from now on, through one of the servers."""
        listed = await self.second.list("pods")
        return Log(client, listed["metadata"]["resourceVersion"])


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[Pair]:
    """Start two of each, the leaders first."""
    plane = Plane(folder / "plane")
    with etcd() as url:
        try:
            await plane.add_apiserver("apiserver-1", 0, f"--etcd-servers={url}")
            other = await plane.add_apiserver("apiserver-2", free_port(), f"--etcd-servers={url}")
            async with plane.client() as first, plane.client(other) as second:
                out = Pair(plane, first, second)
                out.other_port = other
                plane.add_controllers("controllers-1", *TERMS)
                plane.add_scheduler("scheduler-1", *TERMS)
                plane.add_nodes(port=other)
                for lease in (CONTROLLERS, SCHEDULER):
                    await out.next_holder(lease, "", 20)
                plane.add_controllers("controllers-2", *TERMS, port=other)
                plane.add_scheduler("scheduler-2", *TERMS, port=other)
                await _nodes_ready(second)
                yield out
        finally:
            await plane.stop()


async def _nodes_ready(client: Client) -> None:
    async with asyncio.timeout(30):
        while True:
            nodes = (await client.list("nodes"))["items"]
            account = (await client.list("serviceaccounts", NAMESPACE))["items"]
            if account and len(nodes) == 5 and all(n["spec"].get("podCIDR") and not n["spec"].get("taints") for n in nodes):
                return
            await asyncio.sleep(0.1)


def workload(kind: str, name: str, replicas: int, **spec: Any) -> Obj:
    """A ReplicaSet or Deployment."""
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "registry.example/app:1"}]}}
    body = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": pod, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": body}


async def once_scheduled(client: Client) -> list[str]:
    """Pods that more than one Scheduled event tells of, or an event that names no scheduler."""
    events = [e for e in (await client.list("events", NAMESPACE))["items"] if e.get("reason") == "Scheduled"]
    assert events, "the scheduler recorded nothing"
    told: Counter[str] = Counter()
    for event in events:
        told[event["involvedObject"]["uid"]] += max(1, int(event.get("count") or 1))
    unnamed = [e["metadata"]["name"] for e in events if "scheduler" not in str(e.get("reportingInstance") or e.get("source"))]
    return [uid for uid, count in told.items() if count > 1] + unnamed


def running(log: Log, count: int) -> bool:
    """Whether so many pods are ready, and none besides."""
    pods = [p for p in log.now().values() if p["metadata"]["namespace"] == NAMESPACE]
    return len(pods) == count and all(map(is_ready, pods))


@pytest.mark.timeout(150)
async def test_the_other_takes_over_and_nothing_is_done_twice(tmp_path: Path) -> None:
    async with pair(tmp_path) as two:
        log = await two.log(two.second)
        for number in range(3):
            await two.second.create("replicasets.apps", workload("ReplicaSet", f"set-{number}", 30), NAMESPACE)
        made = await two.second.create("deployments.apps", workload("Deployment", "web", 20), NAMESPACE)
        await log.until(lambda log: len(log.now()) >= 20, 20, "the first pods")
        before = {lease: await two.holder(lease) for lease in (CONTROLLERS, SCHEDULER)}
        for name in ("controllers-1", "scheduler-1"):
            two.plane.daemons[name].signal(signal.SIGKILL)
        killed = time.monotonic()
        for lease in before:
            await two.next_holder(lease, before[lease], TAKEOVER + SLACK)
        print(f"both leases taken over {time.monotonic() - killed:.1f} s after the kill")
        await log.until(lambda log: running(log, 110), 30, "110 ready pods")
        owned = [
            r for r in (await two.second.list("replicasets.apps", NAMESPACE))["items"] if controller(r) in ("", made["metadata"]["uid"])
        ]
        wanted = {r["metadata"]["uid"]: 20 if r["metadata"]["name"].startswith("web-") else 30 for r in owned}
        assert log.created() == wanted
        # A rollout whose leader is killed again: never more pods than asked and the surge of a quarter.
        two.plane.daemons["controllers-1"].start()
        former = await two.holder(CONTROLLERS)
        await two.second.patch("deployments.apps", "web", {"spec": {"template": {"metadata": {"annotations": {"v": "2"}}}}}, NAMESPACE)
        await log.until(lambda log: len(log.created()) == 5 and log.created().total() >= 114, 20, "the rollout")
        two.plane.daemons["controllers-2"].signal(signal.SIGKILL)
        await two.next_holder(CONTROLLERS, former, TAKEOVER + SLACK)
        new = {r["metadata"]["uid"] for r in (await two.second.list("replicasets.apps", NAMESPACE))["items"]} - wanted.keys()
        await log.until(lambda log: running(log, 110) and sum(controller(p) in new for p in log.now().values()) == 20, 30, "the new pods")
        assert log.created() == {**wanted, **dict.fromkeys(new, 20)}
        web = new | {uid for uid, count in wanted.items() if count == 20}
        assert log.most(web) <= 25
        assert not log.moves()
        assert not await once_scheduled(two.second)
        await log.stop()


@pytest.mark.timeout(120)
async def test_watches_of_both_servers_tell_the_same_although_one_is_killed(tmp_path: Path) -> None:
    async with pair(tmp_path) as two:
        # Controllers and scheduler of the second server shall lead: the first one is what is killed.
        for name in ("controllers-1", "scheduler-1"):
            two.plane.daemons[name].signal(signal.SIGTERM)
        for lease in (CONTROLLERS, SCHEDULER):
            await two.next_holder(lease, await two.holder(lease), TAKEOVER + SLACK) if not await two.holder(lease) else None
        logs = [await two.log(two.second), await two.log(two.first)]
        logs[1]._since = logs[0]._since
        await two.second.create("deployments.apps", workload("Deployment", "web", 10), NAMESPACE)
        server = two.plane.daemons["apiserver-1"]
        for round in range(3):
            await logs[0].until(lambda log: len(log.now()) >= 5, 20, "pods")
            server.signal(signal.SIGKILL)
            change = {"spec": {"replicas": 15 + round, "template": {"metadata": {"annotations": {"v": str(round)}}}}}
            await two.second.patch("deployments.apps", "web", change, NAMESPACE)
            server.process.wait(10) if server.process is not None else None
            server.start()
            await retried(lambda: two.first.list("namespaces"))
        await logs[0].until(lambda log: running(log, 17), 40, "17 ready pods")
        settled = logs[0].at
        # What is made while the broken one still has to list anew is in a gap of it, and no event.
        await logs[1].until(lambda log: log.at >= settled, 20, "the last change")
        marker = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "marker"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        await retried(lambda: two.second.create("pods", {**marker, "spec": {**marker["spec"], "schedulerName": "by-hand"}}, NAMESPACE))
        for log in logs:
            await log.until(lambda log: any(o["metadata"]["name"] == "marker" for _, o in log.events), 20, "the marker")
        for log in logs:
            await log.stop()
            del log.events[next(i for i, (_, o) in enumerate(log.events) if o["metadata"]["name"] == "marker") :]
        steady, broken = logs
        whole = steady.identities()
        assert not steady.gaps
        assert len(set(whole)) == len(whole) > 50
        assert [int(e[2]) for e in whole] == sorted(int(e[2]) for e in whole)
        assert len(broken.gaps) <= 3
        assert steady.outside(broken.gaps) == broken.identities()


@pytest.mark.timeout(120)
async def test_a_leader_that_was_stopped_does_not_act_after_its_lease(tmp_path: Path) -> None:
    async with pair(tmp_path) as two:
        log = await two.log(two.second)
        former = {lease: await two.holder(lease) for lease in (CONTROLLERS, SCHEDULER)}
        made = await two.second.create("replicasets.apps", workload("ReplicaSet", "many", 300), NAMESPACE)
        await log.until(lambda log: len(log.now()) >= 40, 20, "the first pods")
        stopped = [two.plane.daemons[name] for name in ("controllers-1", "scheduler-1")]
        for daemon in stopped:
            daemon.signal(signal.SIGSTOP)
        at = len(log.created())
        for lease in former:
            await two.next_holder(lease, former[lease], TAKEOVER + SLACK)
        assert at
        await log.until(lambda log: running(log, 300), 60, "300 ready pods")
        for daemon in stopped:
            daemon.signal(signal.SIGCONT)
        for daemon in stopped:
            assert daemon.process is not None
            # As upstream: a process that lost its lease ends, and whoever supervises it starts a new candidate.
            assert await asyncio.to_thread(daemon.process.wait, 20) == 1, two.plane.tail(daemon.name)
        assert log.created() == {made["metadata"]["uid"]: 300}
        assert not log.moves()
        assert not await once_scheduled(two.second)
        assert running(log, 300)
        await log.stop()
