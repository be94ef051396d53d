"""ControllerRevisions: the numbered past templates of StatefulSets and DaemonSets (pkg/controller/history)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from controllers.common.claims import Claimer
from controllers.common.pods import same
from controllers.common.templates import safe_encode
from kubepy.api import meta
from kubepy.api.errors import AlreadyExists, Conflict, NotFound
from kubepy.api.selectors import LabelSelector
from kubepy.client import Client
from kubepy.runtime import Informer

Obj = dict[str, Any]

REVISIONS = "controllerrevisions.apps"
HASH = "controller.kubernetes.io/hash"


def fnv32(data: bytes, state: int = 0x811C9DC5) -> int:
    """FNV-1 of 32 bits (not 1a)."""
    for byte in data:
        state = ((state * 0x01000193) & 0xFFFFFFFF) ^ byte
    return state


def template_patch(owner: Obj) -> Obj:
    """What a revision stores: a patch that puts the owner's present template in place.

    In the order of the keys, as Go writes a map: clients find the present revision by comparing the text.
    """
    patch = {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}
    out: Obj = orjson.loads(orjson.dumps(patch, option=orjson.OPT_SORT_KEYS))
    return out


def go_json(value: Any) -> bytes:
    """JSON as Go writes a map: keys sorted, and the three characters escaped that HTML minds."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return text.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")


def data_hash(data: Obj, collisions: int | None) -> str:
    """The hash of a revision's data, in its label and name (HashControllerRevision)."""
    raw = go_json(data)
    if collisions is not None:
        raw += str(collisions).encode()
    return safe_encode(str(fnv32(raw)))


def name_of(owner: str, suffix: str) -> str:
    """`<owner>-<hash>`."""
    return f"{owner[:223]}-{suffix}"


def new_revision(owner: Obj, number: int, suffix: str, labels: Obj) -> Obj:
    """A revision of the owner's present template that is not stored yet."""
    metadata: Obj = {
        "name": name_of(meta.name(owner), suffix), "namespace": meta.namespace(owner), "labels": labels,
        "ownerReferences": [meta.controller_ref(owner)],
    }  # fmt: skip
    if annotations := meta.annotations(owner):
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata, "data": template_patch(owner), "revision": number,
    }  # fmt: skip


def ordered(revisions: Iterable[Obj]) -> list[Obj]:
    """By number, then age, then name."""
    return sorted(revisions, key=lambda r: (r["revision"], meta.metadata(r).get("creationTimestamp", ""), meta.name(r)))


def next_number(revisions: Sequence[Obj]) -> int:
    """One above the highest; `revisions` are ordered."""
    return revisions[-1]["revision"] + 1 if revisions else 1


def equal_to(revisions: Sequence[Obj], data: Obj) -> list[Obj]:
    """Those with the same data, in order."""
    return [r for r in revisions if same(r.get("data"), data)]


class History:
    """The revisions of the owners of one kind."""

    def __init__(self, client: Client, informer: Informer, owners: str) -> None:
        self._client, self._informer, self._owners = client, informer, owners

    async def of(self, owner: Obj, selector: LabelSelector) -> list[Obj]:
        """The owner's revisions in order, orphans adopted."""
        cache = self._informer.cache
        candidates = cache.by_index("controller", meta.uid(owner)) + cache.by_index("orphan", meta.namespace(owner))
        return ordered(await Claimer(self._client, self._owners, owner, REVISIONS, selector.matches).claim(candidates))

    async def create(self, owner: Obj, revision: Obj, rename: Any, collisions: int) -> tuple[Obj, int]:
        """Store a revision; `rename(collisions)` gives the hash for another try. (the stored one, collisions then)."""
        while True:
            suffix = rename(collisions)
            body = {**revision, "metadata": {**revision["metadata"], "name": name_of(meta.name(owner), suffix)}}
            try:
                return await self._client.create(REVISIONS, body, meta.namespace(owner)), collisions
            except AlreadyExists:
                present = await self._client.get(REVISIONS, meta.name(body), meta.namespace(owner))
                if same(present.get("data"), revision["data"]):
                    return present, collisions
                collisions += 1

    async def renumber(self, revision: Obj, number: int) -> Obj:
        """Give a revision a new number: it is current again."""
        if revision["revision"] == number:
            return revision
        try:
            return await self._client.update(REVISIONS, {**revision, "revision": number})
        except Conflict:
            fresh = await self._client.get(REVISIONS, meta.name(revision), meta.namespace(revision))
            return await self._client.update(REVISIONS, {**fresh, "revision": number})

    async def delete(self, revision: Obj) -> None:
        """Delete a revision."""
        try:
            await self._client.delete(REVISIONS, meta.name(revision), meta.namespace(revision))
        except NotFound:
            return
