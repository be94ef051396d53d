"""Lists and maps of resource.k8s.io: what is too long is not looked at; an entry's errors come before its being a duplicate. Pure.

Upstream: validateSlice, validateSet and validateMap in pkg/apis/resource/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apiserver.registry.strategies.checks import Errors
from kubepy.api.errors import duplicate, too_many

Check = Callable[[Any, str], None]
"""(entry, its path); appends what it finds."""


def each(out: Errors, found: Sequence[Any] | None, path: str, limit: int, check: Check) -> bool:
    """Every entry of a list of at most `limit` entries, -1 for any number; whether they were looked at."""
    if 0 <= limit < len(found or ()):
        out.append(too_many(path, len(found or ()), limit))
        return False
    for i, entry in enumerate(found or ()):
        check(entry, f"{path}[{i}]")
    return True


def unique(out: Errors, found: Sequence[Any] | None, path: str, limit: int, check: Check, key: Callable[[Any], Any]) -> None:
    """As `each`, and no two entries of one key."""
    if not each(out, found, path, limit, check):
        return
    seen = set()
    for i, entry in enumerate(found or ()):
        this = key(entry)
        if this in seen:
            out.append(duplicate(f"{path}[{i}]", this))
        seen.add(this)


def keyed(out: Errors, found: Mapping[str, Any], path: str, limit: int, check: Callable[[str], None]) -> None:
    """Every key of a map of at most `limit` entries."""
    if len(found) > limit:
        out.append(too_many(path, len(found), limit))
        return
    for name in found:
        check(name)
