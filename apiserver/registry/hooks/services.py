"""Services: IP families, cluster IPs and node ports, allocated before a write and given back after it.

Upstream: pkg/registry/core/service/storage/alloc.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from apiserver.context import Context, Obj
from apiserver.registry.hooks.cidrs import AddressPool, AllocationError, family_of
from apiserver.registry.hooks.nodeports import ALLOCATED, PortError, PortPool
from apiserver.registry.strategies import servicechecks
from apiserver.registry.strategies.serviceaddresses import needs_cluster_ip, needs_health_check, needs_node_port
from kubepy.api import errors
from kubepy.api.errors import FieldError

_OTHER = {"IPv4": "IPv6", "IPv6": "IPv4"}
_PORTED = ("NodePort", "LoadBalancer")


class ServiceHooks:
    """strategy.Hooks of services."""

    def __init__(self, addresses: AddressPool, ports: PortPool) -> None:
        self._addresses = addresses
        self._ports = ports
        self._undoing: set[asyncio.Task[None]] = set()

    # -- the registry calls these

    async def before_create(self, ctx: Context, obj: Obj) -> Callable[[], None]:
        """Allocate. Raises Invalid, InternalError."""
        taken = _Taken(self)
        try:
            self._families(obj, None)
            await self._all_ips(ctx, obj, taken)
            await self._new_ports(ctx, obj, taken)
        except BaseException:
            taken.undo()
            raise
        return taken.undo

    async def before_update(self, ctx: Context, obj: Obj, old: Obj) -> Callable[[], None]:
        """Allocate what the change needs. Raises Invalid, InternalError."""
        taken = _Taken(self)
        try:
            self._families(obj, old)
            await self._changed_ips(ctx, obj, old, taken)
            await self._changed_ports(ctx, obj, old, taken)
        except BaseException:
            taken.undo()
            raise
        return taken.undo

    async def after_update(self, _ctx: Context, obj: Obj, old: Obj) -> None:
        """Release what the object no longer has."""
        for ip in sorted(set(ips_of(old)) - set(ips_of(obj))):
            await self._addresses.release(ip)
        for port in sorted(node_ports_of(old) - node_ports_of(obj)):
            await self._ports.release(port)

    async def after_delete(self, _ctx: Context, obj: Obj) -> None:
        """Release everything."""
        for ip in ips_of(obj):
            await self._addresses.release(ip)
        for port in node_ports_of(obj):
            await self._ports.release(port)

    def background(self, work: Awaitable[None]) -> None:
        """Run what an undo needs, without making the caller wait."""
        task = asyncio.ensure_future(work)
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)

    async def release(self, ips: list[str], ports: list[int]) -> None:
        """Give back."""
        for ip in ips:
            await self._addresses.release(ip)
        for port in ports:
            await self._ports.release(port)

    # -- families

    def _families(self, obj: Obj, old: Obj | None) -> None:
        """Fill in ipFamilyPolicy and ipFamilies (initIPFamilyFields). Raises Invalid."""
        spec: Obj = obj["spec"]
        before: Obj | None = old["spec"] if old is not None else None
        if spec.get("type") == "ExternalName" or _unchanged_prefer_dual(spec, before):
            return
        selectorless = spec.get("clusterIP") == "None" and not spec.get("selector")
        if not spec.get("ipFamilyPolicy"):
            if before is not None and before.get("ipFamilyPolicy"):
                spec["ipFamilyPolicy"] = before["ipFamilyPolicy"]
            else:
                spec["ipFamilyPolicy"] = "RequireDualStack" if selectorless else "SingleStack"
        name = obj["metadata"].get("name", "")
        found: list[FieldError] = []
        servicechecks.cluster_ips(found, spec, before)
        _raise(name, found)
        single = spec["ipFamilyPolicy"] == "SingleStack"
        if before is not None:
            self._shrink(spec, before, found, single)
        if single:
            for key, what in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")):
                if len(spec.get(key) or ()) == 2:
                    text = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
                    found.append(errors.invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], text))
        known = self._addresses.families
        families: list[str] = list(spec.get("ipFamilies") or ())
        for i, ip in enumerate(spec.get("clusterIPs") or ()):
            if ip == "None":
                break
            if i >= len(families):
                family = family_of(ip)
                if family not in known:
                    text = f"{family} is not configured on this cluster"
                    found.append(errors.invalid(f"spec.clusterIPs[{i}]", spec["clusterIPs"], text))
                else:
                    families.append(family)
        _raise(name, found)
        spec["ipFamilies"] = families
        if selectorless:
            if not families:
                families.append(known[0])
            if len(families) < 2 and not single:
                families.append(_OTHER[families[0]])
            return
        if spec["ipFamilyPolicy"] == "RequireDualStack" and len(known) < 2:
            text = "this cluster is not configured for dual-stack services"
            found.append(errors.invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], text))
        for i, family in enumerate(families):
            if family not in known:
                found.append(errors.invalid(f"spec.ipFamilies[{i}]", family, "not configured on this cluster"))
        _raise(name, found)
        if not families:
            families.append(known[0])
        if not single and len(families) == 1 and len(known) == 2:
            families.append(_OTHER[families[0]])

    @staticmethod
    def _shrink(spec: Obj, before: Obj, found: list[FieldError], single: bool) -> None:
        for key, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
            now, then = spec.get(key) or [], before.get(key) or []
            if single and now == then and len(now) > 1:
                spec[key] = now[:1]
            elif not single and len(now) == 1 and len(then) == 2 and now[0] == then[0]:
                text = f"must be 'SingleStack' to release the secondary {what}"
                found.append(errors.invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], text))

    # -- addresses

    async def _all_ips(self, ctx: Context, obj: Obj, taken: _Taken) -> None:
        spec = obj["spec"]
        if not needs_cluster_ip(spec) or (spec.get("clusterIPs") or [""])[0] == "None":
            return
        ips: list[str] = list(spec.get("clusterIPs") or ())
        families = spec["ipFamilies"]
        for i, family in enumerate(families):
            if i >= len(ips):
                ips.append("")
            ips[i] = await self._ip(ctx, obj, family, ips[i], taken)
        spec["clusterIPs"] = ips
        spec["clusterIP"] = ips[0]

    async def _ip(self, ctx: Context, obj: Obj, family: str, wanted: str, taken: _Taken) -> str:
        try:
            if wanted:
                await self._addresses.take(ctx, wanted, obj)
            else:
                wanted = await self._addresses.take_any(ctx, family, obj)
        except AllocationError as e:
            if not wanted:
                raise errors.InternalError.of(f"failed to allocate a serviceIP: {e}") from None
            error = errors.invalid("spec.clusterIPs", obj["spec"].get("clusterIPs"), f"failed to allocate IP {wanted}: {e}")
            raise errors.Invalid.of("", "Service", obj["metadata"].get("name", ""), [error]) from None
        if not ctx.dry_run:
            taken.ips.append(wanted)
        return wanted

    async def _changed_ips(self, ctx: Context, obj: Obj, old: Obj, taken: _Taken) -> None:
        spec, before = obj["spec"], old["spec"]
        if _unchanged_prefer_dual(spec, before):
            return
        if before.get("type") == "ExternalName" and spec.get("type") != "ExternalName":
            await self._all_ips(ctx, obj, taken)
            return
        if (before.get("clusterIPs") or [""])[0] == "None" or spec.get("type") == "ExternalName":
            return
        if len(before.get("ipFamilies") or ()) == 1 and len(spec.get("ipFamilies") or ()) == 2:
            ips = list(spec.get("clusterIPs") or ())
            wanted = ips[1] if len(ips) > 1 else ""
            spec["clusterIPs"] = [*ips[:1], await self._ip(ctx, obj, spec["ipFamilies"][1], wanted, taken)]

    # -- ports

    async def _port(self, ctx: Context, obj: Obj, wanted: int, path: str, taken: _Taken) -> int:
        owner = f"{obj['metadata'].get('namespace', '')}/{obj['metadata'].get('name', '')}"
        try:
            if ctx.dry_run:
                wanted = await self._imagine(wanted, taken)
            elif wanted:
                await self._ports.take(wanted, owner)
            else:
                wanted = await self._ports.take_any(owner)
        except PortError as e:
            if not wanted:
                raise errors.InternalError.of(f"failed to allocate a nodePort: {e}") from None
            if path:
                error = errors.invalid(path, wanted, str(e))
                raise errors.Invalid.of("", "Service", obj["metadata"].get("name", ""), [error]) from None
            raise errors.InternalError.of(f"failed to allocate requested HealthCheck NodePort {wanted}: {e}") from None
        (taken.imagined if ctx.dry_run else taken.ports).append(wanted)
        return wanted

    async def _imagine(self, wanted: int, taken: _Taken) -> int:
        """The port of a dry run, which knows no range and numbers what it would allocate from 32769 on. Raises PortError."""
        if not wanted:
            return max(taken.imagined, default=32768) + 1
        if wanted in taken.imagined or await self._ports.has(wanted):
            raise PortError(ALLOCATED)
        return wanted

    async def _new_ports(self, ctx: Context, obj: Obj, taken: _Taken) -> None:
        spec = obj["spec"]
        if spec.get("type") in _PORTED:
            by_port: dict[int, int] = {}
            ports = spec.get("ports") or ()
            for i, p in enumerate(ports):
                if not p.get("nodePort") and not needs_node_port(spec):
                    continue
                number = p.get("port", 0)
                known = by_port.get(number, 0)
                if not known:
                    # The same port with two protocols gets one node port, wherever it was asked for.
                    wanted = next((q["nodePort"] for q in ports if q.get("port") == number and q.get("nodePort")), 0)
                    by_port[number] = p["nodePort"] = await self._port(ctx, obj, wanted, f"spec.ports[{i}].nodePort", taken)
                elif not p.get("nodePort"):
                    p["nodePort"] = known
                elif p["nodePort"] != known:
                    await self._port(ctx, obj, p["nodePort"], f"spec.ports[{i}].nodePort", taken)
        if needs_health_check(spec):
            spec["healthCheckNodePort"] = await self._port(ctx, obj, spec.get("healthCheckNodePort") or 0, "", taken)

    async def _changed_ports(self, ctx: Context, obj: Obj, old: Obj, taken: _Taken) -> None:
        spec = obj["spec"]
        if spec.get("type") in _PORTED:
            present = {p["nodePort"] for p in old["spec"].get("ports") or () if p.get("nodePort")}
            new: set[int] = set()
            pairs: list[tuple[Any, int]] = []
            for i, p in enumerate(spec.get("ports") or ()):
                wanted = p.get("nodePort") or 0
                if not wanted and not needs_node_port(spec):
                    continue
                if not wanted:
                    p["nodePort"] = await self._port(ctx, obj, 0, "", taken)
                elif wanted not in present and wanted not in new:
                    new.add(await self._port(ctx, obj, wanted, f"spec.ports[{i}].nodePort", taken))
                pair = (p.get("protocol"), p["nodePort"])
                if pair in pairs:
                    raise errors.StatusError(f"duplicate nodePort: {{{pair[0]} {pair[1]}}}", reason="")
                pairs.append(pair)
        if needs_health_check(spec) and not needs_health_check(old["spec"]):
            spec["healthCheckNodePort"] = await self._port(ctx, obj, spec.get("healthCheckNodePort") or 0, "", taken)


class _Taken:
    """What one request has reserved so far."""

    def __init__(self, hooks: ServiceHooks) -> None:
        self._hooks = hooks
        self.ips: list[str] = []
        self.ports: list[int] = []
        self.imagined: list[int] = []

    def undo(self) -> None:
        """Give it back, in the background."""
        if self.ips or self.ports:
            self._hooks.background(self._hooks.release(self.ips, self.ports))


def _raise(name: str, found: list[FieldError]) -> None:
    if found:
        raise errors.Invalid.of("", "Service", name, found)


def _unchanged_prefer_dual(spec: Obj, before: Obj | None) -> bool:
    """isMatchingPreferDualStackClusterIPFields: such Services do not follow the cluster's change of families."""
    if before is None or spec.get("ipFamilyPolicy") != "PreferDualStack" or before.get("ipFamilyPolicy") != "PreferDualStack":
        return False
    same_type = (spec.get("type") == "ExternalName") == (before.get("type") == "ExternalName")
    return same_type and all(spec.get(k) == before.get(k) for k in ("clusterIPs", "ipFamilies"))


def ips_of(obj: Obj) -> list[str]:
    """The cluster IPs a Service holds."""
    spec = obj.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return []
    return [ip for ip in spec.get("clusterIPs") or () if ip and ip != "None"]


def node_ports_of(obj: Obj) -> set[int]:
    """The node ports a Service holds."""
    spec = obj.get("spec") or {}
    out = {p["nodePort"] for p in spec.get("ports") or () if p.get("nodePort")}
    if spec.get("healthCheckNodePort"):
        out.add(spec["healthCheckNodePort"])
    return out
