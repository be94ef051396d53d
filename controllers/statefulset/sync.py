"""The StatefulSet controller: carries out what plan decides, keeps revisions and status."""

from __future__ import annotations

from typing import Any

from controllers.common import batch, history, pods
from controllers.common.claims import Claimer
from controllers.context import Context
from controllers.statefulset import identity, plan
from controllers.statefulset.claims import PVCS, ClaimError, Claims
from kubepy.api import meta
from kubepy.api.errors import AlreadyExists, Conflict, NotFound, StatusError
from kubepy.api.selectors import LabelSelector, from_label_selector
from kubepy.runtime import Result
from kubepy.runtime.cache import key_of

Obj = dict[str, Any]
SETS = "statefulsets.apps"


def start(ctx: Context) -> None:
    """Register the StatefulSet controller."""
    _StatefulSets(ctx)


class _StatefulSets:
    def __init__(self, ctx: Context) -> None:
        self._client, self._clock = ctx.client, ctx.clock
        self._recorder = ctx.recorder("statefulset-controller")
        self._sets, self._pods = ctx.informer(SETS), ctx.informer("pods")
        revisions, claims = ctx.informer(history.REVISIONS), ctx.informer(PVCS)
        for informer in (self._pods, revisions):
            informer.cache.add_index("controller", pods.by_controller)
            informer.cache.add_index("orphan", pods.orphans)
        self._history = history.History(ctx.client, revisions, SETS)
        self._claims = Claims(ctx.client, claims, self._recorder)
        self._created: dict[str, set[str]] = {}
        """Pods made or deleted, by set, that the cache does not show yet; `+name` and `-uid`."""
        self._controller = ctx.controller("statefulset", self._sync, workers=5)
        self._controller.watch(self._sets)
        self._controller.depends(self._pods, revisions, claims)
        self._pods.on_event(self._pod_changed)

    def _owner_of(self, pod: Obj) -> Obj | None:
        return pods.owner_in(self._sets.cache, pod, "StatefulSet")

    def _pod_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        for pod in (old, new) if old is not None and kind == "MODIFIED" else (new,):
            if (owner := self._owner_of(pod)) is not None:
                key = key_of(owner)
                waiting = self._created.get(key, set())
                waiting.discard(f"+{meta.name(new)}")
                if kind == "DELETED" or meta.deleting(new):
                    waiting.discard(f"-{meta.uid(new)}")
                self._controller.enqueue(key)
        if meta.controller_of(new) is None and kind != "DELETED":
            for statefulset in self._sets.cache.list(meta.namespace(new)):
                selector = from_label_selector(statefulset["spec"].get("selector"))
                if identity.is_member(statefulset, new) and selector.matches(meta.labels(new)):
                    self._controller.enqueue(key_of(statefulset))

    async def _sync(self, key: str) -> Result | None:
        statefulset = self._sets.cache.get(key)
        if statefulset is None:
            self._created.pop(key, None)
            return None
        if self._created.get(key):
            # Wait for what was done to be seen; an event of it comes back here.
            return Result(after=5.0)
        selector = from_label_selector(statefulset["spec"].get("selector"))
        if selector.empty:
            return None
        cache = self._pods.cache
        candidates = cache.by_index("controller", meta.uid(statefulset)) + cache.by_index("orphan", meta.namespace(statefulset))
        claimer = Claimer(self._client, SETS, statefulset, "pods", selector.matches)
        members = await claimer.claim(candidates, lambda p: identity.is_member(statefulset, p))
        revisions, collisions, stored = await self._revisions(statefulset, selector)
        now = self._clock.time()
        steps = plan.make(statefulset, members, revisions, now)
        failure: Exception | None = None
        try:
            await self._carry_out(key, statefulset, steps)
        except (StatusError, ClaimError) as e:
            failure = e
        await self._write(statefulset, plan.status(statefulset, steps, revisions, collisions, now))
        if failure is not None:
            raise failure
        await self._truncate(statefulset, members, stored, revisions)
        waits = [w for p in members if (w := pods.available_in(p, statefulset["spec"].get("minReadySeconds", 0), now))]
        return Result(after=min(waits)) if waits else None

    async def _revisions(self, statefulset: Obj, selector: LabelSelector) -> tuple[plan.Revisions, int, list[Obj]]:
        """(current and update revision, collisions, all revisions in order); stores what is new (getStatefulSetRevisions)."""
        stored = await self._history.of(statefulset, selector)
        collisions = statefulset.get("status", {}).get("collisionCount") or 0
        number = history.next_number(stored)
        data = history.template_patch(statefulset)
        alike = history.equal_to(stored, data)
        if alike and alike[-1] is stored[-1]:
            update = stored[-1]
        elif alike:
            update = await self._history.renumber(alike[-1], number)
        else:
            suffix = history.data_hash(data, collisions)
            labels = {**((statefulset["spec"]["template"].get("metadata") or {}).get("labels") or {}), history.HASH: suffix}
            draft = history.new_revision(statefulset, number, suffix, labels)
            update, collisions = await self._history.create(statefulset, draft, lambda n: history.data_hash(data, n), collisions)
        wanted = statefulset.get("status", {}).get("currentRevision")
        current = next((r for r in stored if meta.name(r) == wanted), update)
        templates = (_template(current), _template(update))
        return plan.Revisions(meta.name(current), templates[0], meta.name(update), templates[1]), collisions, stored

    async def _carry_out(self, key: str, statefulset: Obj, steps: plan.Plan) -> None:
        waiting = self._created.setdefault(key, set())

        async def create(number: int) -> None:
            pod = steps.create[number]
            if self._claims.are_stale(statefulset, pod):
                return
            waiting.add(f"+{meta.name(pod)}")
            try:
                await self._create(statefulset, pod)
            except Exception:
                waiting.discard(f"+{meta.name(pod)}")
                raise

        for pod in steps.claims:
            await self._claims.ensure(statefulset, pod)
            await self._own(statefulset, pod)
        _, failure = await batch.slow_start(len(steps.create), create)
        for pod in steps.check:
            await self._mend(statefulset, pod)
        for pod in steps.retain:
            if not self._claims.are_owned(statefulset, pod):
                await self._claims.own(statefulset, pod)

        async def delete(pod: Obj) -> None:
            waiting.add(f"-{meta.uid(pod)}")
            told = False
            try:
                told = await self._delete(statefulset, pod)
            finally:
                if not told:
                    waiting.discard(f"-{meta.uid(pod)}")

        errors = await batch.in_parallel([*steps.delete, *([steps.update] if steps.update is not None else [])], delete)
        if failure is not None or errors:
            raise failure or errors[0]

    def _record(self, verb: str, statefulset: Obj, pod: Obj, failure: Exception | None = None) -> None:
        """An event about what was done to a pod, or what failed."""
        subject = f"{verb} Pod {meta.name(pod)} in StatefulSet {meta.name(statefulset)}"
        if failure is None:
            self._recorder.event(statefulset, "Normal", f"Successful{verb}", f"{subject} successful")
        else:
            self._recorder.event(statefulset, "Warning", f"Failed{verb}", f"{subject} failed error: {failure}")

    async def _own(self, statefulset: Obj, pod: Obj) -> None:
        try:
            await self._claims.own(statefulset, pod)
        except ClaimError as e:
            self._record("Update", statefulset, pod, e)
            raise

    async def _create(self, statefulset: Obj, pod: Obj) -> None:
        try:
            await self._claims.ensure(statefulset, pod)
            made = await self._client.create("pods", pod, meta.namespace(statefulset))
        except AlreadyExists:
            raise
        except (StatusError, ClaimError) as e:
            self._record("Create", statefulset, pod, e)
            raise
        await self._own(statefulset, made)
        self._record("Create", statefulset, pod)

    async def _mend(self, statefulset: Obj, pod: Obj) -> None:
        """Give an existing pod back its identity and storage, and its claims the owners they should have (UpdateStatefulPod)."""
        has_storage = identity.has_storage(statefulset, pod)
        if identity.is_named(pod) and has_storage and self._claims.are_owned(statefulset, pod):
            return
        try:
            if not has_storage:
                await self._claims.ensure(statefulset, pod)
            await self._claims.own(statefulset, pod)
            await self._client.update("pods", identity.with_identity(statefulset, pod))
        except Conflict:
            raise
        except (StatusError, ClaimError) as e:
            self._record("Update", statefulset, pod, e)
            raise
        self._record("Update", statefulset, pod)

    async def _delete(self, statefulset: Obj, pod: Obj) -> bool:
        """Whether the pod was there, so that an event of its end will come."""
        try:
            await self._client.delete("pods", meta.name(pod), meta.namespace(pod), preconditions={"uid": meta.uid(pod)})
        except (NotFound, Conflict):
            return False
        except StatusError as e:
            self._record("Delete", statefulset, pod, e)
            raise
        self._record("Delete", statefulset, pod)
        return True

    async def _write(self, statefulset: Obj, status: Obj) -> None:
        for attempt in (0, 1):
            if not plan.is_news(statefulset.get("status", {}), status):
                return
            try:
                await self._client.update_status(SETS, {**statefulset, "status": status})
                return
            except Conflict:
                if attempt:
                    raise
                statefulset = await self._client.get(SETS, meta.name(statefulset), meta.namespace(statefulset))

    async def _truncate(self, statefulset: Obj, members: list[Obj], stored: list[Obj], revisions: plan.Revisions) -> None:
        """Delete the oldest revisions beyond the limit that nothing uses."""
        live = {revisions.current, revisions.update} | {identity.revision_of(p) for p in members}
        unused = [r for r in stored if meta.name(r) not in live]
        limit = statefulset["spec"].get("revisionHistoryLimit", 10)
        for revision in unused[: max(0, len(unused) - limit)]:
            await self._history.delete(revision)


def _template(revision: Obj) -> Obj:
    return {k: v for k, v in revision["data"]["spec"]["template"].items() if k != "$patch"}
