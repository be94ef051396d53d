"""Tables of custom resources: additionalPrinterColumns, or name and age (apiserver/customresource... conversion/tableconvertor)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.context import Obj
from apiserver.extensions.jsonpath import JSONPathError, parse
from kubepy.api.patch.errors import go_print
from kubepy.api.schema import node_for_definition
from kubepy.api.tables.duration import since

_AGE = {
    "name": "Age",
    "type": "date",
    "jsonPath": ".metadata.creationTimestamp",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A columnDefinition of a Table."""

    name: str
    type: str
    format: str = ""
    description: str = ""
    priority: int = 0


class CustomTable:
    """How the objects of one version are printed."""

    def __init__(self, columns: Sequence[Mapping[str, Any]]) -> None:
        chosen = list(columns) or [_AGE]
        self.columns = [Column("Name", "string", "name", _meta("name"))]
        self._paths: list[tuple[Any, str]] = []
        for c in chosen:
            description = c.get("description") or (_meta("creationTimestamp") if c is _AGE else "")
            if not c.get("description") and c is not _AGE:
                description = f"Custom resource definition column (in JSONPath format): {c.get('jsonPath', '')}"
            self.columns.append(Column(c["name"], c["type"], c.get("format", ""), description, c.get("priority", 0)))
            try:
                self._paths.append((parse(c["jsonPath"]), c["type"]))
            except JSONPathError:
                self._paths.append((lambda _obj: [], c["type"]))

    def row(self, obj: Obj, now: float) -> list[Any]:
        """The cells of one object."""
        return [obj["metadata"]["name"], *(_cell(find(obj), kind, now) for find, kind in self._paths)]


def _meta(field: str) -> str:
    return node_for_definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta").fields[field].description


def _cell(found: list[Any], kind: str, now: float) -> Any:
    if not found:
        return None
    value = found[0]
    if kind == "integer":
        return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if kind == "number":
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "date":
        return _age(value, now) if isinstance(value, str) else None
    return None if value is None else _text(value)


def _age(text: str, now: float) -> str:
    try:
        return since(text, now)
    except ValueError:
        return "<invalid>"


def _text(value: Any) -> str:
    """A value in a column of strings: containers as JSON."""
    if isinstance(value, (dict, list)):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return go_print(value)
