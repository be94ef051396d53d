"""Event: events.k8s.io/v1 ↔ core/v1, the storage version (pkg/apis/events/v1/conversion.go). Pure."""

from __future__ import annotations

from apiserver.context import Obj

_RENAMED = (
    ("note", "message"),
    ("regarding", "involvedObject"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
)
_ALWAYS_CORE = ("firstTimestamp", "lastTimestamp")
_ALWAYS_NEW = ("deprecatedFirstTimestamp", "deprecatedLastTimestamp")


def to_core(obj: Obj) -> Obj:
    """events.k8s.io/v1 → v1."""
    out = dict(obj)
    for new, core in _RENAMED:
        if new in out:
            out[core] = out.pop(new)
    out["apiVersion"] = "v1"
    for key in ("involvedObject", "source"):
        out.setdefault(key, {})
    for key in (*_ALWAYS_CORE, "eventTime"):
        out.setdefault(key, None)
    for key in ("reportingComponent", "reportingInstance"):
        out.setdefault(key, "")
    return out


def from_core(obj: Obj) -> Obj:
    """v1 → events.k8s.io/v1."""
    out = dict(obj)
    for new, core in _RENAMED:
        if core in out:
            out[new] = out.pop(core)
    out["apiVersion"] = "events.k8s.io/v1"
    out.setdefault("regarding", {})
    out.setdefault("deprecatedSource", {})
    for key in (*_ALWAYS_NEW, "eventTime"):
        out.setdefault(key, None)
    for key in ("reportingController", "reportingInstance"):
        if not out.get(key):
            out.pop(key, None)
    return out
