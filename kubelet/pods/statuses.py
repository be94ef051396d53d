"""Reports pods' statuses: the newest of each pod, a few at a time, as patches of what changed (kubelet/status/status_manager.go)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from kubelet.pods.conditions import OWNED
from kubepy.api.errors import NotFound, StatusError
from kubepy.client import Client, Unreachable

log = logging.getLogger(__name__)

Obj = dict[str, Any]

WRITERS = 16
_RETRY = 1.0


class _Entry:
    __slots__ = ("api_uid", "name", "namespace", "reported", "revision", "waiters", "wanted", "writing")

    def __init__(self, namespace: str, name: str, reported: Obj) -> None:
        self.namespace, self.name = namespace, name
        self.reported = reported
        self.api_uid: str | None = None
        self.revision = 0
        """Of our last write."""
        self.wanted: Obj | None = None
        self.writing = False
        """One write at a time: of two patches in flight, the older could be the last to arrive."""
        self.waiters: list[asyncio.Future[None]] = []


def difference(old: Obj, new: Obj) -> Obj:
    """A strategic-merge patch of a pod status from `old` to `new`; empty when nothing changed."""
    patch: Obj = {}
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if key == "conditions":
            by_type = {c["type"]: c for c in before or ()}
            # Fields that went (a reason, a message) are nulls: items of this list are merged.
            changed = [{**dict.fromkeys(by_type.get(c["type"], ())), **c} for c in after or () if by_type.get(c["type"]) != c]
            kept = {c["type"] for c in after or ()}
            gone = [{"$patch": "delete", "type": t} for t in by_type if t not in kept]
            if changed or gone:
                patch[key] = [*changed, *gone]
        elif key in ("podIPs", "hostIPs") and after is not None and before is not None:
            patch[key] = [*after, {"$patch": "replace"}]
        elif key in _OURS or after is not None:
            patch[key] = after
    return patch


_OURS = frozenset(
    {
        "phase", "reason", "message", "podIP", "podIPs", "hostIP", "hostIPs", "startTime", "qosClass", "observedGeneration", "conditions",
        "containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses", "resize", "nominatedNodeName",
    }
)  # fmt: skip
_KEPT = ("nominatedNodeName", "resize", "resourceClaimStatuses", "extendedResourceClaimStatus", "allocatedResources", "resources")


def _claimed(status: Obj, key: str) -> Any:
    """A field as far as it is the kubelet's: of the conditions, only those that it owns, in a fixed order."""
    if key != "conditions":
        return status.get(key)
    owned = ({k: v for k, v in c.items() if v is not None} for c in status.get(key) or () if c["type"] in OWNED)
    return sorted(owned, key=lambda c: str(c["type"]))


def _of_another(error: StatusError) -> bool:
    """Whether a write was refused because the object of that name has another uid."""
    causes = (error.details or {}).get("causes") or ()
    return any(c.get("field") == "metadata.uid" for c in causes) or (error.status_code == 409 and "uid" in error.message.lower())


class StatusManager:
    """The statuses of all pods of this process."""

    def __init__(self, client: Client, gone: Callable[[str], None] | None = None) -> None:
        self._client = client
        self._gone = gone
        self._entries: dict[str, _Entry] = {}
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()
        self._writers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to write."""
        self._writers = [asyncio.create_task(self._write_forever(), name=f"status writer {n}") for n in range(WRITERS)]

    async def stop(self) -> None:
        """End."""
        for writer in self._writers:
            writer.cancel()
        await asyncio.gather(*self._writers, return_exceptions=True)

    def track(self, uid: str, namespace: str, name: str, reported: Obj) -> None:
        """Begin with what the API says."""
        self._entries[uid] = _Entry(namespace, name, {k: v for k, v in reported.items() if k not in _KEPT})

    def show_as(self, uid: str, api_uid: str) -> None:
        """A static pod is reported as its mirror; a new mirror is told all anew."""
        entry = self._entries.get(uid)
        if entry is None or entry.api_uid == api_uid:
            return
        entry.api_uid = api_uid
        entry.wanted = entry.wanted if entry.wanted is not None else entry.reported
        entry.reported = {}
        self._enqueue(uid)

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        entry = self._entries.pop(uid, None)
        for waiter in entry.waiters if entry else ():
            if not waiter.done():
                waiter.set_result(None)

    def get(self, uid: str) -> Obj | None:
        """What is or will be reported."""
        entry = self._entries.get(uid)
        if entry is None:
            return None
        return entry.wanted if entry.wanted is not None else entry.reported

    def set(self, uid: str, status: Obj) -> None:
        """Report this, in time."""
        entry = self._entries.get(uid)
        if entry is None:
            return
        if (entry.wanted if entry.wanted is not None else entry.reported) == status:
            return
        entry.wanted = status
        self._enqueue(uid)

    def seen(self, pod: Obj) -> None:
        """The API's object: what somebody else wrote over our report is written anew (needsReconcile)."""
        uid, status = pod["metadata"]["uid"], pod.get("status") or {}
        entry = self._entries.get(uid)
        if entry is None or entry.wanted is not None or entry.writing or entry.api_uid or not entry.reported:
            return
        if status.get("phase") in ("Failed", "Succeeded") or int(pod["metadata"].get("resourceVersion") or 0) <= entry.revision:
            return
        ours = entry.reported
        if all(_claimed(status, key) == _claimed(ours, key) for key in _OURS if key not in _KEPT and key in ours):
            return
        foreign = [c for c in status.get("conditions") or () if c["type"] not in OWNED]
        entry.reported = {k: v for k, v in status.items() if k not in _KEPT}
        entry.wanted = {**ours, "conditions": [*foreign, *_claimed(ours, "conditions")]}
        self._enqueue(uid)

    def _enqueue(self, uid: str) -> None:
        if uid not in self._queued:
            self._queued.add(uid)
            self._queue.put_nowait(uid)

    async def flushed(self, uid: str) -> None:
        """Wait until the pod's newest status was written, or the pod is gone."""
        entry = self._entries.get(uid)
        while entry is not None and entry.wanted is not None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            entry.waiters.append(waiter)
            await waiter
            entry = self._entries.get(uid)

    async def _write_forever(self) -> None:
        while True:
            uid = await self._queue.get()
            self._queued.discard(uid)
            entry = self._entries.get(uid)
            if entry is None or entry.wanted is None or entry.writing:
                continue
            entry.writing = True
            try:
                await self._write(uid, entry)
            except (StatusError, Unreachable, TimeoutError, OSError) as e:
                log.warning("failed to update the status of pod %s/%s: %s", entry.namespace, entry.name, e)
                asyncio.get_running_loop().call_later(_RETRY, self._enqueue, uid)
            except Exception:
                log.exception("failed to update the status of pod %s/%s", entry.namespace, entry.name)
                asyncio.get_running_loop().call_later(_RETRY * 10, self._enqueue, uid)
            else:
                # What came meanwhile found the entry busy.
                if entry.wanted is not None:
                    self._enqueue(uid)
            finally:
                entry.writing = False

    async def _write(self, uid: str, entry: _Entry) -> None:
        wanted = entry.wanted
        assert wanted is not None
        patch = difference(entry.reported, wanted)
        if patch:
            body = {"metadata": {"uid": entry.api_uid or uid}, "status": patch}
            try:
                written = await self._client.patch(
                    "pods", entry.name, body, entry.namespace, type="strategic", subresource="status", field_manager="kubelet"
                )
                entry.revision = int((written.get("metadata") or {}).get("resourceVersion") or 0)
            except NotFound:
                pass
            except StatusError as e:
                if not _of_another(e):
                    raise
                # Another pod has the name by now: ours is gone.
        entry.reported = wanted
        if entry.wanted is wanted:
            entry.wanted = None
            for waiter in entry.waiters:
                if not waiter.done():
                    waiter.set_result(None)
            entry.waiters.clear()
