"""The DaemonSet controller: carries out upkeep and rollouts, keeps revisions and status."""

from __future__ import annotations

from typing import Any

from controllers.common import batch, history, pods
from controllers.common.backoffs import PodBackoff
from controllers.common.claims import Claimer
from controllers.common.expectations import Expectations
from controllers.common.podcontrol import PodControl, namespace_terminating
from controllers.common.templates import template_hash
from controllers.context import Context
from controllers.daemonset import placement, rollout
from kubepy.api import meta
from kubepy.api.errors import Conflict, NotFound
from kubepy.api.selectors import LabelSelector, from_label_selector
from kubepy.runtime import Result
from kubepy.runtime.cache import key_of

Obj = dict[str, Any]

SETS = "daemonsets.apps"
BURST = 250


def start(ctx: Context) -> None:
    """Register the DaemonSet controller."""
    _DaemonSets(ctx)


def _node_facts(node: Obj) -> tuple[Any, ...]:
    """What of a node decides about daemon pods."""
    return meta.labels(node), node.get("spec", {}).get("taints"), meta.deleting(node)


class _DaemonSets:
    def __init__(self, ctx: Context) -> None:
        self._client, self._clock = ctx.client, ctx.clock
        self._recorder = ctx.recorder("daemonset-controller")
        self._control = PodControl(ctx.client, self._recorder)
        self._expected = Expectations(ctx.clock)
        self._backoff = PodBackoff(ctx.clock)
        self._sets, self._pods, self._nodes = ctx.informer(SETS), ctx.informer("pods"), ctx.informer("nodes")
        revisions = ctx.informer(history.REVISIONS)
        for informer in (self._pods, revisions):
            informer.cache.add_index("controller", pods.by_controller)
            informer.cache.add_index("orphan", pods.orphans)
        self._history = history.History(ctx.client, revisions, SETS)
        self._controller = ctx.controller("daemonset", self._sync, workers=2)
        self._controller.watch(self._sets)
        self._controller.depends(self._pods, self._nodes, revisions)
        self._pods.on_event(self._pod_changed)
        self._nodes.on_event(self._node_changed)

    def _node_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        if kind == "MODIFIED" and old is not None and _node_facts(old) == _node_facts(new):
            return
        for ds in self._sets.cache.list():
            before = placement.should_run(ds, old) if old is not None and kind == "MODIFIED" else None
            after = placement.should_run(ds, new) if kind != "DELETED" else None
            if before != after:
                self._controller.enqueue(key_of(ds))

    def _owner_of(self, pod: Obj) -> Obj | None:
        return pods.owner_in(self._sets.cache, pod, "DaemonSet")

    def _pod_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        for pod in (old, new) if old is not None and kind == "MODIFIED" else (new,):
            if (owner := self._owner_of(pod)) is not None:
                key = key_of(owner)
                if kind == "ADDED" and not meta.deleting(new):
                    self._expected.created(key)
                if kind == "DELETED" or meta.deleting(new):
                    self._expected.deleted(key, key_of(new))
                self._controller.enqueue(key)
        if meta.controller_of(new) is None and kind != "DELETED":
            for ds in self._sets.cache.list(meta.namespace(new)):
                if from_label_selector(ds["spec"].get("selector")).matches(meta.labels(new)):
                    self._controller.enqueue(key_of(ds))

    async def _sync(self, key: str) -> Result | None:
        ds = self._sets.cache.get(key)
        if ds is None:
            self._expected.forget(key)
            return None
        selector = from_label_selector(ds["spec"].get("selector"))
        if selector.empty:
            text = "This daemon set is selecting all pods. A non-empty selector is required."
            self._recorder.event(ds, "Warning", "SelectingAll", text)
            return None
        if meta.deleting(ds):
            return None
        ds, revision, old = await self._revisions(ds, selector)
        wait: float | None = None
        failure: Exception | None = None
        if self._expected.satisfied(key):
            members = await self._members(ds, selector)
            wait, failure = await self._act(key, ds, revision, members)
            if failure is None and self._expected.satisfied(key):
                if ds["spec"].get("updateStrategy", {}).get("type") == "RollingUpdate":
                    # Upkeep may have taken a while: pods it made are here by now, and are not available yet.
                    members = await self._members(ds, selector)
                    steps = rollout.roll(ds, self._nodes.cache.list(), _by_node(members), revision, self._clock.time())
                    failure = await self._carry_out(key, ds, revision, steps)
                await self._truncate(ds, members, old)
            if failure is None and not self._expected.satisfied(key):
                # What was just done will be seen in a moment: the status is written then, once, and right.
                return Result(after=1.0)
        members = await self._members(ds, selector)
        now = self._clock.time()
        await self._write(ds, rollout.status(ds, self._nodes.cache.list(), _by_node(members), revision, now))
        if failure is not None:
            raise failure
        waits = [w for p in members if (w := pods.available_in(p, ds["spec"].get("minReadySeconds", 0), now))]
        waits += [wait] if wait is not None else []
        return Result(after=min(waits)) if waits else None

    async def _members(self, ds: Obj, selector: LabelSelector) -> list[Obj]:
        cache = self._pods.cache
        candidates = cache.by_index("controller", meta.uid(ds)) + cache.by_index("orphan", meta.namespace(ds))
        return await Claimer(self._client, SETS, ds, "pods", selector.matches).claim(candidates)

    async def _act(self, key: str, ds: Obj, revision: str, members: list[Obj]) -> tuple[float | None, Exception | None]:
        """Upkeep; (seconds until a failed pod may be replaced, first error)."""
        steps = rollout.upkeep(ds, self._nodes.cache.list(), _by_node(members), revision, self._clock.time())
        wait = None
        for pod in steps.ended:
            node, name = placement.target_node(pod), f"{meta.namespace(pod)}/{meta.name(pod)}"
            if pods.phase(pod) == "Failed":
                left = self._backoff.delay(f"{meta.uid(ds)}/{meta.generation(ds)}/{node}")
                if left > 0:
                    wait = left if wait is None else min(wait, left)
                    continue
                text = f"Found failed daemon pod {name} on node {node}, will try to kill it"
                self._recorder.event(ds, "Warning", "FailedDaemonPod", text)
            else:
                text = f"Found succeeded daemon pod {name} on node {node}, will try to delete it"
                self._recorder.event(ds, "Normal", "SucceededDaemonPod", text)
            steps.delete.append(pod)
        return wait, await self._carry_out(key, ds, revision, steps)

    async def _carry_out(self, key: str, ds: Obj, revision: str, steps: rollout.Steps) -> Exception | None:
        """Create and delete (syncNodes); the first error."""
        nodes, doomed = steps.create[:BURST], steps.delete[:BURST]
        if not nodes and not doomed:
            return None
        self._expected.expect(key, creations=len(nodes), deletions=map(key_of, doomed))

        async def create(number: int) -> None:
            try:
                await self._control.create(ds, placement.pod_for(ds, nodes[number], revision))
            except Exception as e:
                if not namespace_terminating(e):
                    raise

        made, failure = await batch.slow_start(len(nodes), create)
        self._expected.created(key, len(nodes) - made)

        async def delete(pod: Obj) -> None:
            try:
                await self._control.delete(ds, pod)
            except Exception as e:
                self._expected.deleted(key, key_of(pod))
                if not isinstance(e, NotFound):
                    raise

        errors = await batch.in_parallel(doomed, delete)
        return failure or (errors[0] if errors else None)

    async def _revisions(self, ds: Obj, selector: LabelSelector) -> tuple[Obj, str, list[Obj]]:
        """(the DaemonSet, the hash of its current revision, old revisions in order); stores what is new (constructHistory)."""
        stored = await self._history.of(ds, selector)
        data = history.template_patch(ds)
        alike = history.equal_to(stored, data)
        current = alike[-1] if alike else None
        old = [r for r in stored if current is None or meta.uid(r) != meta.uid(current)]
        number = history.next_number(old)
        if current is not None:
            if current["revision"] < number:
                current = await self._history.renumber(current, number)
            return ds, meta.labels(current)[placement.HASH], old
        collisions = ds.get("status", {}).get("collisionCount")
        template = ds["spec"]["template"]

        def suffix(count: int) -> str:
            return template_hash(template, count if count or collisions is not None else None)

        first = suffix(collisions or 0)
        labels = {**((template.get("metadata") or {}).get("labels") or {}), placement.HASH: first}
        draft = history.new_revision(ds, number, first, labels)
        made, count = await self._history.create(ds, draft, suffix, collisions or 0)
        if count != (collisions or 0):
            status = {**ds.get("status", {}), "collisionCount": count}
            ds = await self._client.update_status(SETS, {**ds, "status": status})
        return ds, meta.labels(made)[placement.HASH], old

    async def _truncate(self, ds: Obj, members: list[Obj], old: list[Obj]) -> None:
        live = {meta.labels(p).get(placement.HASH) for p in members}
        limit = ds["spec"].get("revisionHistoryLimit", 10)
        excess = len(old) - limit
        for revision in old:
            if excess <= 0:
                return
            if meta.labels(revision).get(placement.HASH) not in live:
                await self._history.delete(revision)
                excess -= 1

    async def _write(self, ds: Obj, status: Obj) -> None:
        for attempt in (0, 1):
            if pods.same(status, ds.get("status", {})):
                return
            try:
                await self._client.update_status(SETS, {**ds, "status": status})
                return
            except Conflict:
                if attempt:
                    raise
                ds = await self._client.get(SETS, meta.name(ds), meta.namespace(ds))


def _by_node(members: list[Obj]) -> dict[str, list[Obj]]:
    out: dict[str, list[Obj]] = {}
    for pod in members:
        out.setdefault(placement.target_node(pod), []).append(pod)
    return out
