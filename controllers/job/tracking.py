"""Counting pods that ended exactly once: their uids go into the status, then their finalizers go, then the counters grow.

job_controller.go trackJobStatusAndRemoveFinalizers. A crash between any two steps loses and doubles nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from controllers.common import batch, pods
from controllers.job import indexes, policies
from controllers.job.pod import FINALIZER, tracked
from controllers.job.state import FAILURE_TARGET, MAX_UNCOUNTED, SUCCESS_MET, State, ensure_condition, is_true, new_condition
from kubepy.api import meta
from kubepy.api.errors import NotFound
from kubepy.client import Client
from kubepy.runtime import EventRecorder

Obj = dict[str, Any]


class Tracker:
    """Finalizer removals that the cache does not show yet, and the writing of Job statuses."""

    def __init__(self, client: Client, recorder: EventRecorder) -> None:
        self._client, self._recorder = client, recorder
        self._removed: dict[str, set[str]] = {}

    def removed(self, key: str) -> set[str]:
        """Uids of a Job's pods whose finalizer was removed and not yet seen to be; a copy."""
        return set(self._removed.get(key, ()))

    def observed(self, key: str, uid: str) -> None:
        """The cache shows a pod without finalizer."""
        if (uids := self._removed.get(key)) is not None:
            uids.discard(uid)

    def forget(self, key: str) -> None:
        """The Job is gone."""
        self._removed.pop(key, None)

    async def release(self, pod: Obj) -> None:
        """Remove the tracking finalizer; a pod that is gone is fine."""
        patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER], "uid": meta.uid(pod)}}
        try:
            await self._client.patch("pods", meta.name(pod), patch, meta.namespace(pod), type="strategic")
        except NotFound:
            return

    async def track(self, key: str, state: State, flush: bool, flushed: Callable[[], None]) -> None:
        """Write the status of `state` and release the pods it accounts for; `flushed` is called after the first write."""
        status = state.status
        held = {meta.uid(p) for p in state.pods if tracked(p) and meta.uid(p) not in state.removed}
        flush = _count(status, held) or flush
        release, noted, full = self._note(state)
        flush = noted or flush
        if state.indexed:
            flush = self._write_indexes(state) or flush
        final, interim = self._conclude(state)
        flush = interim or flush
        job = {**state.job, "status": status}
        if flush:
            job = await self._client.update_status("jobs.batch", job)
            status = job["status"] = dict(job.get("status", {}))
            status["uncountedTerminatedPods"] = {k: list(v) for k, v in (status.get("uncountedTerminatedPods") or {}).items()}
            flushed()
        failure = await self._release_all(key, release, held)
        changed = _count(status, held)
        if failure is not None:
            if changed:
                await self._client.update_status("jobs.batch", job)
            raise failure
        done = not full and final is not None and state.terminating == 0 and not any(status["uncountedTerminatedPods"].values())
        if done and final is not None:
            ensure_condition(status, final)
            if final["type"] == "Complete":
                status["completionTime"] = final["lastTransitionTime"]
        if changed or done:
            await self._client.update_status("jobs.batch", job)
        if done and final is not None:
            self._announce(state.job, status, final)

    def _note(self, state: State) -> tuple[list[Obj], bool, bool]:
        """Note pods that ended as uncounted; (pods to release, whether anything was noted, whether the list is full)."""
        release: list[Obj] = []
        noted = False
        fresh = 0
        completions = state.completions or 0
        succeeded, failed = state.uncounted("succeeded"), state.uncounted("failed")
        ordered = sorted(state.pods, key=lambda p: indexes.index_of(p) or 0) if state.indexed else state.pods
        ended = state.finished is not None and state.finished["type"] not in (SUCCESS_MET, "Complete")
        for pod in ordered:
            uid = meta.uid(pod)
            if not state.counts(pod) or not state.may_release(pod):
                continue
            release.append(pod)
            index = indexes.valid_index(pod, completions)
            if pods.phase(pod) == "Succeeded" and uid not in failed:
                if state.indexed:
                    if index is not None and index not in state.done_before:
                        noted, fresh = True, fresh + 1
                elif uid not in succeeded:
                    succeeded.append(uid)
                    noted = True
            elif _failed_anew(state, pod, ended, index) and uid not in failed and policies.judge(state.job, pod)[1]:
                failed.append(uid)
                noted = True
            if fresh + len(succeeded) + len(failed) >= MAX_UNCOUNTED:
                return release, noted, True
        return release, noted, False

    def _write_indexes(self, state: State) -> bool:
        status = state.status
        text = indexes.render(state.done)
        changed: bool = text != status.get("completedIndexes", "")
        status["succeeded"], status["completedIndexes"] = len(state.done), text
        if state.failed_indexes is not None:
            failed = indexes.render(state.failed_indexes)
            changed = changed or failed != status.get("failedIndexes")
            status["failedIndexes"] = failed
        return changed

    def _conclude(self, state: State) -> tuple[Obj | None, bool]:
        """(the terminal condition to set in the end or None, whether an interim one was put into the status now)."""
        found = state.finished
        if found is None:
            return None, False
        interim = False
        if found["type"] == FAILURE_TARGET:
            state.status["conditions"] = [*(state.status.get("conditions") or ()), found]
            return new_condition("Failed", found["reason"], found["message"], state.now), True
        if found["type"] == SUCCESS_MET:
            if not is_true(state.status, SUCCESS_MET):
                state.status["conditions"] = [*(state.status.get("conditions") or ()), found]
                interim = True
            return new_condition("Complete", found["reason"], found["message"], state.now), interim
        return found, interim

    async def _release_all(self, key: str, release: list[Obj], held: set[str]) -> Exception | None:
        waiting = self._removed.setdefault(key, set())

        async def one(pod: Obj) -> None:
            waiting.add(meta.uid(pod))
            try:
                await self.release(pod)
            except Exception:
                waiting.discard(meta.uid(pod))
                raise
            held.discard(meta.uid(pod))

        errors = await batch.in_parallel(release, one)
        return errors[0] if errors else None

    def _announce(self, job: Obj, status: Obj, final: Obj) -> None:
        if final["type"] != "Complete":
            self._recorder.event(job, "Warning", final["reason"], final["message"])
            return
        completions = job["spec"].get("completions")
        if completions is not None and status.get("succeeded", 0) > completions:
            text = "Too many succeeded pods running after completion count reached"
            self._recorder.event(job, "Warning", "TooManySucceededPods", text)
        self._recorder.event(job, "Normal", "Completed", "Job completed")


def _failed_anew(state: State, pod: Obj, ended: bool, index: int | None) -> bool:
    """Whether a pod counts as failed: of a failed Job every pod that did not succeed does."""
    return (policies.is_failed(pod, state.job) or ended) and (not state.indexed or index is not None)


def _count(status: Obj, held: set[str]) -> bool:
    """Move uids whose pods have no finalizer any more from the uncounted lists into the counters."""
    changed = False
    uncounted = status["uncountedTerminatedPods"]
    for which in ("succeeded", "failed"):
        uids = uncounted.get(which) or []
        left = [uid for uid in uids if uid in held]
        if len(left) != len(uids):
            status[which] = status.get(which, 0) + len(uids) - len(left)
            uncounted[which] = left
            changed = True
    status["uncountedTerminatedPods"] = {k: v for k, v in uncounted.items() if v}
    return changed
