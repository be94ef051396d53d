"""Static pods: manifests in a folder, run without the API, and shown in it as mirror pods.

Upstream: pkg/kubelet/config/{file,common}.go, pkg/kubelet/pod/mirror_client.go.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import orjson
import yaml

from kubelet.host import Host
from kubelet.pods import spec
from kubepy.api.errors import AlreadyExists, NotFound, StatusError
from kubepy.client import Unreachable

log = logging.getLogger(__name__)

Obj = dict[str, Any]

SCAN = 5.0
_TOLERATION = {"operator": "Exists", "effect": "NoExecute"}


class Workers(Protocol):
    """What runs the pods: the node's agent."""

    def begin_static(self, pod: Obj) -> None:
        """Run it."""

    def end_static(self, pod: Obj) -> None:
        """End it."""


def read(path: Path, node: str) -> Obj:
    """The pod of one manifest, named and marked as upstream does. Raises ValueError, OSError."""
    data = path.read_bytes()
    try:
        found = yaml.safe_load(data)
    except yaml.YAMLError as e:
        raise ValueError(f"{path}: {e}") from e
    if not isinstance(found, dict) or found.get("kind") != "Pod" or not found.get("metadata", {}).get("name"):
        raise ValueError(f"{path}: not a Pod")
    digest = hashlib.md5(orjson.dumps([found, str(path), node]), usedforsecurity=False).hexdigest()
    meta = found["metadata"]
    meta["name"] = f"{meta['name']}-{node.lower()}"
    meta.setdefault("namespace", "default")
    meta["uid"] = digest
    annotations = meta.get("annotations") or {}
    meta["annotations"] = {**annotations, spec.HASH_ANNOTATION: digest, spec.SOURCE_ANNOTATION: "file"}
    found["spec"]["nodeName"] = node
    found["spec"]["tolerations"] = [*(found["spec"].get("tolerations") or ()), _TOLERATION]
    found.pop("status", None)
    return found


def mirror_of(pod: Obj, node: Obj) -> Obj:
    """The API's image of a static pod."""
    meta = {k: v for k, v in pod["metadata"].items() if k != "uid"}
    meta["annotations"] = {**meta["annotations"], spec.MIRROR_ANNOTATION: pod["metadata"]["uid"]}
    owner = {"apiVersion": "v1", "kind": "Node", "name": pod["spec"]["nodeName"], "uid": node["metadata"]["uid"], "controller": True}
    meta["ownerReferences"] = [owner]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod["spec"]}


class StaticPods:
    """Follows a folder and keeps the mirrors."""

    def __init__(self, host: Host, folder: Path, workers: Workers, node: Callable[[], Obj]) -> None:
        self._host, self._folder, self._workers, self._node = host, folder, workers, node
        self._pods: dict[str, Obj] = {}
        self._mirrors: dict[tuple[str, str], Obj] = {}
        self._task: asyncio.Task[None] | None = None
        self.wake = asyncio.Event()

    def start(self) -> None:
        """Begin; the API's pods must have been told."""
        self._task = asyncio.create_task(self._follow(), name="static pods")

    async def stop(self) -> None:
        """End; pods run on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def scan(self) -> None:
        """Look at the folder once, and begin and end pods."""
        found: dict[str, Obj] = {}
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            if path.name.startswith(".") or path.suffix not in (".yaml", ".yml", ".json"):
                continue
            try:
                pod = read(path, self._host.node_name)
            except (ValueError, OSError) as e:
                log.error("static pod: %s", e)
                continue
            found[pod["metadata"]["uid"]] = pod
        for uid in self._pods.keys() - found.keys():
            self._workers.end_static(self._pods.pop(uid))
        for uid in found.keys() - self._pods.keys():
            self._pods[uid] = found[uid]
            self._workers.begin_static(found[uid])

    def mirror_event(self, kind: str, mirror: Obj) -> None:
        """A mirror pod in the API changed."""
        key = (mirror["metadata"]["namespace"], mirror["metadata"]["name"])
        if kind == "DELETED":
            self._mirrors.pop(key, None)
        else:
            self._mirrors[key] = mirror
        self.wake.set()

    async def _follow(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._folder.is_dir)
                self.scan()
                await self._keep_mirrors()
            except (StatusError, Unreachable, OSError) as e:
                log.warning("static pods: %s", e)
            self.wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), SCAN)

    async def _keep_mirrors(self) -> None:
        wanted = {(p["metadata"]["namespace"], p["metadata"]["name"]): p for p in self._pods.values()}
        for key, mirror in list(self._mirrors.items()):
            pod = wanted.get(key)
            meta = mirror["metadata"]
            if pod is None or meta["annotations"][spec.MIRROR_ANNOTATION] != pod["metadata"]["uid"] or meta.get("deletionTimestamp"):
                with contextlib.suppress(NotFound):
                    await self._host.client.delete("pods", meta["name"], meta["namespace"], grace=0, preconditions={"uid": meta["uid"]})
                self._mirrors.pop(key, None)
        for key, pod in wanted.items():
            if key not in self._mirrors and self._node().get("metadata"):
                with contextlib.suppress(AlreadyExists):
                    self._mirrors[key] = await self._host.client.create("pods", mirror_of(pod, self._node()))
        for key, pod in wanted.items():
            if key in self._mirrors:
                self._host.statuses.show_as(pod["metadata"]["uid"], self._mirrors[key]["metadata"]["uid"])
