"""One look at a Job and its pods: what has finished, what it means, and the status that says so. Pure (job_controller.go syncJob)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from controllers.common import pods
from controllers.job import indexes, policies
from controllers.job.backoff import finished_at
from controllers.job.pod import tracked
from kubepy.api import meta
from kubepy.runtime.clock import format_time, parse_time

Obj = dict[str, Any]

FAILURE_TARGET, SUCCESS_MET = "FailureTarget", "SuccessCriteriaMet"
MAX_UNCOUNTED = 500


def find(status: Obj, kind: str) -> Obj | None:
    """The condition of that type."""
    return next((c for c in status.get("conditions") or () if c["type"] == kind), None)


def is_true(status: Obj, kind: str) -> bool:
    """Whether the condition is True."""
    found = find(status, kind)
    return found is not None and found["status"] == "True"


def is_finished(job: Obj) -> bool:
    """Complete or Failed."""
    status = job.get("status", {})
    return is_true(status, "Complete") or is_true(status, "Failed")


def new_condition(kind: str, reason: str, message: str, now: float, value: str = "True") -> Obj:
    """A condition of a Job."""
    stamp = format_time(now)
    return {"type": kind, "status": value, "lastProbeTime": stamp, "lastTransitionTime": stamp, "reason": reason, "message": message}


def ensure_condition(status: Obj, condition: Obj) -> bool:
    """Put or replace a condition; whether that changed anything. A False one is not put where none was."""
    present = find(status, condition["type"])
    if present is None:
        if condition["status"] == "False":
            return False
        status["conditions"] = [*(status.get("conditions") or ()), condition]
        return True
    if all(present.get(key, "") == condition[key] for key in ("status", "reason", "message")):
        return False
    status["conditions"] = [condition if c is present else c for c in status["conditions"]]
    return True


@dataclass
class State:
    """A Job, its pods and what follows from them; `status` is a private copy that grows into the new status."""

    job: Obj
    pods: list[Obj]
    now: float
    removed: set[str]
    """Uids of pods whose finalizer was removed, which the cache does not show yet."""
    started: float | None = None
    """When the Job was started, if that is known better than by the whole seconds of its status."""
    status: Obj = field(init=False)
    active: list[Obj] = field(init=False)
    ready: int = field(init=False)
    terminating: int = field(init=False)
    succeeded: int = field(init=False)
    failed: int = field(init=False)
    newly_succeeded: list[Obj] = field(init=False)
    newly_failed: list[Obj] = field(init=False)
    finished: Obj | None = field(init=False, default=None)
    done_before: set[int] = field(init=False, default_factory=set)
    done: set[int] = field(init=False, default_factory=set)
    failed_indexes: set[int] | None = field(init=False, default=None)
    waiting: dict[int, Obj] = field(init=False, default_factory=dict)
    """Per index the failed pod that stays until its replacement carries its failure count on."""

    def __post_init__(self) -> None:
        self.status = dict(self.job.get("status", {}))
        uncounted = self.status.get("uncountedTerminatedPods") or {}
        self.status["uncountedTerminatedPods"] = {k: list(v) for k, v in uncounted.items()}
        self.active = [p for p in self.pods if pods.is_active(p)]
        self.ready = sum(pods.is_ready(p) for p in self.active)
        self.terminating = sum(pods.is_terminating(p) for p in self.pods)
        self.newly_succeeded = [p for p in self._fresh("succeeded") if pods.phase(p) == "Succeeded"]
        self.newly_failed = [p for p in self._fresh("failed") if policies.is_failed(p, self.job)]
        self.succeeded = self.status.get("succeeded", 0) + len(self.newly_succeeded) + len(self.uncounted("succeeded"))
        counted = sum(policies.judge(self.job, p)[1] for p in self.newly_failed)
        self.failed = self.status.get("failed", 0) + counted + len(self.uncounted("failed"))
        if not self.status.get("startTime") and not self.suspended:
            self.status["startTime"] = format_time(self.now)

    @property
    def spec(self) -> Obj:
        """The Job's spec."""
        found: Obj = self.job["spec"]
        return found

    @property
    def suspended(self) -> bool:
        """Whether the Job is suspended."""
        return bool(self.spec.get("suspend"))

    @property
    def indexed(self) -> bool:
        """Whether the Job is Indexed."""
        return bool(self.spec.get("completionMode") == "Indexed")

    @property
    def per_index(self) -> bool:
        """Whether failures are limited per index."""
        return self.spec.get("backoffLimitPerIndex") is not None

    @property
    def completions(self) -> int | None:
        """spec.completions."""
        found = self.spec.get("completions")
        return None if found is None else int(found)

    def uncounted(self, which: str) -> list[str]:
        """Uids of `succeeded` or `failed` pods noted in the status and not yet counted; the list itself."""
        found: list[str] = self.status["uncountedTerminatedPods"].setdefault(which, [])
        return found

    def counts(self, pod: Obj) -> bool:
        """Whether a pod is still to be accounted for."""
        return tracked(pod) and meta.uid(pod) not in self.removed

    def _fresh(self, which: str) -> list[Obj]:
        known = set(self.uncounted(which))
        out = [p for p in self.pods if self.counts(p) and meta.uid(p) not in known]
        return [p for p in out if indexes.valid_index(p, self.completions or 0) is not None] if self.indexed else out

    def judge(self) -> float | None:
        """Decide whether the Job is finished (`finished`); the seconds until its deadline, if there is one to wait for."""
        wait = None
        if is_true(self.status, SUCCESS_MET):
            self.finished = find(self.status, SUCCESS_MET)
        elif (target := find(self.status, FAILURE_TARGET)) is not None and target["status"] == "True":
            self.finished = new_condition("Failed", target["reason"], target["message"], self.now)
        elif (message := self._policy_failure()) is not None:
            self.finished = new_condition(FAILURE_TARGET, "PodFailurePolicy", message, self.now)
        elif self.failed > self.spec.get("backoffLimit", 6) or self._restarted_too_often():
            self._fail("BackoffLimitExceeded", "Job has reached the specified backoff limit")
        elif (limit := self.spec.get("activeDeadlineSeconds")) is not None and not self.suspended:
            whole = parse_time(self.status["startTime"])
            exact = self.started if self.started is not None and int(self.started) == whole else whole
            wait = exact + limit - self.now
            if wait <= 0:
                self._fail("DeadlineExceeded", "Job was active longer than specified deadline")
        if self.indexed:
            self._judge_indexes()
        return wait

    def _fail(self, reason: str, message: str) -> None:
        self.finished = new_condition(FAILURE_TARGET, reason, message, self.now)

    def _policy_failure(self) -> str | None:
        if not self.spec.get("podFailurePolicy"):
            return None
        for pod in self.pods:
            if policies.is_failed(pod, self.job) and (message := policies.judge(self.job, pod)[0]) is not None:
                return message
        return None

    def _restarted_too_often(self) -> bool:
        if self.spec["template"]["spec"].get("restartPolicy") != "OnFailure":
            return False
        restarts: int = sum(
            entry.get("restartCount", 0)
            for pod in self.pods
            if pods.phase(pod) in ("Running", "Pending")
            for which in ("initContainerStatuses", "containerStatuses")
            for entry in pod.get("status", {}).get(which) or ()
        )
        limit: int = self.spec.get("backoffLimit", 6)
        return restarts > 0 if limit == 0 else restarts >= limit

    def _judge_indexes(self) -> None:
        completions = self.completions or 0
        self.done_before = indexes.parse(self.status.get("completedIndexes"), completions)
        fresh = {i for p in self.newly_succeeded if (i := indexes.valid_index(p, completions)) is not None}
        self.done = self.done_before | fresh
        self.succeeded = len(self.done)
        if self.per_index:
            failed = indexes.parse(self.status.get("failedIndexes"), completions)
            candidates = [p for p in self.pods if self.counts(p) and policies.is_failed(p, self.job)]
            for pod in candidates:
                index = indexes.valid_index(pod, completions)
                if index is not None and policies.index_has_failed(pod, self.job):
                    failed.add(index)
            self.failed_indexes = failed
            if self.finished is None:
                most = self.spec.get("maxFailedIndexes")
                if most is not None and len(failed) > most:
                    self._fail("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes")
                elif failed and len(failed) + len(self.done) >= completions:
                    self._fail("FailedIndexes", "Job has failed indexes")
            self._find_waiting(candidates, completions)
        if self.finished is None and (message := policies.succeeded_enough(self.job, self.done)) is not None:
            self.finished = new_condition(SUCCESS_MET, "SuccessPolicy", message, self.now)

    def _find_waiting(self, candidates: Sequence[Obj], completions: int) -> None:
        running = {indexes.index_of(p) for p in self.active}
        for pod in candidates:
            index = indexes.valid_index(pod, completions)
            if index is None or index in running or index in self.done or index in (self.failed_indexes or ()):
                continue
            known = self.waiting.get(index)
            if known is None or (
                policies.absolute_failures(known) <= policies.absolute_failures(pod) and finished_at(known) <= finished_at(pod)
            ):
                self.waiting[index] = pod

    def is_complete(self, active: int) -> bool:
        """Whether enough pods succeeded and none is active."""
        if self.completions is None:
            return self.succeeded > 0 and active == 0
        return self.succeeded >= self.completions and active == 0

    def wanted_active(self) -> int:
        """How many pods should be active."""
        parallelism = int(self.spec.get("parallelism", 1))
        if self.completions is None:
            return len(self.active) if self.succeeded > 0 else parallelism
        return max(0, min(self.completions - self.succeeded, parallelism))

    def may_release(self, pod: Obj) -> bool:
        """Whether the pod's finalizer may go (canRemoveFinalizer)."""
        if meta.deleting(self.job) or self.finished is not None or pods.phase(pod) == "Succeeded":
            return True
        if not policies.is_failed(pod, self.job):
            return False
        index = indexes.index_of(pod)
        waiting = self.waiting.get(index) if index is not None else None
        return not (self.per_index and waiting is not None and meta.uid(waiting) == meta.uid(pod))
