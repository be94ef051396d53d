"""Keeps APIServices in step with what is served, and passes requests for remote groups on to their servers.

Upstream: kube-aggregator pkg/apiserver (handler_proxy.go, handler_apis.go), pkg/controllers/autoregister.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apiserver.aggregator import availability
from apiserver.aggregator.availability import Verdict
from apiserver.aggregator.priorities import CUSTOM, PRIORITIES
from apiserver.context import Lister, Obj, User
from apiserver.registry import deletion
from apiserver.registry.objectmeta import timestamp
from apiserver.registry.store import Registry
from apiserver.rest.request import Request
from apiserver.rest.streams.relay import Relay
from apiserver.rest.streams.target import Target
from kubepy.api import errors

log = logging.getLogger("apiserver")

GROUP, PLURAL = "apiregistration.k8s.io", "apiservices"
MANAGED = "kube-aggregator.kubernetes.io/automanaged"
RECHECK = 30.0
_FOLLOWED = (f"/registry/{GROUP}/{PLURAL}/", "/registry/services/", "/registry/discovery.k8s.io/endpointslices/")
_LOCAL = ("True", "Local", "Local APIServices are always available")


@dataclass(slots=True)
class Remote:
    """One group version of another server."""

    spec: Obj
    verdict: Verdict
    context: Any
    resources: Obj | None = None


class Aggregator:
    """`remotes` maps (group, version) to what other servers answer; `generation` changes with it."""

    def __init__(self, registry: Registry, lister: Lister, cert: Path, key: Path) -> None:
        self._registry = registry
        self._lister = lister
        self._files = (str(cert), str(key))
        self._relay = Relay()
        self._session: Any = None
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.remotes: dict[tuple[str, str], Remote] = {}
        self.generation = 0

    def start(self) -> None:
        """Begin to follow what matters."""
        self._registry.catalog.on_change(self._changed.set)
        self._tasks = [asyncio.ensure_future(self._follow(prefix)) for prefix in _FOLLOWED]
        self._tasks.append(asyncio.ensure_future(self._run()))

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._relay.close()
        if self._session is not None:
            await self._session.close()

    async def _follow(self, prefix: str) -> None:
        while True:
            with contextlib.suppress(errors.Gone):
                watcher = self._registry.cacher.watch(prefix, None)
                try:
                    async for _ in watcher:
                        if prefix == _FOLLOWED[0] or self.remotes:
                            self._changed.set()
                finally:
                    watcher.close()
            await asyncio.sleep(1)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self.reconcile()
            except Exception:
                log.exception("could not bring APIServices up to date")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), RECHECK if self.remotes else None)
            await asyncio.sleep(0.05)

    # -- what is registered

    async def reconcile(self) -> None:
        """One round: local APIServices made and removed, remote ones checked."""
        wanted: dict[str, tuple[str, str, tuple[int, int], str]] = {}
        for served in self._registry.catalog:
            r = served.resource
            pair = CUSTOM if r.custom else PRIORITIES.get((r.group, r.version))
            if pair is not None:
                wanted[f"{r.version}.{r.group}"] = (r.group, r.version, pair, "true" if r.custom else "onstart")
        present = {s["metadata"]["name"]: s for s in self._lister.list(GROUP, PLURAL)}
        for name, (group, version, pair, how) in wanted.items():
            if name not in present:
                await self._register(name, group, version, pair, how)
        remotes: dict[tuple[str, str], Remote] = {}
        for name, service in present.items():
            spec = service.get("spec") or {}
            if spec.get("service"):
                key = (spec.get("group", ""), spec.get("version", ""))
                remotes[key] = await self._check(service, spec)
                verdict = remotes[key].verdict
                await self._condition(service, ("True" if verdict.ok else "False", verdict.reason, verdict.message))
            elif name in wanted:
                await self._condition(service, _LOCAL)
            elif (service["metadata"].get("labels") or {}).get(MANAGED) == "true":
                await self._unregister(name)
        if remotes.keys() != self.remotes.keys() or any(remotes[k].resources != self.remotes[k].resources for k in remotes):
            self.generation += 1
        self.remotes = remotes

    async def _register(self, name: str, group: str, version: str, pair: tuple[int, int], how: str) -> None:
        spec: Obj = {"version": version, "groupPriorityMinimum": pair[0], "versionPriority": pair[1]}
        if group:
            spec["group"] = group
        meta = {"name": name, "labels": {MANAGED: how}}
        with contextlib.suppress(errors.AlreadyExists):
            obj: Obj = {"kind": "APIService", "apiVersion": f"{GROUP}/v1", "metadata": meta, "spec": spec}
            made = await self._registry.create_object(GROUP, PLURAL, obj)
            await self._condition(made, _LOCAL)

    async def _unregister(self, name: str) -> None:
        served = self._registry.of(GROUP, PLURAL)
        ctx = self._registry.context("delete", served, name=name)
        with contextlib.suppress(errors.NotFound):
            await deletion.delete(self._registry, ctx, served, "", name, {})

    async def _condition(self, service: Obj, wanted: tuple[str, str, str]) -> None:
        status, reason, message = wanted
        conditions = (service.get("status") or {}).get("conditions") or []
        old = next((c for c in conditions if c.get("type") == "Available"), None)
        if old is not None and (old.get("status"), old.get("reason"), old.get("message")) == wanted:
            return
        since = old["lastTransitionTime"] if old is not None and old.get("status") == status else timestamp()
        new = {"type": "Available", "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
        rest = [c for c in conditions if c.get("type") != "Available"]
        name = service["metadata"]["name"]

        def change(now: Obj | None) -> Obj:
            if now is None:
                raise errors.NotFound.of(GROUP, PLURAL, name)
            return {**now, "status": {"conditions": [*rest, new]}}

        with contextlib.suppress(errors.NotFound):
            await self._registry.update_object(GROUP, PLURAL, "", name, change, subresource="status")

    async def _check(self, service: Obj, spec: Obj) -> Remote:
        verdict = availability.locate(self._lister, spec["service"])
        if not verdict.ok:
            return Remote(spec, verdict, None)
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession()
        try:
            context = availability.context_of(spec, *self._files)
        except (OSError, ValueError) as e:
            return Remote(spec, Verdict(False, "FailedDiscoveryCheck", f"invalid caBundle: {e}"), None)
        verdict, resources = await availability.discover(self._session, verdict, context, spec.get("group", ""), spec["version"])
        return Remote(spec, verdict, context, resources)

    # -- requests

    def find(self, req: Request) -> Remote | None:
        """The remote group version that a request is for."""
        if not self.remotes or not req.path.startswith("/apis/"):
            return None
        parts = req.path.split("/", 4)
        return self.remotes.get((parts[2], parts[3])) if len(parts) > 3 else None

    async def serve(self, req: Request, remote: Remote) -> None:
        """Pass the request on as the user it comes from; 503 when the server is not available."""
        verdict = remote.verdict
        if verdict.ok:
            verdict = availability.locate(self._lister, remote.spec["service"])
        if not verdict.ok:
            req.send(503, b"service unavailable\n", "text/plain; charset=utf-8")
            return
        query = req.query_string.decode("latin-1")
        path = req.scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        target = Target(verdict.host, verdict.port, path, True)
        extra = identity_headers(req.ctx.user)
        if b"upgrade" in req.headers:
            await self._relay.tunnel(req, target, remote.context, extra)
        else:
            await self._relay.pass_on(req, target, remote.context, prefix="/", extra=extra)


def identity_headers(user: User) -> list[tuple[bytes, bytes]]:
    """Who asks, as the front proxy tells it."""
    from urllib.parse import quote

    out = [(b"x-remote-user", user.name.encode())]
    if user.uid:
        out.append((b"x-remote-uid", user.uid.encode()))
    out += [(b"x-remote-group", g.encode()) for g in user.groups]
    for key, values in user.extra.items():
        out += [(b"x-remote-extra-" + quote(key.lower(), safe="").encode(), v.encode()) for v in values]
    return out
