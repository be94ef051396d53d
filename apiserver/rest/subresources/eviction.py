"""pods/eviction: deletion that respects PodDisruptionBudgets (pkg/registry/core/pod/storage/eviction.go)."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.context import Context, Lister, Obj
from apiserver.registry import deletion, objectmeta
from apiserver.registry.store import Registry
from apiserver.rest import params
from apiserver.rest.mutation import Ownership, own
from apiserver.rest.subresources.posted import SUCCESS
from kubepy.api import errors, selectors

MAX_DISRUPTED = 2000
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_UNGUARDED = frozenset(("Succeeded", "Failed", "Pending"))


def _too_many(message: str, retry: int = 0) -> errors.TooManyRequests:
    details: Obj = {"causes": [{"reason": "DisruptionBudget", "message": message}]}
    headers: tuple[tuple[str, str], ...] = ()
    if retry:
        details["retryAfterSeconds"] = retry
        headers = (("Retry-After", str(retry)),)
    return errors.TooManyRequests(_REFUSED, details=details, headers=headers)


def _ready(pod: Obj) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


class Evictor:
    """Answers evictions."""

    def __init__(self, registry: Registry, lister: Lister, ownership: Ownership) -> None:
        self._registry = registry
        self._lister = lister
        self._ownership = ownership

    async def evict(self, ctx: Context, namespace: str, name: str, obj: Obj) -> Obj:
        """Delete the pod if its budget allows. Raises TooManyRequests, BadRequest, NotFound, Conflict."""
        if (obj.get("metadata") or {}).get("name", "") != name:
            raise errors.BadRequest("name in URL does not match name in Eviction object")
        options: Obj = dict(obj.get("deleteOptions") or {})
        if (wanted := options.get("dryRun")) and ctx.dry_run and wanted != ["All"]:
            text = f"Non-matching dry-run options in request and content: [All] and [{' '.join(wanted)}]"
            raise errors.StatusError(text, reason="")
        ctx.dry_run = bool(wanted) or ctx.dry_run
        served = self._registry.of("", "pods")
        pod = await self._registry.get(served, namespace, name)
        preconditions = options.get("preconditions") or {}
        _check_uid(pod, preconditions)
        if self._unguarded(pod):
            await self._delete(ctx, namespace, name, options, pod, strict=False)
            return SUCCESS
        budgets = self._budgets(namespace, pod)
        if len(budgets) > 1:
            text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            raise errors.StatusError(text, reason="")
        if budgets:
            strict = self._skips_budget(pod, budgets[0])
            if not strict:
                await self._take(ctx, namespace, budgets[0]["metadata"]["name"], name)
            await self._delete(ctx, namespace, name, options, pod, strict=strict)
        else:
            await self._delete(ctx, namespace, name, options, pod, strict=False)
        return SUCCESS

    @staticmethod
    def _unguarded(pod: Obj) -> bool:
        return (pod.get("status") or {}).get("phase") in _UNGUARDED or "deletionTimestamp" in pod["metadata"]

    def _budgets(self, namespace: str, pod: Obj) -> list[Obj]:
        labels = pod["metadata"].get("labels") or {}
        out = []
        for budget in self._lister.list("policy", "poddisruptionbudgets", namespace):
            selector = (budget.get("spec") or {}).get("selector")
            if selector is not None and selectors.from_label_selector(selector).matches(labels):
                out.append(budget)
        return out

    @staticmethod
    def _skips_budget(pod: Obj, budget: Obj) -> bool:
        """Whether an unready pod may go without counting."""
        if _ready(pod):
            return False
        if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
            return True
        status = budget.get("status") or {}
        desired = status.get("desiredHealthy", 0)
        return bool(status.get("currentHealthy", 0) >= desired > 0)

    async def _take(self, ctx: Context, namespace: str, budget: str, pod: str) -> None:
        """Take one disruption from the budget, or raise."""
        served = self._registry.of("policy", "poddisruptionbudgets")
        fields = self._ownership.of(served, "status")

        def transform(old: Obj | None) -> Obj:
            if old is None:
                raise errors.NotFound.of("policy", "poddisruptionbudgets", budget)
            _check(old)
            new: Obj = orjson.loads(orjson.dumps(old))
            status = new["status"]
            status["disruptionsAllowed"] -= 1
            if not status["disruptionsAllowed"]:
                _forbid(new)
            if not ctx.dry_run:
                status.setdefault("disruptedPods", {})[pod] = objectmeta.timestamp()
            own(fields, old, new, "kube-apiserver")
            return new

        await self._registry.update(ctx, served, namespace, budget, transform, subresource="status", admission=False)

    async def _delete(self, ctx: Context, namespace: str, name: str, options: Obj, pod: Obj, *, strict: bool) -> None:
        served = self._registry.of("", "pods")
        if not ctx.dry_run:
            pod = await self._mark(ctx, namespace, name, pod)
        conditions: dict[str, Any] = dict(options.get("preconditions") or {})
        conditions.setdefault("uid", pod["metadata"]["uid"])
        if strict:
            conditions["resourceVersion"] = pod["metadata"]["resourceVersion"]
        params.check_delete(options)
        await deletion.delete(self._registry, ctx, served, namespace, name, {**options, "preconditions": conditions})

    async def _mark(self, ctx: Context, namespace: str, name: str, pod: Obj) -> Obj:
        """Condition DisruptionTarget, so that others can tell why the pod went."""
        served = self._registry.of("", "pods")
        now = objectmeta.timestamp()

        def transform(old: Obj | None) -> Obj:
            if old is None:
                raise errors.NotFound.of("", "pods", name)
            new: Obj = orjson.loads(orjson.dumps(old))
            status = new.setdefault("status", {})
            conditions = [c for c in status.get("conditions") or () if c.get("type") != "DisruptionTarget"]
            new_condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "lastProbeTime": None,
                "lastTransitionTime": now,
                "reason": "EvictionByEvictionAPI",
                "message": "Eviction API: evicting",
            }
            if generation := new["metadata"].get("generation"):
                new_condition["observedGeneration"] = generation
            status["conditions"] = [*conditions, new_condition]
            return new

        written = await self._registry.update(ctx, served, namespace, name, transform, subresource="status", admission=False)
        return written.obj


def _check_uid(pod: Obj, preconditions: Obj) -> None:
    uid = preconditions.get("uid")
    if uid and uid != pod["metadata"]["uid"]:
        raise errors.Conflict.of(
            "", "Pod", pod["metadata"]["name"],
            f"the UID in the precondition ({uid}) does not match the UID in record ({pod['metadata']['uid']}). "
            "The object might have been deleted and then recreated",
        )  # fmt: skip


def _check(budget: Obj) -> None:
    """Raise unless the budget allows one more disruption."""
    name = budget["metadata"]["name"]
    status = budget.get("status") or {}
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _too_many(f"The disruption budget {name} is still being processed by the server.", 10)
    allowed = status.get("disruptionsAllowed", 0)
    details = {"name": name, "group": "policy", "kind": "poddisruptionbudget"}
    prefix = f'poddisruptionbudget.policy "{name}" is forbidden: '
    if allowed < 0:
        raise errors.Forbidden(prefix + "pdb disruptions allowed is negative", details=details)
    if len(status.get("disruptedPods") or ()) > MAX_DISRUPTED:
        text = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise errors.Forbidden(prefix + text, details=details)
    if allowed:
        return
    for c in status.get("conditions") or ():
        if c.get("type") == "DisruptionAllowed" and c.get("reason") == "SyncFailed":
            text = f"The disruption budget {name} does not allow evicting pods currently because it failed sync: {c.get('message', '')}"
            raise _too_many(text)
    current, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if current <= desired:
        raise _too_many(f"The disruption budget {name} needs {desired} healthy pods and has {current} currently")
    raise _too_many(f"The disruption budget {name} does not allow evicting pods currently")


def _forbid(budget: Obj) -> None:
    """Condition DisruptionAllowed=False: nothing is left."""
    status = budget["status"]
    conditions = status.setdefault("conditions", [])
    new = {
        "type": "DisruptionAllowed",
        "status": "False",
        "observedGeneration": status.get("observedGeneration", 0),
        "lastTransitionTime": objectmeta.timestamp(),
        "reason": "InsufficientPods",
        "message": "",
    }
    for i, c in enumerate(conditions):
        if c.get("type") == "DisruptionAllowed":
            if c.get("status") == "False":
                new["lastTransitionTime"] = c.get("lastTransitionTime", new["lastTransitionTime"])
            conditions[i] = new
            return
    conditions.append(new)
