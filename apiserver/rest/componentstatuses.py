"""ComponentStatuses: nothing is stored, each read asks the store, the scheduler and the controller-manager how they are.

Upstream: pkg/registry/core/componentstatus. The kind is deprecated, but `kubectl get componentstatuses` still asks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import orjson

from apiserver.context import Obj
from apiserver.registry.catalog import Served
from apiserver.registry.store import Registry
from apiserver.rest import output, params, selection
from apiserver.rest.api import Api
from apiserver.rest.request import Request
from apiserver.storage.entry import Entry
from kubepy.api import errors

STORE = "etcd-0"
UPSTREAM = {"controller-manager": "https://127.0.0.1:10257/healthz", "scheduler": "https://127.0.0.1:10259/healthz"}
"""Component → where it tells its health; those of kube-controller-manager and kube-scheduler unless a flag says otherwise."""
PATIENCE = 20.0
"""Seconds a component has to answer."""


class ComponentStatuses:
    """Answers GET on the collection and on its members."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = {**UPSTREAM, **urls}

    async def serve(self, api: Api, req: Request, served: Served) -> None:
        """Answer with the List, or with the one that the path names. Raises BadRequest, NotFound."""
        names = [STORE, *self._urls]
        if len(req.info.parts) > 1:
            if req.info.name not in names:
                raise errors.NotFound.of("", "componentstatus", req.info.name)
            await output.send_object(req, served, 200, await self._status(api.registry, served, req.info.name))
            return
        options = params.list_options(req.query)
        chosen = selection.select(served, options.label_selector, options.field_selector)
        found = await asyncio.gather(*(self._status(api.registry, served, name) for name in names))
        items = [o for o in found if chosen.matches is None or chosen.matches(_entry(o))]
        if req.accept.transform == "Table":
            await req.json(200, orjson.dumps(output.table(served, items, {}, output.include_object(req), req.accept.version)))
            return
        kind = served.resource.list_kind
        listed = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in items]
        await req.json(200, orjson.dumps({"kind": kind, "apiVersion": "v1", "metadata": {}, "items": listed}))

    async def _status(self, registry: Registry, served: Served, name: str) -> Obj:
        healthy, message = await (_store(registry) if name == STORE else _answer(self._urls[name]))
        condition = {"type": "Healthy", "status": healthy, "message": message}
        return {"kind": served.resource.kind, "apiVersion": "v1", "metadata": {"name": name}, "conditions": [condition]}


def _entry(obj: Obj) -> Entry:
    name = obj["metadata"]["name"]
    return Entry(name, 0, orjson.dumps(obj), "", name)


async def _store(registry: Registry) -> tuple[str, str]:
    try:
        async with asyncio.timeout(PATIENCE):
            await registry.storage.revision()
    except Exception as e:  # Whatever the backend says is the answer.
        return "False", str(e) or type(e).__name__
    return "True", "ok"


async def _answer(url: str) -> tuple[str, str]:
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session,
            session.get(url, ssl=False) as response,
        ):
            text = (await response.text()).strip()
    except (aiohttp.ClientError, TimeoutError, OSError) as e:
        return "False", f'Get "{url}": {_failure(e)}'
    if 200 <= response.status < 400:
        return "True", text
    return "False", f"HTTP probe failed with statuscode: {response.status}"


def _failure(error: Exception) -> str:
    """An error as Go's net package words it."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorError):
        reason = "connection refused" if isinstance(error.os_error, ConnectionRefusedError) else str(error.os_error)
        return f"dial tcp {error.host}:{error.port}: connect: {reason}"
    return "context deadline exceeded" if isinstance(error, TimeoutError) else str(error)
