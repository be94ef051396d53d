"""Brings the default objects into the store at start: makes what is missing, adds what defaults have gained.

What a user took from an object comes back unless its autoupdate annotation is "false"; what a user added stays
(pkg/registry/rbac/reconciliation, pkg/registry/flowcontrol/ensurer).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from copy import deepcopy
from typing import Any, Protocol

from apiserver.bootstrap import flowcontrol, objects, roles
from apiserver.bootstrap.grammar import RBAC
from apiserver.context import Lister, Obj
from apiserver.middleware.authz.rules import covers
from kubepy.api.errors import AlreadyExists, NotFound

_AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_FLOW = "flowcontrol.apiserver.k8s.io"

Merge = Callable[[Obj, Obj], "Obj | None"]
"""(stored, default) → what to store instead, or None when all is well."""


class Writer(Protocol):
    """The part of the registry that is needed here."""

    async def create_object(self, group: str, plural: str, obj: Obj, namespace: str = "") -> Obj:
        """Create. Raises AlreadyExists."""

    async def update_object(self, group: str, plural: str, namespace: str, name: str, transform: Callable[[Obj | None], Obj]) -> Obj:
        """Read, change, write."""


async def ensure_defaults(writer: Writer, lister: Lister) -> None:
    """Create or repair every default object. Idempotent; safe with several API servers starting at once."""
    await _ensure(writer, lister, "", "namespaces", objects.namespaces(), _keep)
    await asyncio.gather(
        _ensure(writer, lister, "scheduling.k8s.io", "priorityclasses", objects.priority_classes(), _keep),
        _ensure(writer, lister, _FLOW, "prioritylevelconfigurations", flowcontrol.priority_levels(), _merge_flow),
        _ensure(writer, lister, _FLOW, "flowschemas", flowcontrol.flow_schemas(), _merge_flow),
        _ensure(writer, lister, RBAC, "clusterroles", roles.cluster_roles(), merge_role),
        _ensure(writer, lister, RBAC, "roles", roles.roles(), merge_role),
        _ensure(writer, lister, RBAC, "clusterrolebindings", roles.cluster_role_bindings(), merge_binding),
        _ensure(writer, lister, RBAC, "rolebindings", roles.role_bindings(), merge_binding),
    )


async def _ensure(writer: Writer, lister: Lister, group: str, plural: str, wanted: Iterable[Obj], merge: Merge) -> None:
    todo: list[Awaitable[Any]] = []
    for default in wanted:
        meta = default["metadata"]
        namespace = meta.get("namespace", "")
        stored = lister.get(group, plural, namespace or None, meta["name"])
        if stored is None:
            todo.append(_create(writer, group, plural, default, namespace))
        elif merge(stored, default) is not None:
            todo.append(_update(writer, group, plural, default, namespace, merge))
    await asyncio.gather(*todo)


async def _create(writer: Writer, group: str, plural: str, default: Obj, namespace: str) -> None:
    with contextlib.suppress(AlreadyExists):  # another API server, starting at the same time
        await writer.create_object(group, plural, default, namespace)


async def _update(writer: Writer, group: str, plural: str, default: Obj, namespace: str, merge: Merge) -> None:
    name = default["metadata"]["name"]

    def transform(stored: Obj | None) -> Obj:
        if stored is None:
            raise NotFound.of(group, plural, name)
        merged = merge(stored, default)
        return deepcopy(stored) if merged is None else merged

    try:
        await writer.update_object(group, plural, namespace, name, transform)
    except NotFound:
        await _create(writer, group, plural, default, namespace)


def _keep(_stored: Obj, _default: Obj) -> Obj | None:
    return None


def _autoupdate(stored: Obj, annotation: str) -> bool:
    return bool((stored["metadata"].get("annotations") or {}).get(annotation) == "true")


def _merge_flow(stored: Obj, default: Obj) -> Obj | None:
    mandatory = default["metadata"]["name"] in flowcontrol.MANDATORY
    if stored.get("spec") == default["spec"] and (not mandatory or _autoupdate(stored, flowcontrol.AUTO_UPDATE)):
        return None
    if not mandatory and not _autoupdate(stored, flowcontrol.AUTO_UPDATE):
        return None
    return {**_with_metadata(stored, default), "spec": deepcopy(default["spec"])}


def merge_role(stored: Obj, default: Obj) -> Obj | None:
    """A role with the rules and aggregation selectors that it lacks; None when it lacks none or is protected."""
    if not _autoupdate(stored, _AUTO_UPDATE):
        return None
    merged = _with_metadata(stored, default)
    wanted = default.get("aggregationRule")
    if wanted:
        have = (stored.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
        missing = [s for s in wanted["clusterRoleSelectors"] if s not in have]
        if missing:
            merged["aggregationRule"] = {"clusterRoleSelectors": [*have, *deepcopy(missing)]}
    else:
        lacking = covers(stored.get("rules") or [], default.get("rules") or [])
        if lacking:
            merged["rules"] = [*(stored.get("rules") or []), *lacking]
    return merged if merged != stored else None


def merge_binding(stored: Obj, default: Obj) -> Obj | None:
    """A binding with the subjects that it lacks; None when it lacks none or is protected.

    A roleRef cannot be changed: one that differs is left to whoever set it.
    """
    if not _autoupdate(stored, _AUTO_UPDATE) or stored.get("roleRef") != default["roleRef"]:
        return None
    merged = _with_metadata(stored, default)
    have = stored.get("subjects") or []
    missing = [s for s in default.get("subjects") or [] if s not in have]
    if missing:
        merged["subjects"] = [*have, *missing]
    return merged if merged != stored else None


def _with_metadata(stored: Obj, default: Obj) -> Obj:
    """A copy of `stored` with the default labels and annotations it lacks or has otherwise."""
    merged = deepcopy(stored)
    for field in ("labels", "annotations"):
        wanted = default["metadata"].get(field)
        if wanted:
            merged["metadata"][field] = {**(merged["metadata"].get(field) or {}), **wanted}
    return merged
