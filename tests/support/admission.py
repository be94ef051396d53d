"""Helpers of admission tests: a chain over a fake lister and a small registry, and one call that passes an object through it."""

from __future__ import annotations

import inspect
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

from apiserver.admission.chain import Chain, build
from apiserver.admission.interface import Attributes, Tools
from apiserver.context import Context, Obj, RequestInfo, User
from kubepy.api import kinds
from tests.support.lister import FakeLister

ADMIN = User("admin", groups=("system:masters", "system:authenticated"))


class FakeRegistry:
    """What plugins need of the registry, over a FakeLister."""

    def __init__(self, lister: FakeLister) -> None:
        self.lister = lister
        self.catalog = self
        self.writes = 0

    def of(self, group: str, plural: str) -> kinds.Resource:
        return kinds.resource(f"{plural}.{group}" if group else plural)

    def lookup(self, group: str, version: str, plural: str) -> Any:
        return self.of(group, plural)

    def by_kind(self, api_version: str, kind: str) -> Any:
        resource = kinds.by_kind(api_version, kind)
        return None if resource is None else type("Served", (), {"resource": resource})()

    def decode(self, served: Any, obj: Obj) -> Obj:
        return deepcopy(obj)

    async def get(self, served: kinds.Resource, namespace: str, name: str) -> Obj:
        from kubepy.api.errors import NotFound

        found = self.lister.get(served.group, served.plural, namespace, name)
        if found is None:
            raise NotFound.of(served.group, served.plural, name)
        return found

    async def update_object(self, group: str, plural: str, namespace: str, name: str, transform: Any, *, subresource: str = "") -> Obj:
        self.writes += 1
        new = transform(self.lister.get(group, plural, namespace, name))
        obj: Obj = await new if inspect.isawaitable(new) else new
        self.lister.put(group, plural, obj)
        return obj


class Bench:
    """A chain with its lister; `create` and `update` pass an object through both phases and return it with the context."""

    def __init__(self, *objects: tuple[str, str, Obj], authorizer: Any = None, enabled: tuple[str, ...] = ()) -> None:
        self.lister = FakeLister(("", "namespaces", {"metadata": {"name": "ns"}}), *objects)
        self.lister.put("", "serviceaccounts", {"metadata": {"name": "default", "namespace": "ns"}})
        self.registry = FakeRegistry(self.lister)
        self.tools = Tools(self.lister, self.registry, SimpleNamespace(enable_admission_plugins=enabled), authorizer)
        self.chain: Chain = build(self.tools)

    async def run(
        self, operation: str, resource: str, obj: Obj | None, old: Obj | None = None, *,
        subresource: str = "", user: User = ADMIN, dry_run: bool = False, name: str = "",
    ) -> tuple[Obj, Context]:  # fmt: skip
        served = kinds.resource(resource)
        namespace = "ns" if served.namespaced else ""
        ctx = Context(user, RequestInfo(True, "", operation.lower()), dry_run=dry_run)
        new = deepcopy(obj)
        meta = (new or old or {}).get("metadata", {})
        a = Attributes(ctx, operation, served, subresource, namespace, name or meta.get("name", ""), new, old, {})
        if self.chain.wants(operation, served, subresource):
            await self.chain.admit(a)
            await self.chain.validate(a)
        return new or {}, ctx

    async def create(self, resource: str, obj: Obj, **more: Any) -> tuple[Obj, Context]:
        return await self.run("CREATE", resource, obj, **more)

    async def update(self, resource: str, obj: Obj, old: Obj, **more: Any) -> tuple[Obj, Context]:
        return await self.run("UPDATE", resource, obj, old, **more)


def pod(name: str = "p", **spec: Any) -> Obj:
    """A pod with one container."""
    meta = {"name": name, "namespace": "ns"}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


def named(name: str, namespace: str = "", **more: Any) -> Obj:
    """Any object."""
    meta = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"metadata": meta, **more}
