"""The Job controller: creates and deletes pods, and counts those that ended exactly once, by finalizers and uncounted uids."""

from __future__ import annotations

from typing import Any

from controllers.common import batch
from controllers.common import pods as podlib
from controllers.common.claims import Claimer
from controllers.common.expectations import Expectations
from controllers.common.podcontrol import PodControl, namespace_terminating
from controllers.common.ranking import to_delete
from controllers.context import Context
from controllers.job import backoff, indexes, policies, tracking
from controllers.job.pod import FINALIZER, build, tracked
from controllers.job.state import State, ensure_condition, is_finished, new_condition
from kubepy.api import meta
from kubepy.api.errors import NotFound
from kubepy.api.selectors import from_label_selector
from kubepy.runtime import Result
from kubepy.runtime.cache import key_of
from kubepy.runtime.clock import format_time

Obj = dict[str, Any]

JOBS = "jobs.batch"
MANAGER = "kubernetes.io/job-controller"
MAX_PER_SYNC = 500
BATCH_SECONDS = 1.0
"""How long changes of pods are gathered before a Job is looked at, as upstream gathers them: pods that end together are judged
together, and none is made meanwhile for a Job that they end."""


def start(ctx: Context) -> None:
    """Register the Job controller."""
    _Jobs(ctx)


class _Jobs:
    def __init__(self, ctx: Context) -> None:
        self._client, self._clock = ctx.client, ctx.clock
        self._recorder = ctx.recorder("job-controller")
        self._control = PodControl(ctx.client, self._recorder)
        self._expected = Expectations(ctx.clock)
        self._backoff: dict[str, backoff.Record] = {}
        self._started: dict[str, float] = {}
        self._tracker = tracking.Tracker(ctx.client, self._recorder)
        self._jobs, self._pods = ctx.informer(JOBS), ctx.informer("pods")
        self._pods.cache.add_index("controller", podlib.by_controller)
        self._pods.cache.add_index("orphan", podlib.orphans)
        self._controller = ctx.controller("job", self._sync, workers=5)
        self._orphans = ctx.controller("job-orphan-pods", self._release_orphan, workers=2)
        for controller in (self._controller, self._orphans):
            controller.depends(self._jobs, self._pods)
        self._jobs.on_event(self._job_changed)
        self._pods.on_event(self._pod_changed)

    def _job_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        key = key_of(new)
        self._controller.enqueue(key)
        if kind == "DELETED":
            self._expected.forget(key)
            self._tracker.forget(key)
            self._backoff.pop(key, None)
            self._started.pop(key, None)
            for pod in self._pods.cache.by_index("controller", meta.uid(new)):
                if tracked(pod):
                    self._orphans.enqueue(key_of(pod))

    def _owner_of(self, pod: Obj) -> Obj | None:
        return podlib.owner_in(self._jobs.cache, pod, "Job")

    def _pod_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        owner = self._owner_of(new)
        previous = self._owner_of(old) if old is not None and kind == "MODIFIED" else None
        if owner is not None:
            key = key_of(owner)
            if kind == "ADDED" and not meta.deleting(new):
                self._expected.created(key)
            if kind == "DELETED" or meta.deleting(new):
                self._expected.deleted(key, key_of(new))
            if kind == "DELETED" or not tracked(new):
                self._tracker.observed(key, meta.uid(new))
            self._controller.enqueue(key, after=BATCH_SECONDS)
        if previous is not None and (owner is None or meta.uid(previous) != meta.uid(owner)):
            self._controller.enqueue(key_of(previous))
        if owner is None and kind != "DELETED":
            if tracked(new):
                self._orphans.enqueue(key_of(new))
            elif meta.controller_of(new) is None and (old is None or meta.labels(old) != meta.labels(new)):
                for job in self._jobs.cache.list(meta.namespace(new)):
                    if from_label_selector(job["spec"].get("selector")).matches(meta.labels(new)):
                        self._controller.enqueue(key_of(job))

    async def _release_orphan(self, key: str) -> None:
        """Free a pod whose Job is gone of the tracking finalizer (syncOrphanPod)."""
        pod = self._pods.cache.get(key)
        if pod is None or not tracked(pod) or self._owner_of(pod) is not None:
            return
        await self._tracker.release(pod)

    async def _sync(self, key: str) -> Result | None:
        job = self._jobs.cache.get(key)
        if job is None:
            return None
        if job["spec"].get("managedBy") not in (None, MANAGER):
            return None
        if is_finished(job):
            self._backoff.pop(key, None)
            self._started.pop(key, None)
            return None
        may_act = self._expected.satisfied(key)
        selector = from_label_selector(job["spec"].get("selector"))
        cache = self._pods.cache
        candidates = cache.by_index("controller", meta.uid(job)) + cache.by_index("orphan", meta.namespace(job))
        claimer = Claimer(self._client, JOBS, job, "pods", selector.matches, [FINALIZER])
        state = State(job, await claimer.claim(candidates), self._clock.time(), self._tracker.removed(key), self._started.get(key))
        if not job.get("status", {}).get("startTime") and not state.suspended:
            self._started[key] = state.started = state.now
        record = backoff.updated(self._backoff.get(key, backoff.Record()), state.newly_succeeded, state.newly_failed)
        before = dict(job.get("status", {}))
        deadline = state.judge()
        failure: Exception | None = None
        flush = False
        wait = deadline if deadline is not None and deadline > 0 else None
        if state.finished is not None:
            active, failure = await self._end(state, may_act)
        else:
            active = len(state.active)
            acted = may_act and not meta.deleting(job)
            if acted:
                active, pause, failure = await self._manage(key, state, record)
                wait = pause if wait is None or (pause is not None and pause < wait) else wait
            if state.is_complete(active):
                text = "Reached expected number of succeeded pods"
                state.finished = new_condition("SuccessCriteriaMet", "CompletionsReached", text, state.now)
            elif acted:
                flush = self._suspend_or_resume(state)
        state.status.update(active=active, ready=state.ready, terminating=state.terminating)
        flush = flush or any(state.status[k] != before.get(k, None if k != "active" else 0) for k in ("active", "ready", "terminating"))

        def flushed() -> None:
            self._backoff[key] = record

        await self._tracker.track(key, state, flush, flushed)
        if failure is not None:
            raise failure
        return Result(after=wait) if wait is not None else None

    async def _end(self, state: State, may_act: bool) -> tuple[int, Exception | None]:
        """Delete what is active of a finished Job; (still active, first error)."""
        deleted = 0

        async def delete(pod: Obj) -> None:
            nonlocal deleted
            try:
                await self._control.delete(state.job, pod)
            except NotFound:
                deleted += 1
                return
            deleted += 1
            state.ready -= podlib.is_ready(pod)

        active = len(state.active)
        errors = await batch.in_parallel(state.active, delete)
        if deleted != active or not may_act:
            # Pods may be left, or not be in the cache yet: too early to say that the Job is finished.
            state.finished = None
        state.terminating += deleted
        return active - deleted, errors[0] if errors else None

    def _suspend_or_resume(self, state: State) -> bool:
        if state.suspended:
            if not ensure_condition(state.status, new_condition("Suspended", "JobSuspended", "Job suspended", state.now)):
                return False
            self._recorder.event(state.job, "Normal", "Suspended", "Job suspended")
            # Until it is resumed it has not started, which lets its scheduling be changed.
            state.status.pop("startTime", None)
            return True
        if not ensure_condition(state.status, new_condition("Suspended", "JobResumed", "Job resumed", state.now, "False")):
            return False
        self._recorder.event(state.job, "Normal", "Resumed", "Job resumed")
        # The deadline counts from the resumption.
        state.status["startTime"] = format_time(state.now)
        return True

    async def _manage(self, key: str, state: State, record: backoff.Record) -> tuple[int, float | None, Exception | None]:
        """Create or delete pods; (active then, seconds to wait for a backoff, first error) (manageJob)."""
        active = len(state.active)
        wanted = 0 if state.suspended else state.wanted_active()
        doomed = self._doomed(state, max(0, active - wanted))[: MAX_PER_SYNC if not state.suspended else None]
        if doomed or state.suspended:
            deleted, failure = await self._delete(key, state, doomed)
            return active - deleted, None, failure
        missing = wanted - active - (state.terminating if policies.only_replace_failed(state.job) else 0)
        if missing <= 0:
            return active, None, None
        if not state.per_index and (pause := record.remaining(state.now)) > 0:
            return 0, pause, None
        missing = min(missing, MAX_PER_SYNC)
        slots: list[int | None] = [None] * missing
        if state.indexed:
            pending = self._pending(state, missing)
            ready = [i for i in pending if backoff.remaining_for_index(state.waiting.get(i), state.now) == 0]
            if pending and not ready:
                return 0, min(backoff.remaining_for_index(state.waiting.get(i), state.now) for i in pending), None
            slots = list(ready)
        created, failure = await self._create(key, state, slots)
        return active + created, None, failure

    def _pending(self, state: State, count: int) -> list[int]:
        taken = {i for p in state.active if (i := indexes.index_of(p)) is not None} | state.done | (state.failed_indexes or set())
        if policies.only_replace_failed(state.job):
            taken |= {i for p in state.pods if podlib.is_terminating(p) and (i := indexes.index_of(p)) is not None}
        return indexes.first_pending(taken, count, state.completions or 0)

    def _doomed(self, state: State, at_least: int) -> list[Obj]:
        remove, stay = indexes.surplus(state.active, state.completions or 0, state.now) if state.indexed else ([], state.active)
        if len(remove) < at_least:
            remove = remove + to_delete(stay, (), at_least - len(remove), state.now)
        return remove

    async def _delete(self, key: str, state: State, doomed: list[Obj]) -> tuple[int, Exception | None]:
        """Delete active pods that are not wanted; their finalizers go first, as they do not count."""
        self._expected.expect(key, deletions=map(key_of, doomed))
        deleted = 0

        async def delete(pod: Obj) -> None:
            nonlocal deleted
            try:
                if tracked(pod):
                    await self._tracker.release(pod)
                await self._control.delete(state.job, pod)
            except NotFound:
                self._expected.deleted(key, key_of(pod))
            except Exception:
                self._expected.deleted(key, key_of(pod))
                raise
            deleted += 1
            state.ready -= podlib.is_ready(pod)

        errors = await batch.in_parallel(doomed, delete)
        state.terminating += deleted
        return deleted, errors[0] if errors else None

    async def _create(self, key: str, state: State, slots: list[int | None]) -> tuple[int, Exception | None]:
        self._expected.expect(key, creations=len(slots))

        async def create(number: int) -> None:
            index = slots[number]
            replaced = state.waiting.get(index) if index is not None else None
            try:
                await self._control.create(state.job, build(state.job, index, replaced))
            except Exception as e:
                if not namespace_terminating(e):
                    raise

        made, failure = await batch.slow_start(len(slots), create)
        self._expected.created(key, len(slots) - made)
        return made, failure
