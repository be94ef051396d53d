"""ResourceQuota: what is created is charged to the namespace's quotas, and refused when one of them is used up.

Requests of one namespace that come while a charge is being written wait and are charged together: one write of the quota's
status for all of them, repeated on the new state when another server was faster.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from apiserver.admission.interface import Attributes, Tools
from apiserver.admission.plugin import CREATE, UPDATE, BasePlugin, deny
from apiserver.context import Obj
from kubepy.api import usage as measure
from kubepy.api.errors import Forbidden, NotFound
from kubepy.api.kinds import Resource
from kubepy.api.quantity import Quantity

_IGNORED_GROUPS = frozenset(("authentication.k8s.io", "authorization.k8s.io", "events.k8s.io"))
_IGNORED = frozenset((("", "events"), ("", "bindings"), ("", "componentstatuses")))
_ON_UPDATE = {("", "services"): "", ("", "persistentvolumeclaims"): "", ("", "pods"): "resize"}
"""Kinds whose updates are charged too, and through which subresource."""

Amounts = measure.Amounts


@dataclass(slots=True, eq=False)
class _Waiter:
    a: Attributes
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def succeed(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class ResourceQuota(BasePlugin):
    """Upstream: apiserver pkg/admission/plugin/resourcequota."""

    name = "ResourceQuota"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._waiting: dict[str, list[_Waiter]] = {}
        self._chargers: dict[str, asyncio.Future[None]] = {}

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creations in namespaces, and updates of the kinds that can grow."""
        if not resource.namespaced or resource.group in _IGNORED_GROUPS or (resource.group, resource.plural) in _IGNORED:
            return False
        if operation == CREATE:
            return subresource == ""
        return operation == UPDATE and _ON_UPDATE.get((resource.group, resource.plural)) == subresource

    def handles(self, a: Attributes) -> bool:
        """Only where the namespace has a quota."""
        return any(True for _ in self.lister.list("", "resourcequotas", a.namespace))

    async def validate(self, a: Attributes) -> None:
        """Charge. Raises Forbidden."""
        waiter = _Waiter(a)
        self._waiting.setdefault(a.namespace, []).append(waiter)
        if a.namespace not in self._chargers:
            # A task of its own: the request that starts it may be cancelled while others wait for it.
            self._chargers[a.namespace] = asyncio.ensure_future(self._charge_all(a.namespace))
        await waiter.done

    async def _charge_all(self, namespace: str) -> None:
        try:
            while namespace in self._waiting:
                await self._charge(namespace, self._waiting.pop(namespace))
        finally:
            del self._chargers[namespace]

    async def _charge(self, namespace: str, waiters: list[_Waiter]) -> None:
        try:
            accepted, charges = self._add_up(namespace, waiters)
            for name, delta in charges.items():
                await self._write(namespace, name, delta, accepted[0].a)
        except Forbidden as error:
            # Another server charged the same quota meanwhile: see which of ours still fit, one by one.
            pending = [w for w in waiters if not w.done.done()]
            if len(pending) == 1:
                pending[0].fail(error)
            else:
                for waiter in pending:
                    await self._charge(namespace, [waiter])
        except Exception as error:
            for waiter in waiters:
                waiter.fail(error)
        else:
            for waiter in accepted:
                waiter.succeed()

    def _add_up(self, namespace: str, waiters: list[_Waiter]) -> tuple[list[_Waiter], dict[str, Amounts]]:
        """Who fits, and what they add to each quota; refuses the others."""
        used: dict[str, Amounts] = {}
        charges: dict[str, Amounts] = {}
        quotas = list(self.lister.list("", "resourcequotas", namespace))
        accepted = []
        for waiter in waiters:
            try:
                deltas = _deltas(waiter.a, quotas, used)
            except Forbidden as error:
                waiter.fail(error)
                continue
            accepted.append(waiter)
            if not waiter.a.ctx.dry_run:
                for name, delta in deltas.items():
                    charges[name] = measure.add(charges.get(name, {}), delta)
                    used[name] = measure.add(used[name], delta)
        return accepted, charges

    async def _write(self, namespace: str, name: str, delta: Amounts, a: Attributes) -> None:
        """Add `delta` to the quota's status as it is in the store. Raises Forbidden when it no longer fits."""

        def charged(stored: Obj | None) -> Obj:
            if stored is None:
                raise NotFound.of("", "resourcequotas", name)
            status = stored.get("status") or {}
            used = measure.amounts(status.get("used"))
            _check(a, name, delta, used, measure.amounts(status.get("hard")))
            total = measure.add(used, delta)
            return {**stored, "status": {**status, "used": {key: str(value) for key, value in total.items()}}}

        try:
            await self.tools.registry.update_object("", "resourcequotas", namespace, name, charged, subresource="status")
        except NotFound:
            return  # the quota is gone: nothing to charge


def _deltas(a: Attributes, quotas: list[Obj], used: dict[str, Amounts]) -> dict[str, Amounts]:
    """What the request adds to each quota it concerns; `used` holds what earlier requests of the batch came to. Raises Forbidden."""
    assert a.obj is not None
    group, plural = a.resource.group, a.resource.plural
    now = time.time()
    own = measure.usage(group, plural, a.obj, now)
    before = measure.usage(group, plural, a.old, now) if a.operation == UPDATE and a.old is not None else None
    out: dict[str, Amounts] = {}
    for quota in quotas:
        name = quota["metadata"]["name"]
        status = quota.get("status") or {}
        hard = measure.amounts(status.get("hard"))
        names = measure.tracked(group, plural, hard)
        if not names or not measure.in_scope(quota, group, plural, a.obj):
            continue
        if plural == "pods" and not group:
            text = measure.unspecified(names, a.obj)
            if text:
                raise deny(a, f"failed quota: {name}: {text}")
        recorded = measure.amounts(status.get("used"))
        if not names <= recorded.keys():
            raise deny(a, f"status unknown for quota: {name}, resources: {','.join(sorted(names))}")
        delta = {key: value for key, value in own.items() if key in names}
        if before is not None and measure.in_scope(quota, group, plural, a.old or {}):
            delta = {key: value - before[key] if key in before else value for key, value in delta.items()}
            delta = {key: value for key, value in delta.items() if value.nanos > 0}
        delta = {key: value for key, value in delta.items() if value}
        if not delta:
            continue
        current = used.setdefault(name, recorded)
        _check(a, name, delta, current, hard)
        out[name] = delta
    return out


def _check(a: Attributes, quota: str, delta: Amounts, used: Amounts, hard: Amounts) -> None:
    zero = Quantity.of(0)
    exceeded = [key for key, value in delta.items() if key in hard and used.get(key, zero) + value > hard[key]]
    if exceeded:
        asked, taken, limit = (_text(amounts, exceeded) for amounts in (delta, used, hard))
        raise deny(a, f"exceeded quota: {quota}, requested: {asked}, used: {taken}, limited: {limit}")


def _text(amounts: Mapping[str, Quantity], names: list[str]) -> str:
    return ",".join(f"{name}={amounts[name]}" for name in sorted(names) if name in amounts)
