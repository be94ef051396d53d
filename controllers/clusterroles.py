"""Aggregated ClusterRoles: rules gathered from the roles that the selectors match (pkg/controller/clusterroleaggregation)."""

from __future__ import annotations

from typing import Any

from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import NotFound
from kubepy.api.selectors import from_label_selector
from kubepy.runtime import Cache

Obj = dict[str, Any]
ROLES = "clusterroles.rbac.authorization.k8s.io"


def aggregated(role: Obj, cache: Cache) -> list[Obj]:
    """The rules that the role should have: each matched role's, by name, without repetition."""
    rules: list[Obj] = []
    for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
        matching = from_label_selector(selector)
        for source in sorted(cache.list(), key=meta.name):
            if meta.name(source) != meta.name(role) and matching.matches(meta.labels(source)):
                rules += [rule for rule in source.get("rules") or () if rule not in rules]
    return rules


def start(ctx: Context) -> None:
    """Register the ClusterRole aggregation controller."""
    roles = ctx.informer(ROLES)
    roles.cache.add_index("aggregating", _aggregating)

    async def reconcile(name: str) -> None:
        role = roles.cache.get(name)
        if role is None or not role.get("aggregationRule"):
            return
        wanted = aggregated(role, roles.cache)
        if wanted == (role.get("rules") or []):
            return
        body = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": wanted}
        try:
            await ctx.client.patch(ROLES, name, body, type="apply", field_manager="clusterrole-aggregation-controller", force=True)
        except NotFound:
            return

    def affected(role: Obj) -> list[str]:
        """Every aggregating role may be: a selector can match by the absence of a label."""
        return [meta.name(r) for r in roles.cache.by_index("aggregating", "yes")]

    ctx.controller("clusterrole-aggregation", reconcile, workers=5).watch(roles, affected)


def _aggregating(role: Obj) -> tuple[str, ...]:
    return ("yes",) if role.get("aggregationRule") else ()
