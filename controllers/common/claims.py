"""Adoption and release: a controller owns exactly the objects that its selector matches (controller_ref_manager.go)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kubepy.api import meta
from kubepy.api.errors import Invalid, NotFound, StatusError
from kubepy.api.kinds import Resource
from kubepy.client import Client

Obj = dict[str, Any]


class CannotAdopt(Exception):
    """The owner is gone or being deleted: it must not adopt."""


class Claimer:
    """Claims objects of one resource for one owner during one reconcile."""

    def __init__(
        self,
        client: Client,
        owner_resource: Resource | str,
        owner: Obj,
        resource: Resource | str,
        matches: Callable[[Mapping[str, str]], bool],
        finalizers: Iterable[str] = (),
    ) -> None:
        self._client, self._owner_resource, self._owner = client, owner_resource, owner
        self._resource, self._matches = resource, matches
        self._finalizers = list(finalizers)
        self._checked = False

    async def claim(self, objects: Iterable[Obj], wanted: Callable[[Obj], bool] = lambda obj: True) -> list[Obj]:
        """Those of `objects` that the owner controls now; adopts orphans and releases what no longer matches.

        Raises the first error after all were tried.
        """
        claimed: list[Obj] = []
        failure: Exception | None = None
        for obj in objects:
            try:
                if await self._one(obj, wanted):
                    claimed.append(obj)
            except (StatusError, CannotAdopt) as e:
                failure = failure or e
        if failure is not None:
            raise failure
        return claimed

    async def _one(self, obj: Obj, wanted: Callable[[Obj], bool]) -> bool:
        ref = meta.controller_of(obj)
        matching = self._matches(meta.labels(obj)) and wanted(obj)
        if ref is not None:
            if ref["uid"] != meta.uid(self._owner):
                return False
            if matching:
                return True
            if not meta.deleting(self._owner):
                await self._release(obj)
            return False
        if meta.deleting(self._owner) or not matching or meta.deleting(obj):
            return False
        return await self._adopt(obj)

    async def _adopt(self, obj: Obj) -> bool:
        await self._check()
        change: Obj = {"ownerReferences": [meta.controller_ref(self._owner)], "uid": meta.uid(obj)}
        if self._finalizers:
            change["finalizers"] = self._finalizers
        try:
            await self._client.patch(self._resource, meta.name(obj), {"metadata": change}, meta.namespace(obj), type="strategic")
        except NotFound:
            return False
        return True

    async def _release(self, obj: Obj) -> None:
        change: Obj = {"ownerReferences": [{"$patch": "delete", "uid": meta.uid(self._owner)}], "uid": meta.uid(obj)}
        if self._finalizers:
            change["$deleteFromPrimitiveList/finalizers"] = self._finalizers
        try:
            await self._client.patch(self._resource, meta.name(obj), {"metadata": change}, meta.namespace(obj), type="strategic")
        except (NotFound, Invalid):
            # Gone, or another object of that name by now (the uid differs), or the reference was removed already.
            return

    async def _check(self) -> None:
        """Read the owner from the server before the first adoption: the cache may not know of its deletion yet."""
        if self._checked:
            return
        owner = self._owner
        kind, namespace, name = owner["kind"], meta.namespace(owner), meta.name(owner)
        fresh = await self._client.get(self._owner_resource, name, namespace or None)
        if meta.uid(fresh) != meta.uid(owner):
            raise CannotAdopt(f"original {kind} {namespace}/{name} is gone: got uid {meta.uid(fresh)}, wanted {meta.uid(owner)}")
        if meta.deleting(fresh):
            raise CannotAdopt(f"{namespace}/{name} has just been deleted at {fresh['metadata']['deletionTimestamp']}")
        self._checked = True
