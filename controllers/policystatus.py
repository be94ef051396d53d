"""Says of ValidatingAdmissionPolicies which generation has been looked at (pkg/controller/validatingadmissionpolicystatus)."""

from __future__ import annotations

from typing import Any

from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import NotFound

Obj = dict[str, Any]
POLICIES = "validatingadmissionpolicies.admissionregistration.k8s.io"


def start(ctx: Context) -> None:
    """Register the policy status controller."""
    policies = ctx.informer(POLICIES)

    async def reconcile(name: str) -> None:
        policy = policies.cache.get(name)
        if policy is None:
            return
        status = policy.get("status", {})
        if status.get("observedGeneration") == meta.generation(policy) and "typeChecking" in status:
            return
        new = {**status, "observedGeneration": meta.generation(policy), "typeChecking": status.get("typeChecking") or {}}
        try:
            await ctx.client.update_status(POLICIES, {**policy, "status": new})
        except NotFound:
            return

    ctx.controller("validatingadmissionpolicy-status", reconcile, workers=2).watch(policies, only=lambda kind, old, new: kind != "DELETED")
