"""Extenders: HTTP services that have a say in placements (upstream pkg/scheduler/extender.go; kube-scheduler/extender/v1).

Field names are written as Go's, without tags, and read whatever their case, for that is how extenders in the field write them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np
import orjson

from kubepy.api.errors import StatusError
from scheduler.cycle import Refusal, refused
from scheduler.framework.interface import Cycle
from scheduler.framework.podinfo import Obj, PodInfo
from scheduler.profile import EXTENDER

SCALE = 10.0
"""Extenders score up to 10, plugins up to 100."""


class ExtenderError(Exception):
    """An extender that may not be ignored failed."""


@dataclass(frozen=True)
class Extender:
    """One extender of the configuration. Verbs that are empty are not asked for."""

    url: str
    filter_verb: str = ""
    prioritize_verb: str = ""
    bind_verb: str = ""
    weight: int = 1
    timeout: float = 30.0
    node_names_only: bool = False
    ignorable: bool = False
    resources: frozenset[str] = frozenset()
    insecure: bool = False
    ca: str | None = None

    @property
    def binds(self) -> bool:
        """Whether it binds pods itself."""
        return bool(self.bind_verb)

    def interested(self, pod: PodInfo) -> bool:
        """Whether it manages a resource that the pod asks for (or all pods, when it names none)."""
        return not self.resources or any(name in self.resources for name in pod.requests)

    async def ask(self, verb: str, body: Obj) -> Any:
        """The answer to one verb. Raises ExtenderError."""
        context: ssl.SSLContext | bool = True
        if self.url.startswith("https:"):
            context = ssl.create_default_context(cafile=self.ca)
            if self.insecure:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        try:
            async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(ssl=context)) as session:
                data, headers = orjson.dumps(body), {"Content-Type": "application/json"}
                async with session.post(f"{self.url.rstrip('/')}/{verb}", data=data, headers=headers) as answer:
                    if answer.status != 200:
                        raise ExtenderError(f"failed {verb} with extender at URL {self.url}, code {answer.status}")
                    return orjson.loads(await answer.read())
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError, StatusError) as e:
            raise ExtenderError(f"extender {self.url}: {e or type(e).__name__}") from e

    def arguments(self, cycle: Cycle) -> Obj:
        """ExtenderArgs of the nodes that are left."""
        s = cycle.snapshot
        names = s.names(cycle.feasible)
        if self.node_names_only:
            return {"Pod": cycle.pod.obj, "Nodes": None, "NodeNames": names}
        nodes = [s.nodes[n].obj for n in names]
        return {"Pod": cycle.pod.obj, "Nodes": {"metadata": {}, "items": nodes}, "NodeNames": None}

    async def bind(self, pod: PodInfo, node: str) -> None:
        """Let the extender bind the pod. Raises ExtenderError."""
        body = {"PodName": pod.name, "PodNamespace": pod.namespace, "PodUID": pod.uid, "Node": node}
        answer = _plain(await self.ask(self.bind_verb, body))
        if answer.get("error"):
            raise ExtenderError(str(answer["error"]))


def _plain(answer: Any) -> Mapping[str, Any]:
    return {str(k).lower(): v for k, v in answer.items()} if isinstance(answer, dict) else {}


async def consult(extenders: Sequence[Extender], cycle: Cycle) -> Refusal | None:
    """Narrow `cycle.feasible` by each extender in turn; why nothing is left, or None. Raises ExtenderError."""
    s = cycle.snapshot
    for extender in extenders:
        if not extender.filter_verb or not extender.interested(cycle.pod):
            continue
        try:
            answer = _plain(await extender.ask(extender.filter_verb, extender.arguments(cycle)))
            if answer.get("error"):
                raise ExtenderError(str(answer["error"]))
        except ExtenderError:
            if extender.ignorable:
                continue
            raise
        if s.capacity != len(cycle.feasible):
            raise ExtenderError("nodes came while extenders were asked")
        names = answer.get("nodenames")
        if names is None:
            names = [n["metadata"]["name"] for n in _plain(answer.get("nodes")).get("items") or []]
        left = np.zeros(s.capacity, np.bool_)
        for name in names:
            if name in s.nodes:
                left[s.nodes[name].slot] = True
        for field, final in (("failedandunresolvablenodes", True), ("failednodes", False)):
            for name, why in (answer.get(field) or {}).items():
                cycle.reasons[why] += 1
                cycle.refused_by.add(EXTENDER)
                if final and name in s.nodes:
                    cycle.unresolvable[s.nodes[name].slot] = True
        cycle.feasible &= left
        if not cycle.feasible.any():
            cycle.refused_by.add(EXTENDER)
            return refused(cycle)
    return None


async def prioritise(extenders: Sequence[Extender], cycle: Cycle) -> dict[str, float]:
    """The extenders' weighted scores by node, on the plugins' scale; one that fails says nothing."""

    async def one(extender: Extender) -> Any:
        try:
            return await extender.ask(extender.prioritize_verb, extender.arguments(cycle))
        except ExtenderError:
            return []

    asked = [e for e in extenders if e.prioritize_verb and e.interested(cycle.pod)]
    total: dict[str, float] = {}
    for extender, answer in zip(asked, await asyncio.gather(*map(one, asked)), strict=True):
        for entry in map(_plain, answer or []):
            total[entry["host"]] = total.get(entry["host"], 0.0) + entry.get("score", 0) * extender.weight * SCALE
    if cycle.snapshot.capacity != len(cycle.feasible):
        raise ExtenderError("nodes came while extenders were asked")
    return total
