"""Leader election by a Lease: one leader at a time, takeover after the lease, release, loss."""

import asyncio

import pytest

from kubepy.runtime.leader import LeaderElector, LeadershipLost, Terms
from tests.support.fakeapi import FakeAPI

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x"
QUICK = Terms(lease=1.0, renew=0.6, retry=0.1)


class Acting:
    """Counts who acts at the same time."""

    def __init__(self) -> None:
        self.now: list[str] = []
        self.most = 0
        self.changed = asyncio.Condition()

    async def lead(self, name: str) -> None:
        async with self.changed:
            self.now.append(name)
            self.most = max(self.most, len(self.now))
            self.changed.notify_all()
        try:
            await asyncio.Event().wait()
        finally:
            self.now.remove(name)

    async def until(self, *names: str) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: tuple(self.now) == names)


def elector(api: FakeAPI, name: str) -> LeaderElector:
    return LeaderElector(api.client(patience=0.05), "kube-system", "x", name, terms=QUICK)


async def end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_second_candidate_waits_and_follows_a_release() -> None:
    async with FakeAPI() as api:
        acting = Acting()
        a = asyncio.create_task(elector(api, "a").run(lambda: acting.lead("a")))
        await acting.until("a")
        b = asyncio.create_task(elector(api, "b").run(lambda: acting.lead("b")))
        await end(a)
        await acting.until("b")
        assert acting.most == 1
        spec = api.objects[LEASE]["spec"]
        assert (spec["holderIdentity"], spec["leaseTransitions"], spec["leaseDurationSeconds"]) == ("b", 1, 1)
        await end(b)
        assert api.objects[LEASE]["spec"]["holderIdentity"] == ""


async def test_a_lease_stolen_by_another_ends_the_leader() -> None:
    async with FakeAPI() as api:
        acting = Acting()
        a = asyncio.create_task(elector(api, "a").run(lambda: acting.lead("a")))
        await acting.until("a")
        lease = api.objects[LEASE]
        await api.put(LEASE, {**lease, "spec": {**lease["spec"], "holderIdentity": "thief"}})
        with pytest.raises(LeadershipLost):
            await asyncio.wait_for(a, 5)
        assert acting.now == []
        assert api.objects[LEASE]["spec"]["holderIdentity"] == "thief"


async def test_a_leader_cut_off_stops_before_its_lease_ends() -> None:
    async with FakeAPI() as api:
        acting = Acting()
        a = asyncio.create_task(elector(api, "a").run(lambda: acting.lead("a")))
        await acting.until("a")
        loop = asyncio.get_running_loop()
        await api.stop()
        cut = loop.time()
        with pytest.raises(LeadershipLost):
            await asyncio.wait_for(a, 5)
        assert loop.time() - cut < QUICK.lease
        assert acting.now == []


def test_terms_must_leave_room() -> None:
    with pytest.raises(ValueError, match="leaseDuration"):
        Terms(lease=10, renew=10)
    with pytest.raises(ValueError, match="renewDeadline"):
        Terms(renew=2.4, retry=2)
