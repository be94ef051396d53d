"""Tables: the columns and rows that `kubectl get` shows for every kind. Pure; custom resources bring columns of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubepy.api.resource import Resource
from kubepy.api.tables import core, others, workloads
from kubepy.api.tables.cells import Obj, Printer
from kubepy.api.tables.columns import Column, columns_for, created_column, name_column, scale_columns
from kubepy.api.tables.duration import human_duration, since
from kubepy.api.tables.others import scale as scale_row

__all__ = [
    "arranged",
    "Column",
    "columns_for",
    "created_column",
    "human_duration",
    "name_column",
    "row",
    "row_conditions",
    "scale_columns",
    "scale_row",
    "since",
]

_PRINTERS: dict[tuple[str, str], Printer] = workloads.PRINTERS | core.PRINTERS | others.PRINTERS


def arranged(resource: Resource, objs: Sequence[Any]) -> Sequence[Any]:
    """The objects of a list in the order in which its Table shows them: theirs, but for flow schemas (printers.go)."""
    if resource.plural != "flowschemas":
        return objs
    return sorted(objs, key=lambda o: ((o.get("spec") or {}).get("matchingPrecedence", 0), o["metadata"]["name"]))


def row(resource: Resource, obj: Obj, now: float) -> list[Any]:
    """The cells of one object, wide columns included; `now` is the wall clock in seconds since the epoch."""
    printer = _PRINTERS.get((resource.group, resource.plural))
    if printer is None:
        metadata = obj.get("metadata") or {}
        return [metadata.get("name", ""), metadata.get("creationTimestamp")]
    return printer(obj, now)


def row_conditions(resource: Resource, obj: Obj) -> list[dict[str, str]]:
    """TableRow.conditions; empty, and then left out, for all but pods that are over."""
    return workloads.pod_row_conditions(obj) if (resource.group, resource.plural) == ("", "pods") else []
