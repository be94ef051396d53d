"""Writes into a ValidatingAdmissionPolicy's status what type checking found (pkg/controller/validatingadmissionpolicystatus)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import orjson

from controllers.common.resources import ResourceMap, shared
from controllers.context import Context
from controllers.policystatus import schemas, typecheck
from controllers.policystatus.schemas import GroupVersionKind
from kubepy.api import meta
from kubepy.api.cel import types as t
from kubepy.api.errors import NotFound, StatusError
from kubepy.client import Client

log = logging.getLogger(__name__)

Obj = dict[str, Any]
POLICIES = "validatingadmissionpolicies.admissionregistration.k8s.io"
MANAGER = "validatingadmissionpolicy-status-controller"
"""The field manager of the status."""


def start(ctx: Context) -> None:
    """Register the policy status controller."""
    policies, resources = ctx.informer(POLICIES), shared(ctx)

    async def reconcile(name: str) -> None:
        policy = policies.cache.get(name)
        if policy is None or meta.generation(policy) <= policy.get("status", {}).get("observedGeneration", 0):
            return
        warnings = await _check(ctx.client, resources, policy)
        checking: Obj = {"expressionWarnings": warnings} if warnings else {}
        patch = {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "status": {"observedGeneration": meta.generation(policy), "typeChecking": checking},
        }  # fmt: skip
        try:
            await ctx.client.patch(POLICIES, name, patch, type="apply", subresource="status", field_manager=MANAGER, force=True)
        except NotFound:
            return

    # One at a time: several large schemas in memory at once would cost more than the wait.
    ctx.controller("validatingadmissionpolicy-status", reconcile, workers=1).watch(policies, only=lambda kind, old, new: kind != "DELETED")


async def _check(client: Client, resources: ResourceMap, policy: Obj) -> list[Obj]:
    served = (await resources.current()).resources
    if typecheck.names_unknown(policy, served):
        served = (await resources.current(fresh=True)).resources
    kinds = typecheck.kinds_to_check(policy, served)
    params = typecheck.param_kind(policy)
    types = await _types(client, (*kinds, *((params,) if params else ())))
    return typecheck.check(policy, [(kind, types[kind]) for kind in kinds if kind in types], types.get(params) if params else None)


async def _types(client: Client, kinds: Iterable[GroupVersionKind]) -> dict[GroupVersionKind, t.Type]:
    """The types of the kinds that the server describes; one that cannot be had is left out, as checking must not get in the way."""
    out: dict[GroupVersionKind, t.Type] = {}
    documents: dict[tuple[str, str], Obj] = {}
    for number, kind in enumerate(dict.fromkeys(kinds)):
        group, version, name = kind
        try:
            if (group, version) not in documents:
                path = schemas.document_path(group, version)
                documents[group, version] = orjson.loads(await client.raw("GET", f"/openapi/v3/{path}"))
        except StatusError as e:
            log.debug("no schema of %s: %s", kind, e)
            continue
        if (found := schemas.type_of(documents[group, version], kind, f"{name}{number}")) is not None:
            out[kind] = found
    return out
