"""Node selectors and node affinity as masks over the snapshot's slots (component-helpers scheduling/corev1/nodeaffinity)."""

from __future__ import annotations

import numpy as np

from scheduler.framework.podinfo import Obj
from scheduler.framework.snapshot import Bools, Snapshot


def _values(snapshot: Snapshot, key: str, values: list[str]) -> Bools:
    column = snapshot.column(key)
    wanted = [i for i in (column.id_of(v) for v in values) if i]
    return np.isin(column.ids, wanted) if wanted else np.zeros(snapshot.capacity, np.bool_)


def _compare(snapshot: Snapshot, key: str, operator: str, values: list[str]) -> Bools:
    column = snapshot.column(key)
    try:
        bound = int(values[0])
    except (ValueError, IndexError):
        return np.zeros(snapshot.capacity, np.bool_)
    fits = np.zeros(len(column.values), np.bool_)
    for i, text in enumerate(column.values):
        try:
            fits[i] = i > 0 and (int(text) > bound if operator == "Gt" else int(text) < bound)
        except ValueError:
            continue
    return fits[column.ids]


def expression(snapshot: Snapshot, requirement: Obj) -> Bools:
    """Nodes whose labels satisfy one NodeSelectorRequirement."""
    key, operator, values = requirement["key"], requirement["operator"], requirement.get("values") or []
    if operator == "In":
        return _values(snapshot, key, values)
    if operator == "NotIn":
        return ~_values(snapshot, key, values)
    if operator == "Exists":
        return snapshot.column(key).present
    if operator == "DoesNotExist":
        return ~snapshot.column(key).present
    return _compare(snapshot, key, operator, values)


def _field(snapshot: Snapshot, requirement: Obj) -> Bools:
    out = np.zeros(snapshot.capacity, np.bool_)
    if requirement["key"] == "metadata.name":
        for name in requirement.get("values") or []:
            node = snapshot.nodes.get(name)
            if node is not None:
                out[node.slot] = True
        if requirement["operator"] == "NotIn":
            out = ~out
    return out


def term(snapshot: Snapshot, selector_term: Obj) -> Bools:
    """Nodes that satisfy all of a NodeSelectorTerm; an empty term satisfies none."""
    expressions, fields = selector_term.get("matchExpressions") or [], selector_term.get("matchFields") or []
    if not expressions and not fields:
        return np.zeros(snapshot.capacity, np.bool_)
    out = np.ones(snapshot.capacity, np.bool_)
    for requirement in expressions:
        out &= expression(snapshot, requirement)
    for requirement in fields:
        out &= _field(snapshot, requirement)
    return out


def selector(snapshot: Snapshot, node_selector: Obj) -> Bools:
    """Nodes that satisfy any term of a NodeSelector."""
    out = np.zeros(snapshot.capacity, np.bool_)
    for t in node_selector.get("nodeSelectorTerms") or []:
        out |= term(snapshot, t)
    return out


def required(snapshot: Snapshot, spec: Obj) -> Bools:
    """Nodes that satisfy a pod's nodeSelector and required node affinity."""
    out = np.ones(snapshot.capacity, np.bool_)
    for key, value in (spec.get("nodeSelector") or {}).items():
        out &= _values(snapshot, key, [value])
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    if affinity:
        out &= selector(snapshot, affinity)
    return out
