"""CertificateSigningRequests: who asks is whoever sends the request, and conditions know when they came and changed.

Upstream: pkg/registry/certificates/certificates/strategy.go (PrepareForCreate, populateConditionTimestamps).
"""

from __future__ import annotations

from apiserver.context import Context, Obj
from apiserver.registry.objectmeta import timestamp


class CertificateHooks:
    """strategy.Hooks of certificatesigningrequests."""

    async def before_create(self, ctx: Context, obj: Obj) -> None:
        """Note the user; what the request says of it does not count."""
        user, spec = ctx.user, obj.setdefault("spec", {})
        extra = {k: list(v) for k, v in user.extra.items()}
        said = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": extra}
        for key, value in said.items():
            if value:
                spec[key] = value
            else:
                spec.pop(key, None)

    async def before_update(self, _ctx: Context, obj: Obj, old: Obj) -> None:
        """Fill in the times of conditions that have none."""
        was = {c.get("type"): c for c in (old.get("status") or {}).get("conditions") or ()}
        now, status = timestamp(), obj.get("status") or {}
        conditions = [dict(c) for c in status.get("conditions") or ()]
        for condition in conditions:
            if not condition.get("lastUpdateTime"):
                condition["lastUpdateTime"] = now
            if not condition.get("lastTransitionTime"):
                before = was.get(condition.get("type")) or {}
                same = before.get("status") == condition.get("status")
                condition["lastTransitionTime"] = (same and before.get("lastTransitionTime")) or now
        if conditions:
            obj["status"] = {**status, "conditions": conditions}

    async def after_delete(self, _ctx: Context, _obj: Obj) -> None:
        """Nothing was held."""
