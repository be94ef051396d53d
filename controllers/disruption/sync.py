"""The disruption controller: keeps the status of PodDisruptionBudgets, and lifts DisruptionTarget from pods that were spared."""

from __future__ import annotations

from typing import Any

from controllers.common import pods
from controllers.common.goselector import go_selector
from controllers.common.resources import shared
from controllers.context import Context
from controllers.disruption import plan
from controllers.disruption.scales import Scales
from kubepy.api import meta
from kubepy.api.errors import Conflict, NotFound
from kubepy.api.selectors import SelectorError, from_label_selector
from kubepy.runtime import Result
from kubepy.runtime.cache import key_of
from kubepy.runtime.clock import format_time, parse_time

Obj = dict[str, Any]

PDBS = "poddisruptionbudgets.policy"
STALE_SECONDS = 120.0
"""How long a pod may carry DisruptionTarget without being deleted."""


def start(ctx: Context) -> None:
    """Register the disruption controller."""
    _Disruption(ctx)


class _Disruption:
    def __init__(self, ctx: Context) -> None:
        self._client, self._clock = ctx.client, ctx.clock
        self._recorder = ctx.recorder("controllermanager")
        self._scales = Scales(ctx, shared(ctx))
        self._pdbs, self._pods = ctx.informer(PDBS), ctx.informer("pods")
        self._controller = ctx.controller("disruption", self._sync, workers=4)
        self._controller.watch(self._pdbs)
        self._controller.depends(self._pods, *self._scales.informers)
        self._stale = ctx.controller("stale-pod-disruption", self._lift, workers=2)
        self._stale.depends(self._pods)
        self._pods.on_event(self._pod_changed)
        for informer in self._scales.informers:
            informer.on_event(self._owner_changed)

    def _pod_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        if kind == "DELETED" or old is None or self._differs(old, new):
            for pod in (old, new) if old is not None and meta.labels(old) != meta.labels(new) else (new,):
                for key in self._budgets_of(pod):
                    self._controller.enqueue(key)
        if kind != "DELETED" and (since := self._target_since(new)) is not None:
            self._stale.enqueue(key_of(new), after=max(0.0, since + STALE_SECONDS - self._clock.time()))

    def _differs(self, old: Obj, new: Obj) -> bool:
        return (pods.is_ready(old), meta.deleting(old), meta.labels(old), meta.controller_of(old)) != (
            pods.is_ready(new), meta.deleting(new), meta.labels(new), meta.controller_of(new),
        )  # fmt: skip

    def _budgets_of(self, pod: Obj) -> list[str]:
        """The budgets that select a pod; one is all that eviction can honour, so more of them are reported."""
        out = []
        for pdb in self._pdbs.cache.list(meta.namespace(pod)):
            try:
                if from_label_selector(pdb["spec"].get("selector")).matches(meta.labels(pod)):
                    out.append(key_of(pdb))
            except SelectorError:
                continue
        if len(out) > 1:
            chosen = out[0].partition("/")[2]
            text = f'Pod "{meta.namespace(pod)}"/"{meta.name(pod)}" matches multiple PodDisruptionBudgets.  Chose "{chosen}" arbitrarily.'
            self._recorder.event(pod, "Warning", "MultiplePodDisruptionBudgets", text)
        return out

    def _owner_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        """A controller was resized: budgets that are relative to its size change."""
        if kind == "MODIFIED" and old is not None and old["spec"].get("replicas") != new["spec"].get("replicas"):
            for pdb in self._pdbs.cache.list(meta.namespace(new)):
                if plan.needs_scale(pdb):
                    self._controller.enqueue(key_of(pdb))

    async def _sync(self, key: str) -> Result | None:
        pdb = self._pdbs.cache.get(key)
        if pdb is None:
            return None
        now = self._clock.time()
        try:
            selector = from_label_selector(pdb["spec"].get("selector"))
            members = [p for p in self._pods.cache.list(meta.namespace(pdb)) if selector.matches(meta.labels(p))]
            if not members:
                self._recorder.event(pdb, "Normal", "NoPods", "No matching pods found")
            expected, wanted = await self._expected(pdb, members)
        except (LookupError, ValueError) as e:
            self._recorder.event(pdb, "Warning", "CalculateExpectedPodCountFailed", f"Failed to calculate the number of expected pods: {e}")
            await self._fail_safe(pdb, str(e), now)
            return None
        disrupted, late, again = plan.still_disrupted(pdb, members, now)
        for pod in late:
            text = f"Pod was expected by PDB {key} to be deleted but it wasn't"
            self._recorder.event(pod, "Warning", "NotDeleted", text)
        status = plan.status(pdb, expected, wanted, plan.healthy(members, disrupted), disrupted, now)
        if not pods.same(status, pdb.get("status", {})):
            await self._client.update_status(PDBS, {**pdb, "status": status})
        return Result(after=max(0.0, again - now)) if again is not None else None

    async def _expected(self, pdb: Obj, members: list[Obj]) -> tuple[int, int]:
        if not plan.needs_scale(pdb):
            return plan.desired(pdb, len(members), 0)
        sizes: dict[str, int] = {}
        unmanaged = []
        for pod in members:
            if meta.controller_of(pod) is None:
                unmanaged.append(pod)
                continue
            found = await self._scales.of(pod)
            if found is not None:
                sizes[found[0]] = found[1]
        if unmanaged:
            shown = go_selector(pdb["spec"].get("selector"))
            text = (
                f"Pods selected by this PodDisruptionBudget (selector: {shown}) were found to be unmanaged. "
                "As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. "
                'To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
            )
            self._recorder.event(pdb, "Warning", "UnmanagedPods", text)
        return plan.desired(pdb, len(members), sum(sizes.values()))

    async def _fail_safe(self, pdb: Obj, why: str, now: float) -> None:
        """Allow nothing while the numbers cannot be known."""
        status: Obj = {**pdb.get("status", {}), "disruptionsAllowed": 0}
        # What was last observed stays: this generation was not.
        status["conditions"] = plan.conditions(pdb, status.get("observedGeneration", 0), "False", "SyncFailed", why, now)
        for count in ("currentHealthy", "desiredHealthy", "expectedPods"):
            status.setdefault(count, 0)
        await self._client.update_status(PDBS, {**pdb, "status": status})

    def _target_since(self, pod: Obj) -> float | None:
        """Since when a pod that is not going carries DisruptionTarget."""
        condition = pods.condition(pod, "DisruptionTarget")
        if condition is None or condition["status"] != "True" or meta.deleting(pod) or pods.is_terminal(pod):
            return None
        return parse_time(condition["lastTransitionTime"]) if condition.get("lastTransitionTime") else 0.0

    async def _lift(self, key: str) -> Result | None:
        pod = self._pods.cache.get(key)
        since = self._target_since(pod) if pod is not None else None
        if pod is None or since is None:
            return None
        now = self._clock.time()
        if since + STALE_SECONDS > now:
            return Result(after=since + STALE_SECONDS - now)
        entry = {"type": "DisruptionTarget", "status": "False", "lastTransitionTime": format_time(now)}
        patch = {"metadata": {"resourceVersion": meta.resource_version(pod)}, "status": {"conditions": [entry]}}
        try:
            await self._client.patch("pods", meta.name(pod), patch, meta.namespace(pod), type="strategic", subresource="status")
        except (NotFound, Conflict):
            return Result(requeue=True)
        return None
