"""Keeps the condition `Dangling` of FlowSchemas: whether the priority level they name exists (util/flowcontrol/apf_controller.go)."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable
from typing import Any, Protocol

from apiserver.context import Lister, Obj
from kubepy.api.errors import NotFound, StatusError

log = logging.getLogger("apiserver")

GROUP = "flowcontrol.apiserver.k8s.io"
LOOK_EVERY = 2.0
"""Seconds between looks at the generations of schemas and levels; nothing more happens while they stand still."""


class StatusWriter(Protocol):
    """The part of the registry that is needed here."""

    async def update_object(
        self, group: str, plural: str, namespace: str, name: str, transform: Callable[[Obj | None], Obj], *, subresource: str
    ) -> Obj:
        """Read, change, write."""


class FlowStatus:
    """One per server; several servers write the same."""

    def __init__(self, writer: StatusWriter, lister: Lister) -> None:
        self._writer = writer
        self._lister = lister
        self._seen: tuple[int, int] | None = None

    async def keep(self) -> None:
        """Look and repair, until cancelled."""
        while True:
            try:
                await self.repair()
            except StatusError as error:
                log.warning("could not write the status of a flow schema: %s", error)
            await asyncio.sleep(LOOK_EVERY)

    async def repair(self) -> None:
        """Write every condition that is not as it should be. Raises StatusError."""
        generations = (self._lister.generation(GROUP, "flowschemas"), self._lister.generation(GROUP, "prioritylevelconfigurations"))
        if generations == self._seen:
            return
        for schema in list(self._lister.list(GROUP, "flowschemas")):
            wanted = self._condition(schema)
            if not _holds(schema, wanted):
                await self._write(schema["metadata"]["name"], wanted)
        self._seen = generations

    def _condition(self, schema: Obj) -> Obj:
        level = schema["spec"]["priorityLevelConfiguration"]["name"]
        found = self._lister.get(GROUP, "prioritylevelconfigurations", None, level) is not None
        text = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
        if found:
            return {"type": "Dangling", "status": "False", "reason": "Found", "message": f"{text} and it exists"}
        return {"type": "Dangling", "status": "True", "reason": "NotFound", "message": f"{text} but there is no such object"}

    async def _write(self, name: str, wanted: Obj) -> None:
        def transform(stored: Obj | None) -> Obj:
            if stored is None:
                raise NotFound.of(GROUP, "flowschemas", name)
            others = [c for c in (stored.get("status") or {}).get("conditions") or () if c.get("type") != "Dangling"]
            now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            return {**stored, "status": {"conditions": [*others, {**wanted, "lastTransitionTime": now}]}}

        try:
            await self._writer.update_object(GROUP, "flowschemas", "", name, transform, subresource="status")
        except NotFound:
            return  # deleted meanwhile


def _holds(schema: Obj, wanted: dict[str, Any]) -> bool:
    conditions = (schema.get("status") or {}).get("conditions") or ()
    return any(all(c.get(key) == value for key, value in wanted.items()) for c in conditions)
