"""What the printers share: reading, joining and abbreviating. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kubepy.api.selectors import from_labels
from kubepy.api.tables.duration import since

Obj = Mapping[str, Any]
Printer = Callable[[Obj, float], list[Any]]
"""(object, now in seconds) → cells."""

NONE = "<none>"
UNSET = "<unset>"


def spec(obj: Obj) -> Obj:
    """`spec`, or an empty mapping."""
    return obj.get("spec") or {}


def status(obj: Obj) -> Obj:
    """`status`, or an empty mapping."""
    return obj.get("status") or {}


def age(obj: Obj, now: float) -> str:
    """The Age cell."""
    return since((obj.get("metadata") or {}).get("creationTimestamp"), now)


def name(obj: Obj) -> str:
    """The Name cell."""
    out: str = (obj.get("metadata") or {}).get("name", "")
    return out


def deleting(obj: Obj) -> bool:
    """Whether the object is being deleted."""
    return bool((obj.get("metadata") or {}).get("deletionTimestamp"))


def annotation(obj: Obj, key: str) -> str:
    """One annotation, or an empty string."""
    out: str = ((obj.get("metadata") or {}).get("annotations") or {}).get(key, "")
    return out


def labels(values: Mapping[str, str] | None) -> str:
    """labels.FormatLabels: `a=b,c=d`, or `<none>`."""
    return str(from_labels(values)) or NONE


def containers(pod_spec: Obj) -> list[Any]:
    """The Containers and Images cells."""
    listed = pod_spec.get("containers") or ()
    return [",".join(c.get("name", "") for c in listed), ",".join(c.get("image", "") for c in listed)]


def template_containers(obj: Obj) -> list[Any]:
    """The Containers and Images cells of a workload's pod template."""
    return containers((spec(obj).get("template") or {}).get("spec") or {})


def some(items: Sequence[str], limit: int, total: int | None = None, *, separator: str = ",") -> str:
    """The first few items and ` + 2 more...`; `total` counts what `items` was cut from."""
    total = len(items) if total is None else total
    text = separator.join(items[:limit])
    return f"{text} + {total - limit} more..." if total > limit else text


def condition(obj: Obj, kind: str) -> Obj | None:
    """The status condition of that type, or None."""
    return next((c for c in status(obj).get("conditions") or () if c.get("type") == kind), None)


def is_true(obj: Obj, kind: str) -> bool:
    """Whether the status condition of that type is True."""
    found = condition(obj, kind)
    return found is not None and found.get("status") == "True"


def yes_no(value: bool | None) -> str:
    """`True`, `False`, or `<unset>`."""
    return UNSET if value is None else str(value)


def joined(values: Iterable[str] | None, separator: str = ",") -> str:
    """The values with a separator between them."""
    return separator.join(values or ())
