"""The entries of metadata.managedFields: reading, identifying, sorting and writing them, and the cap on how many there may be.

Upstream: apimachinery pkg/util/managedfields/internal/{managedfields,capmanagers}.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from kubepy.api.patch.fieldset import FieldSet, InvalidFields, parse, union
from kubepy.api.recall import Recall

MAX_UPDATE_MANAGERS = 10
ANCIENT = "ancient-changes"

Entry = dict[str, Any]


class ManagerId(NamedTuple):
    """Who owns: for appliers the version is no part of the identity, so that it stays the same when they move on."""

    manager: str
    operation: str
    api_version: str
    subresource: str

    def text(self) -> str:
        """Upstream's identifier, a JSON text; conflicts are sorted by it."""
        fields = {"manager": self.manager, "operation": self.operation, "apiVersion": self.api_version, "subresource": self.subresource}
        return orjson.dumps({k: v for k, v in fields.items() if v}).decode()

    def describe(self) -> str:
        """How a conflict names the manager: `"x" with subresource "status" using apps/v1`."""
        out = orjson.dumps(self.manager).decode()
        if self.subresource:
            out += f' with subresource "{self.subresource}"'
        return f"{out} using {self.api_version}" if self.operation == "Update" else out


class Owned(NamedTuple):
    """What a manager owns, in which version it said so, and when (RFC 3339, empty for never told)."""

    fields: FieldSet
    api_version: str
    time: str
    entry: Entry | None = None
    """The entry this was read from, reused when nothing changes."""


Managers = dict[ManagerId, Owned]


def manager_id(manager: str, operation: str, api_version: str, subresource: str) -> ManagerId:
    """The identity of who makes a request; an empty name is `unknown`."""
    return ManagerId(manager or "unknown", operation, "" if operation == "Apply" else api_version, subresource)


def read(entries: Iterable[Entry] | None, *, trusted: bool) -> Managers | None:
    """The managers of an object, None when the entries are invalid. `trusted` entries come from our own store."""
    out: Managers = {}
    for entry in entries or ():
        operation, api_version = entry.get("operation", ""), entry.get("apiVersion", "")
        fields = entry.get("fieldsV1") or {}
        if not trusted:
            if operation not in ("Apply", "Update") or not api_version or entry.get("fieldsType") != "FieldsV1":
                return None
            try:
                fields = parse(fields)
            except InvalidFields:
                return None
        who = ManagerId(entry.get("manager", ""), operation, "" if operation == "Apply" else api_version, entry.get("subresource", ""))
        out[who] = Owned(fields, api_version, entry.get("time") or "", entry if trusted else None)
    return out


def write(managers: Managers) -> list[Entry]:
    """The entries in upstream's order: appliers first, then by time, manager, version, subresource."""
    order = sorted(managers.items(), key=lambda item: (item[0].operation, item[1].time, item[0].manager, item[1].api_version, item[0][3]))
    return [owned.entry if owned.entry is not None else _entry(who, owned) for who, owned in order]


_sets: Recall[bytes, FieldSet] = Recall()


def _shared(text: bytes) -> FieldSet:
    """The set of a text; one for all who own the same."""
    found = _sets.find(text)
    if found is None:
        found = orjson.loads(text)
        _sets.keep(text, found, 4 * len(text))
    return found


def _entry(who: ManagerId, owned: Owned) -> Entry:
    entry: Entry = {"manager": who.manager, "operation": who.operation, "apiVersion": owned.api_version}
    if owned.time:
        entry["time"] = owned.time
    entry["fieldsType"] = "FieldsV1"
    # In the order of their names: clients compare the text, whatever encoding they got it in.
    entry["fieldsV1"] = _shared(orjson.dumps(owned.fields, option=orjson.OPT_SORT_KEYS))
    if who.subresource:
        entry["subresource"] = who.subresource
    return entry


def cap(managers: Managers) -> None:
    """Fold the oldest updaters of each version into one entry, `ancient-changes`, while there are more than the maximum."""
    updaters = [who for who in managers if who.operation == "Update"]
    if len(updaters) <= MAX_UPDATE_MANAGERS:
        return
    updaters.sort(key=lambda who: (managers[who].time, who.text()))
    first: dict[str, ManagerId] = {}
    left = len(updaters)
    for who in updaters:
        if left <= MAX_UPDATE_MANAGERS:
            return
        owned = managers[who]
        version = owned.api_version
        bucket = ManagerId(ANCIENT, "Update", version, "")
        if version not in first:
            first[version] = who
            continue
        if bucket not in managers:
            managers[bucket] = managers.pop(first[version])
        merged = union(owned.fields, managers[bucket].fields)
        del managers[who]
        left -= 1
        managers[bucket] = Owned(merged, version, owned.time)
