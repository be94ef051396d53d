"""A small in-memory API over real HTTP for client and runtime tests: objects, revisions, watches that can be cut or expired."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from kubepy.client import Client, Config

Obj = dict[str, Any]


class FakeAPI:
    """Collections by URL path, one revision counter, a log of changes; plain HTTP on a free loopback port."""

    def __init__(self) -> None:
        self.objects: dict[str, Obj] = {}
        self.revision = 10
        self.oldest = 0
        self.log: list[tuple[int, str, str, Obj]] = []
        self.requests: list[tuple[str, str]] = []
        self.changed = asyncio.Condition()
        self.failures: list[web.Response] = []
        self.cut = asyncio.Event()
        self.port = 0
        self._clients: list[Client] = []
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> FakeAPI:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            await client.close()
        await self.stop()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self.cut_watches()
            await self._runner.cleanup()
            self._runner = None

    def config(self, **options: Any) -> Config:
        return Config(server=f"http://127.0.0.1:{self.port}", **options)

    def client(self, **options: Any) -> Client:
        """A client of this API; closed with it."""
        client = Client(self.config(), **options)
        self._clients.append(client)
        return client

    async def put(self, path: str, obj: Obj) -> Obj:
        """Create or replace the object at a path, as another client would."""
        async with self.changed:
            return self._store(path, obj)

    async def remove(self, path: str) -> None:
        async with self.changed:
            self._remove(path)

    async def cut_watches(self) -> None:
        """End all open watches."""
        self.cut.set()
        async with self.changed:
            self.changed.notify_all()
        await asyncio.sleep(0)
        self.cut = asyncio.Event()

    def expire(self) -> None:
        """Forget the history: a watch from an old revision answers 410."""
        self.oldest = self.revision
        self.log.clear()

    def _store(self, path: str, obj: Obj) -> Obj:
        self.revision += 1
        old = self.objects.get(path)
        meta = {"uid": f"uid-{self.revision}", **(old["metadata"] if old else {}), **obj["metadata"], "resourceVersion": str(self.revision)}
        stored = {**obj, "metadata": meta}
        self.objects[path] = stored
        self.log.append((self.revision, "MODIFIED" if old else "ADDED", path, stored))
        self.changed.notify_all()
        return stored

    def _remove(self, path: str) -> Obj:
        self.revision += 1
        old = self.objects.pop(path)
        gone = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.revision)}}
        self.log.append((self.revision, "DELETED", path, gone))
        self.changed.notify_all()
        return gone

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.requests.append((request.method, request.path_qs))
        if self.failures:
            return self.failures.pop(0)
        body = await request.read()
        async with self.changed:
            if request.method == "POST":
                obj = orjson.loads(body)
                target = f"{path}/{obj['metadata']['name']}"
                if target in self.objects:
                    return status(409, "AlreadyExists", f'"{obj["metadata"]["name"]}" already exists')
                namespace = _namespace(path)
                return reply(self._store(target, {**obj, "metadata": {**obj["metadata"], **namespace}}), 201)
            target = path.removesuffix("/status")
            if request.method in ("PUT", "PATCH", "DELETE") and target not in self.objects:
                return status(404, "NotFound", f'"{target}" not found')
            if request.method == "PUT":
                obj = orjson.loads(body)
                if (
                    obj["metadata"].get("resourceVersion", self.objects[target]["metadata"]["resourceVersion"])
                    != self.objects[target]["metadata"]["resourceVersion"]
                ):
                    return status(409, "Conflict", "the object has been modified")
                return reply(self._store(target, obj))
            if request.method == "PATCH":
                return reply(self._store(target, _merge(self.objects[target], orjson.loads(body))))
            if request.method == "DELETE":
                return reply(self._remove(target))
            if path in self.objects:
                return reply(self.objects[path])
        if request.query.get("watch"):
            return await self._watch(request)
        last = path.rsplit("/", 1)[1]
        if last.endswith("s"):
            items = [o for p, o in self.objects.items() if _in(path, p)]
            return reply({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": str(self.revision)}, "items": items})
        return status(404, "NotFound", f'"{path}" not found')

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        since = int(request.query.get("resourceVersion") or 0)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if since < self.oldest:
            error = {"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old resource version"}
            await response.write(orjson.dumps({"type": "ERROR", "object": error}) + b"\n")
            return response
        cut = self.cut
        while not cut.is_set():
            async with self.changed:
                fresh = [e for e in self.log if e[0] > since and _in(request.path, e[2])]
                if not fresh:
                    await self.changed.wait()
                    continue
            for revision, kind, _, obj in fresh:
                since = revision
                await response.write(orjson.dumps({"type": kind, "object": obj}) + b"\n")
        return response


def reply(obj: Obj, code: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(obj), status=code, content_type="application/json")


def status(code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    doc = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code}
    return web.Response(body=orjson.dumps(doc), status=code, content_type="application/json", headers=headers)


def _namespace(path: str) -> dict[str, str]:
    parts = path.split("/")
    return {"namespace": parts[parts.index("namespaces") + 1]} if "namespaces" in parts[:-1] else {}


def _in(collection: str, path: str) -> bool:
    """Whether an object's path lies in a collection, which may span all namespaces."""
    parent = path.rsplit("/", 1)[0]
    if parent == collection:
        return True
    base, _, plural = collection.rpartition("/")
    return parent.startswith(f"{base}/namespaces/") and parent.endswith(f"/{plural}")


def _merge(old: Any, patch: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(patch, dict):
        return patch
    out = dict(old)
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = _merge(old.get(key), value)
    return out
