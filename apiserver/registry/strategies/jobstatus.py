"""The status of Jobs: counters, times, indexes and conditions must tell one story.

Upstream: validateJobStatus, ValidateJobUpdateStatus, getStatusValidationOptions in pkg/registry/batch/job/strategy.go. Each rule
applies only to what the update touches, so that statuses written by older controllers can still be updated.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors
from apiserver.registry.strategies.jobpolicies import bare, index_count
from apiserver.registry.strategies.workloads import numbers
from kubepy.api.errors import duplicate, invalid, required

_FINISHED = ("Complete", "Failed")


def _true(status: Obj, kind: str) -> bool:
    return any(c.get("type") == kind and c.get("status") == "True" for c in status.get("conditions") or ())


def validate(out: Errors, new: Obj, old: Obj) -> None:
    """An update of /status."""
    spec, status, before = new["spec"], new.get("status") or {}, old.get("status") or {}
    numbers(out, status, "status", "active", "succeeded", "failed", "ready", "terminating")
    _uncounted(out, status)
    _counters(out, spec, status, before)
    _indexes(out, spec, status, before)
    _times(out, spec, status, before)
    _conditions(out, status, before)


def _uncounted(out: Errors, status: Obj) -> None:
    found = status.get("uncountedTerminatedPods") or {}
    seen: set[str] = set()
    for key in ("succeeded", "failed"):
        for i, uid in enumerate(found.get(key) or ()):
            at = f"status.uncountedTerminatedPods.{key}[{i}]"
            if not uid:
                out.append(invalid(at, uid, "must not be empty"))
            elif uid in seen:
                out.append(duplicate(at, uid))
            seen.add(uid)


def _counters(out: Errors, spec: Obj, status: Obj, before: Obj) -> None:
    finished = any(_true(status, k) for k in _FINISHED)
    was_finished = any(_true(before, k) for k in _FINISHED)
    if finished:
        if status.get("active", 0) > 0 and (not was_finished or status.get("active") != before.get("active")):
            out.append(invalid("status.active", status["active"], "active>0 is invalid for finished job"))
        ready, was_ready = status.get("ready"), before.get("ready")
        if (ready or 0) > 0 and (not was_finished or ready != was_ready):
            out.append(invalid("status.ready", ready, "ready>0 is invalid for finished job"))
        terminating = status.get("terminating")
        if (terminating or 0) > 0 and (not was_finished or terminating != before.get("terminating")):
            out.append(invalid("status.terminating", terminating, "terminating>0 is invalid for finished job"))
        uncounted = status.get("uncountedTerminatedPods") or {}
        if (uncounted.get("failed") or uncounted.get("succeeded")) and not was_finished:
            text = "uncountedTerminatedPods needs to be empty for finished job"
            out.append(invalid("status.uncountedTerminatedPods", uncounted, text))
    if (status.get("ready") or 0) > status.get("active", 0) and status.get("ready") != before.get("ready"):
        out.append(invalid("status.ready", status["ready"], "cannot set more ready pods than active"))
    failed, was_failed = status.get("failed", 0), before.get("failed", 0)
    if failed < was_failed or failed < 0:
        out.append(invalid("status.failed", failed, "cannot decrease the failed counter"))
    succeeded, had_succeeded = status.get("succeeded", 0), before.get("succeeded", 0)
    if spec.get("completionMode") == "Indexed":
        _indexed_counter(out, spec, status, before)
    elif succeeded < had_succeeded or succeeded < 0:
        out.append(invalid("status.succeeded", succeeded, "cannot decrease the succeeded counter"))


def _indexed_counter(out: Errors, spec: Obj, status: Obj, before: Obj) -> None:
    if status.get("succeeded") == before.get("succeeded") and status.get("completedIndexes") == before.get("completedIndexes"):
        return
    try:
        count = index_count(status.get("completedIndexes") or "", spec.get("completions") or 0)
    except ValueError:
        return  # reported with the indexes
    if status.get("succeeded", 0) != count and status.get("completedIndexes"):
        text = f"number of succeeded needs to be equal the number of completed indexes, got {status.get('succeeded', 0)} and {count}"
        out.append(invalid("status.succeeded", status.get("succeeded", 0), text))


def _indexes(out: Errors, spec: Obj, status: Obj, before: Obj) -> None:
    done, failed = status.get("completedIndexes") or "", status.get("failedIndexes")
    indexed, total = spec.get("completionMode") == "Indexed", spec.get("completions") or 0
    if done and done != (before.get("completedIndexes") or ""):
        if not indexed:
            text = "cannot set non-empty completedIndexes when non-indexed completion mode"
            out.append(invalid("status.completedIndexes", done, text))
        try:
            index_count(done, total)
        except ValueError as e:
            out.append(invalid("status.completedIndexes", done, f"error parsing completedIndexes: {e}"))
    if failed is not None and failed != before.get("failedIndexes"):
        if spec.get("backoffLimitPerIndex") is None:
            text = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
            out.append(invalid("status.failedIndexes", failed, text))
        else:
            try:
                index_count(failed, total)
            except ValueError as e:
                out.append(invalid("status.failedIndexes", failed, f"error parsing failedIndexes: {e}"))
            else:
                _overlap(out, done, failed, total)


def _overlap(out: Errors, done: str, failed: str, total: int) -> None:
    try:
        both = index_count(done, total) and _members(done) & _members(failed)
    except ValueError:
        return
    if both:
        out.append(invalid("status.failedIndexes", failed, f"failedIndexes and completedIndexes overlap at index {min(both)}"))


def _members(text: str) -> set[int]:
    out: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        out.update(range(int(first), int(last or first) + 1))
    return out


def _times(out: Errors, spec: Obj, status: Obj, before: Obj) -> None:
    start, was_start = status.get("startTime"), before.get("startTime")
    end, was_end = status.get("completionTime"), before.get("completionTime")
    resumed = _true(before, "Suspended") and not _true(status, "Suspended")
    # A resumed Job begins anew: the controller sets the time in the write that ends the Suspended condition.
    if was_start and start != was_start and not spec.get("suspend") and not (resumed and start is not None):
        if start is None:
            out.append(required("status.startTime", "startTime cannot be removed for unsuspended job"))
        else:
            out.append(invalid("status.startTime", start, "field is immutable for unsuspended job once set"))
    complete = _true(status, "Complete")
    if complete != _true(before, "Complete") or end != was_end or start != was_start:
        if end is not None and not complete:
            text = "cannot set completionTime when there is no Complete=True condition"
            out.append(invalid("status.completionTime", end, text))
        if complete and end is None:
            out.append(required("status.completionTime", "completionTime is required for Complete jobs"))
        if start is not None and end is not None and complete and end < start:
            out.append(invalid("status.completionTime", end, "completionTime cannot be set before startTime"))
        if complete and start is None:
            out.append(required("status.startTime", "startTime is required for finished job"))
    if was_end is not None and end is not None and end != was_end:
        out.append(invalid("status.completionTime", end, "field is immutable"))


def _conditions(out: Errors, status: Obj, before: Obj) -> None:
    at = "status.conditions"
    if (status.get("conditions") or []) == (before.get("conditions") or []):
        return
    complete, failed = _true(status, "Complete"), _true(status, "Failed")
    target, met = _true(status, "FailureTarget"), _true(status, "SuccessCriteriaMet")
    was = {k: _true(before, k) for k in ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet")}
    for kind in ("Failed", "Complete"):
        if was[kind] and not _true(status, kind):
            out.append(bare(at, f"cannot disable the terminal {kind}=True condition"))
    for kind in ("FailureTarget", "SuccessCriteriaMet"):
        if was[kind] and not _true(status, kind):
            out.append(bare(at, f"cannot disable the {kind}=True condition"))
    if complete and failed:
        out.append(bare(at, "cannot set Complete=True and Failed=true conditions"))
    if complete and target:
        out.append(bare(at, "cannot set Complete=True and FailureTarget=true conditions"))
    if failed and not target and not was["Failed"]:
        out.append(bare(at, "cannot set Failed=True condition without the FailureTarget=true condition"))
    if complete and not met and not was["Complete"]:
        out.append(bare(at, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"))
    if met and failed:
        out.append(bare(at, "cannot set SuccessCriteriaMet=True and Failed=true conditions"))
    if met and target:
        out.append(bare(at, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"))
