"""Which slices to create, update and delete so that they hold the desired endpoints, changing as few as can be. Pure.

staging/src/k8s.io/endpointslice/reconciler.go: endpoints stay in the slice they are in; new ones fill slices that change anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controllers.common.pods import same
from kubepy.api import meta

Obj = dict[str, Any]
Ports = tuple[tuple[Any, ...], ...]

NAME_LABEL = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
HEADLESS = "service.kubernetes.io/headless"
TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"


@dataclass
class Changes:
    """Slices to write; those to create have no name yet."""

    create: list[Obj] = field(default_factory=list)
    update: list[Obj] = field(default_factory=list)
    delete: list[Obj] = field(default_factory=list)


def ports_key(ports: Sequence[Obj] | None) -> Ports:
    """What makes two lists of ports the same, whatever their order."""
    return tuple(sorted((p.get("name", ""), p.get("port", 0), p.get("protocol", "TCP"), p.get("appProtocol", "")) for p in ports or ()))


def identity(endpoint: Obj) -> tuple[Any, ...]:
    """What makes two endpoints the same one, in whatever condition (EndpointHash)."""
    ref = endpoint.get("targetRef") or {}
    return tuple(endpoint["addresses"]), endpoint.get("hostname", ""), ref.get("uid", ""), ref.get("namespace", ""), ref.get("name", "")


def reconcile(
    existing: Sequence[Obj],
    desired: Mapping[Ports, Sequence[Obj]],
    ports: Mapping[Ports, list[Obj]],
    blank: Callable[[list[Obj]], Obj],
    labels_of: Callable[[Obj], dict[str, str]],
    limit: int,
) -> Changes:
    """Changes for the slices of one address type; `blank(ports)` makes a new slice, `labels_of(slice)` its right labels."""
    changes = Changes()
    by_ports: dict[Ports, list[Obj]] = {}
    for piece in existing:
        by_ports.setdefault(ports_key(piece.get("ports")), []).append(piece)
    for key, endpoints in desired.items():
        _fill(changes, by_ports.get(key, []), endpoints, lambda key=key: blank(ports[key]), labels_of, limit)  # type: ignore[misc]
    for key, pieces in by_ports.items():
        if key not in desired:
            changes.delete += pieces
    if not changes.create and not changes.update and len(changes.delete) == len(existing):
        # A Service always has one slice of each type, even without endpoints.
        spare = next((p for p in changes.delete if not p.get("ports") and not p.get("endpoints")), None)
        if spare is None:
            changes.create.append(blank([]))
        else:
            changes.delete.remove(spare)
            if meta.labels(spare) != labels_of(spare):
                changes.update.append({**spare, "metadata": {**spare["metadata"], "labels": labels_of(spare)}})
    _recycle(changes, labels_of)
    return changes


def _fill(
    changes: Changes,
    pieces: Sequence[Obj],
    endpoints: Sequence[Obj],
    blank: Callable[[], Obj],
    labels_of: Callable[[Obj], dict[str, str]],
    limit: int,
) -> None:
    wanted = {identity(e): e for e in endpoints}
    unchanged: list[Obj] = []
    changed: list[Obj] = []
    for piece in pieces:
        kept, differs = [], meta.labels(piece) != labels_of(piece)
        for endpoint in piece.get("endpoints") or ():
            match = wanted.pop(identity(endpoint), None)
            if match is None:
                differs = True
                continue
            differs = differs or not _equal(match, endpoint)
            kept.append(match)
        if not differs:
            unchanged.append(piece)
        elif kept or not piece.get("endpoints"):
            changed.append({**piece, "endpoints": kept})
        elif wanted:
            changed.append({**piece, "endpoints": []})
        else:
            changes.delete.append(piece)
    new = list(wanted.values())
    for piece in sorted(changed, key=lambda p: len(p["endpoints"]), reverse=True):
        room = limit - len(piece["endpoints"])
        if room > 0 and new:
            piece["endpoints"] = piece["endpoints"] + new[:room]
            new = new[room:]
    if 0 < len(new) < limit:
        # One unchanged slice that can take all of them is better than a further slice.
        fitting = [p for p in unchanged if len(p.get("endpoints") or ()) + len(new) <= limit]
        if fitting:
            best = max(fitting, key=lambda p: len(p.get("endpoints") or ()))
            unchanged.remove(best)
            changed.append({**best, "endpoints": [*(best.get("endpoints") or ()), *new]})
            new = []
    while new:
        changes.create.append({**blank(), "endpoints": new[:limit]})
        new = new[limit:]
    for piece in changed:
        if piece["endpoints"]:
            changes.update.append({**piece, "metadata": {**piece["metadata"], "labels": labels_of(piece)}})
        else:
            changes.delete.append(piece)


def _equal(a: Obj, b: Obj) -> bool:
    """Sameness of all that is written; an absent condition and a false one differ."""
    return (a.get("conditions") or {}) == (b.get("conditions") or {}) and same(a, b)


def _recycle(changes: Changes, labels_of: Callable[[Obj], dict[str, str]]) -> None:
    """Turn pairs of a deletion and a creation into updates."""
    while changes.create and changes.delete:
        new, old = changes.create.pop(), changes.delete.pop()
        body = {**old, "ports": new.get("ports") or [], "endpoints": new.get("endpoints") or []}
        body["metadata"] = {**old["metadata"], "labels": labels_of(old)}
        changes.update.append(body)


def labels(service: Obj, controller: str, headless: bool) -> dict[str, str]:
    """A slice's labels: its Service's, without reserved ones, and what says to whom it belongs."""
    out = {k: v for k, v in meta.labels(service).items() if k not in (NAME_LABEL, MANAGED_BY, HEADLESS)}
    out[MANAGED_BY] = controller
    out[NAME_LABEL] = meta.name(service)
    if headless:
        out[HEADLESS] = ""
    return out


def stamped(piece: Obj, trigger: str) -> Obj:
    """The slice with the trigger time of this change; without one the old stamp goes."""
    annotations = {k: v for k, v in meta.annotations(piece).items() if k != TRIGGER}
    if trigger:
        annotations[TRIGGER] = trigger
    return {**piece, "metadata": {**piece["metadata"], "annotations": annotations}}
