"""The CronJob controller (cronjob_controllerv2.go): starts Jobs when they are due, keeps the list of active ones and a history."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

from controllers.common import pods
from controllers.common.podcontrol import namespace_terminating
from controllers.context import Context
from controllers.cronjob import schedule as cron
from kubepy.api import meta
from kubepy.api.errors import AlreadyExists, NotFound, StatusError
from kubepy.runtime import Result
from kubepy.runtime.clock import format_time, parse_time
from kubepy.runtime.events import reference

Obj = dict[str, Any]

CRONJOBS, JOBS = "cronjobs.batch", "jobs.batch"
SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
LATE = 0.1
"""Seconds after the due time at which a CronJob is looked at: never before it by a skewed timer."""


def start(ctx: Context) -> None:
    """Register the CronJob controller."""
    _CronJobs(ctx)


def finished(job: Obj) -> str:
    """`Complete`, `Failed`, or an empty text."""
    for condition in job.get("status", {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return str(condition["type"])
    return ""


def job_for(cronjob: Obj, at: float) -> Obj:
    """The Job of one run."""
    template = cronjob["spec"]["jobTemplate"]
    source = template.get("metadata") or {}
    zone = cronjob["spec"].get("timeZone")
    local = datetime.fromtimestamp(at, ZoneInfo(zone)).isoformat().replace("+00:00", "Z") if zone else format_time(at)
    metadata: Obj = {
        "name": f"{meta.name(cronjob)}-{int(at) // 60}", "namespace": meta.namespace(cronjob),
        "annotations": {**(source.get("annotations") or {}), SCHEDULED: local},
        "ownerReferences": [meta.controller_ref(cronjob)],
    }  # fmt: skip
    if source.get("labels"):
        metadata["labels"] = source["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}


class _CronJobs:
    def __init__(self, ctx: Context) -> None:
        self._client, self._clock = ctx.client, ctx.clock
        self._recorder = ctx.recorder("cronjob-controller")
        self._cronjobs, self._jobs = ctx.informer(CRONJOBS), ctx.informer(JOBS)
        self._jobs.cache.add_index("controller", pods.by_controller)
        self._controller = ctx.controller("cronjob", self._sync, workers=5)
        self._controller.watch(self._cronjobs)
        self._controller.watch(self._jobs, self._owner)

    def _owner(self, job: Obj) -> list[str]:
        ref = meta.controller_of(job)
        return [f"{meta.namespace(job)}/{ref['name']}"] if ref is not None and ref["kind"] == "CronJob" else []

    async def _sync(self, key: str) -> Result | None:
        cached = self._cronjobs.cache.get(key)
        if cached is None:
            return None
        cronjob: Obj = {**cached, "status": {**cached.get("status", {})}}
        status = cronjob["status"]
        status["active"] = list(status.get("active") or ())
        before = {**cached.get("status", {})}
        children = self._jobs.cache.by_index("controller", meta.uid(cronjob))
        failure: Exception | None = None
        wait: float | None = None
        try:
            cronjob = await self._settle(cronjob, children)
            status = cronjob["status"]
            wait = await self._run(cronjob)
        except StatusError as e:
            failure = e
        await self._clean(cronjob, children)
        if not status["active"]:
            del status["active"]
        if not pods.same(status, before):
            await self._client.update_status(CRONJOBS, cronjob)
        if failure is not None:
            raise failure
        return Result(after=wait) if wait is not None else None

    async def _settle(self, cronjob: Obj, children: list[Obj]) -> Obj:
        """Bring the active list and the last success in line with the Jobs."""
        status = cronjob["status"]
        known = {meta.uid(job) for job in children}
        for job in children:
            active = any(ref["uid"] == meta.uid(job) for ref in status["active"])
            outcome = finished(job)
            if not active and not outcome:
                fresh = await self._client.get(CRONJOBS, meta.name(cronjob), meta.namespace(cronjob))
                listed = fresh.get("status", {}).get("active") or []
                if any(ref["uid"] == meta.uid(job) for ref in listed):
                    cronjob = {**fresh, "status": {**fresh["status"], "active": list(listed)}}
                    status = cronjob["status"]
                    continue
                text = f"Saw a job that the controller did not create or forgot: {meta.name(job)}"
                self._recorder.event(cronjob, "Warning", "UnexpectedJob", text)
            elif active and outcome:
                status["active"] = [ref for ref in status["active"] if ref["uid"] != meta.uid(job)]
                text = f"Saw completed job: {meta.name(job)}, condition: {outcome}"
                self._recorder.event(cronjob, "Normal", "SawCompletedJob", text)
            if (
                outcome == "Complete"
                and (ended := job["status"].get("completionTime"))
                and ended > (status.get("lastSuccessfulTime") or "")
            ):
                status["lastSuccessfulTime"] = ended
        for ref in list(status["active"]):
            if ref["uid"] in known:
                continue
            try:
                await self._client.get(JOBS, ref["name"], ref["namespace"])
            except NotFound:
                self._recorder.event(cronjob, "Normal", "MissingJob", f"Active job went missing: {ref['name']}")
                status["active"].remove(ref)
        return cronjob

    async def _run(self, cronjob: Obj) -> float | None:
        """Start what is due; the seconds until the next run."""
        spec, status = cronjob["spec"], cronjob["status"]
        if meta.deleting(cronjob):
            return None
        zone = spec.get("timeZone")
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (OSError, ValueError):
                text = f'invalid timeZone: "{zone}": unknown time zone {zone}'
                self._recorder.event(cronjob, "Warning", "UnknownTimeZone", text)
                return None
        if spec.get("suspend"):
            return None
        if "TZ" in spec["schedule"]:
            text = (
                f'CRON_TZ or TZ used in schedule "{spec["schedule"]}" is not officially supported, see '
                "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
            )
            self._recorder.event(cronjob, "Warning", "UnsupportedSchedule", text)
        try:
            schedule = cron.parse(spec["schedule"], zone)
        except cron.ScheduleError as e:
            text = f'unparseable schedule: "{spec["schedule"]}" : {e}'
            self._recorder.event(cronjob, "Warning", "UnparseableSchedule", text)
            return None
        now = self._clock.time()
        try:
            found = self._due(cronjob, schedule, now)
            wait = self._until_next(cronjob, schedule, now)
        except cron.ScheduleError as e:
            self._recorder.event(cronjob, "Warning", "InvalidSchedule", f"invalid schedule: {spec['schedule']} : {e}")
            return None
        if found.many:
            text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self._recorder.event(cronjob, "Warning", "TooManyMissedTimes", text)
        at = found.at
        if at is None:
            return wait
        deadline = spec.get("startingDeadlineSeconds")
        if deadline is not None and at + deadline < now:
            stamp = format_datetime(datetime.fromtimestamp(at, UTC), usegmt=True).replace("GMT", "UTC")
            self._recorder.event(cronjob, "Warning", "MissSchedule", f"Missed scheduled time to start a job: {stamp}")
            return wait
        name = f"{meta.name(cronjob)}-{int(at) // 60}"
        if any(ref["name"] == name for ref in status["active"]) or status.get("lastScheduleTime") == format_time(at):
            return wait
        if spec.get("concurrencyPolicy") == "Forbid" and status["active"]:
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._recorder.event(cronjob, "Normal", "JobAlreadyActive", text)
            return wait
        if spec.get("concurrencyPolicy") == "Replace":
            for ref in list(status["active"]):
                try:
                    job = await self._client.get(JOBS, ref["name"], ref["namespace"])
                except StatusError as e:
                    self._recorder.event(cronjob, "Warning", "FailedGet", f"Get job: {e}")
                    raise
                await self._delete(cronjob, job)
        return wait if await self._create(cronjob, at) else None

    async def _create(self, cronjob: Obj, at: float) -> bool:
        """Create the Job of a run and list it as active; False when someone else made it."""
        body = job_for(cronjob, at)
        try:
            job = await self._client.create(JOBS, body)
        except AlreadyExists:
            job = await self._client.get(JOBS, meta.name(body), meta.namespace(body))
            if not meta.is_controlled_by(job, cronjob) or any(r["uid"] == meta.uid(job) for r in cronjob["status"]["active"]):
                return False
        except StatusError as e:
            if not namespace_terminating(e):
                self._recorder.event(cronjob, "Warning", "FailedCreate", f"Error creating job: {e}")
            raise
        else:
            self._recorder.event(cronjob, "Normal", "SuccessfulCreate", f"Created job {meta.name(job)}")
        cronjob["status"]["active"].append(reference(job))
        cronjob["status"]["lastScheduleTime"] = format_time(at)
        return True

    async def _delete(self, cronjob: Obj, job: Obj) -> None:
        try:
            await self._client.delete(JOBS, meta.name(job), meta.namespace(job), propagation="Background")
        except NotFound:
            pass
        except StatusError as e:
            self._recorder.event(cronjob, "Warning", "FailedDelete", f"Deleted job: {e}")
            raise
        active = cronjob["status"].get("active") or []
        cronjob["status"]["active"] = [ref for ref in active if ref["uid"] != meta.uid(job)]
        self._recorder.event(cronjob, "Normal", "SuccessfulDelete", f"Deleted job {meta.name(job)}")

    async def _clean(self, cronjob: Obj, children: list[Obj]) -> None:
        """Delete the oldest finished Jobs beyond the two history limits."""
        spec = cronjob["spec"]
        for outcome, field in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
            limit = spec.get(field)
            if limit is None:
                continue
            ended = [job for job in children if finished(job) == outcome and not meta.deleting(job)]
            ended.sort(key=lambda job: (job.get("status", {}).get("startTime") or "9", meta.name(job)))
            for job in ended[: max(0, len(ended) - limit)]:
                try:
                    await self._delete(cronjob, job)
                except StatusError:
                    continue

    def _since(self, cronjob: Obj) -> float:
        return parse_time(cronjob["status"].get("lastScheduleTime") or cronjob["metadata"]["creationTimestamp"])

    def _due(self, cronjob: Obj, schedule: cron.Schedule, now: float) -> cron.Due:
        since = self._since(cronjob)
        deadline = cronjob["spec"].get("startingDeadlineSeconds")
        return cron.due(schedule, since if deadline is None else max(since, now - deadline), now)

    def _until_next(self, cronjob: Obj, schedule: cron.Schedule, now: float) -> float | None:
        since = self._since(cronjob)
        found = cron.due(schedule, since, now)
        at = schedule.next(found.at if found.at is not None else now if found.missed else since)
        return None if at is None else max(at - now, 0.0) + LATE
