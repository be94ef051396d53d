"""Deletes finished Jobs when their ttlSecondsAfterFinished has passed (pkg/controller/ttlafterfinished)."""

from __future__ import annotations

from typing import Any

from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import NotFound
from kubepy.runtime import Result
from kubepy.runtime.clock import Clock, parse_time

Obj = dict[str, Any]


def expires(job: Obj) -> float | None:
    """When the Job is to go, in Unix seconds; None for never or not yet known."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    if ttl is None or meta.deleting(job):
        return None
    for condition in job.get("status", {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return parse_time(condition["lastTransitionTime"]) + float(ttl)
    return None


def start(ctx: Context) -> None:
    """Register the TTL-after-finished controller."""
    jobs = ctx.informer("jobs.batch")
    clock: Clock = ctx.clock

    async def reconcile(key: str) -> Result | None:
        job = jobs.cache.get(key)
        at = expires(job) if job is not None else None
        if job is None or at is None:
            return None
        if (left := at - clock.time()) > 0:
            return Result(after=left)
        try:
            # The TTL may have been raised since; delete only what still is due.
            fresh = await ctx.client.get("jobs.batch", meta.name(job), meta.namespace(job))
            at = expires(fresh)
            if at is None or at > clock.time():
                return None
            preconditions = {"uid": meta.uid(fresh)}
            await ctx.client.delete(
                "jobs.batch", meta.name(job), meta.namespace(job), propagation="Foreground", preconditions=preconditions
            )
        except NotFound:
            pass
        return None

    ctx.controller("ttl-after-finished", reconcile, workers=5).watch(jobs, only=lambda kind, old, new: kind != "DELETED")
