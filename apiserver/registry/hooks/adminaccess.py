"""ResourceClaims and their templates may ask for administrators' access to devices only where their namespace is marked for it.

Upstream: pkg/registry/resource/resourceclaim/strategy.go, AuthorizedForAdmin.
"""

from __future__ import annotations

from apiserver.context import Context, Lister, Obj
from kubepy.api import errors

_LABEL = "resource.kubernetes.io/admin-access"


class AdminAccessHooks:
    """strategy.Hooks of resourceclaims and resourceclaimtemplates."""

    def __init__(self, lister: Lister, kind: str) -> None:
        self._lister = lister
        self._kind = kind

    async def before_create(self, _ctx: Context, obj: Obj) -> None:
        """Refuse with Invalid what the namespace does not allow. Specs are immutable, hence updates need no check."""
        spec = obj.get("spec") or {}
        if self._kind == "ResourceClaimTemplate":
            spec = spec.get("spec") or {}
        at = _asked(spec)
        if at is None:
            return
        meta = obj["metadata"]
        space = self._lister.get("", "namespaces", None, meta["namespace"]) or {}
        if ((space.get("metadata") or {}).get("labels") or {}).get(_LABEL) == "true":
            return
        text = f"admin access to devices requires the `{_LABEL}: true` label on the containing namespace"
        wrong = errors.forbidden_field(f"spec.devices.requests[{at}].adminAccess", text)
        raise errors.Invalid.of("resource.k8s.io", self._kind, meta.get("name", ""), [wrong])

    async def before_update(self, _ctx: Context, _obj: Obj, _old: Obj) -> None:
        """Nothing is reserved."""

    async def after_delete(self, _ctx: Context, _obj: Obj) -> None:
        """Nothing was held."""


def _asked(spec: Obj) -> int | None:
    """The first request that asks for it; alternatives cannot."""
    requests = (spec.get("devices") or {}).get("requests") or ()
    return next((i for i, r in enumerate(requests) if (r.get("exactly") or {}).get("adminAccess")), None)
