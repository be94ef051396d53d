"""Events: leniently checked in core/v1, strictly in events.k8s.io/v1; they expire.

Upstream: pkg/apis/core/validation/events.go, pkg/registry/core/event/strategy.go. Both strategies see the core form.
"""

from __future__ import annotations

from typing import Any

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors, immutable
from apiserver.registry.strategies.common import both
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import invalid, required

TTL = 3600
"""Seconds that an event is kept (--event-ttl)."""
_LIMITS = (("reportingInstance", 128), ("action", 128), ("reason", 128), ("message", 1024))
_MISMATCH = "does not match event.namespace"
_UNSET = "needs to be unset"
_IMMUTABLE = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "reason", "type", "eventTime", "action",
    "related", "reportingComponent", "reportingInstance",
)  # fmt: skip


def _legacy(out: Errors, new: Obj, _old: Obj | None) -> None:
    _reported(out, new, "reportingComponent")


def _reported(out: Errors, new: Obj, controller_field: str) -> None:
    """What holds in both groups; they name the reporting controller's field differently."""
    namespace = new["metadata"].get("namespace", "")
    involved = (new.get("involvedObject") or {}).get("namespace", "")
    if not new.get("eventTime"):
        if (involved and involved != namespace) or (not involved and namespace not in ("", "default")):
            out.append(invalid("involvedObject.namespace", involved, _MISMATCH))
    else:
        if not involved and namespace not in ("default", "kube-system"):
            out.append(invalid("involvedObject.namespace", involved, _MISMATCH))
        controller = new.get("reportingComponent") or ""
        if not controller:
            out.append(required(controller_field))
        out.extend(invalid(controller_field, controller, m) for m in names.qualified_name(controller))
        for key, limit in _LIMITS:
            value = new.get(key) or ""
            if not value and key != "message":
                out.append(required(key))
            if len(value.encode()) > limit:
                out.append(invalid(key, "", f"can have at most {limit} characters"))
    out.extend(invalid("namespace", namespace, m) for m in names.dns1123_subdomain(namespace))


def _series(out: Errors, new: Obj) -> None:
    series = new.get("series")
    if series is not None:
        if series.get("count", 0) < 2:
            out.append(invalid("series.count", "", "should be at least 2"))
        if not series.get("lastObservedTime"):
            out.append(required("series.lastObservedTime"))


_STRUCTS = {"involvedObject": "ObjectReference", "related": "ObjectReference", "source": "EventSource"}
_ZERO = {"firstTimestamp": None, "lastTimestamp": None, "eventTime": None, "count": 0}


def _shown(key: str, value: Any) -> Any:
    """A field as errors quote it."""
    if struct := _STRUCTS.get(key):
        return goform.of(struct, value or {})
    return _ZERO.get(key, "") if value is None else value


def _strict(out: Errors, new: Obj, old: Obj | None) -> None:
    _reported(out, new, "reportingController")
    if old is not None:
        if new.get("series") != old.get("series"):
            _series(out, new)
        for key in _IMMUTABLE:
            path = "reportingController" if key == "reportingComponent" else key
            immutable(out, _plain(new.get(key)), _plain(old.get(key)), path, _shown(key, new.get(key)))
        return
    _series(out, new)
    if not new.get("eventTime"):
        out.append(required("eventTime"))
    if (kind := new.get("type", "")) not in ("Normal", "Warning"):
        out.append(invalid("type", "", f"has invalid value: {kind}"))
    out.extend(invalid(key, "", _UNSET) for key in ("firstTimestamp", "lastTimestamp", "count") if new.get(key))
    source = new.get("source") or {}
    if source.get("component") or source.get("host"):
        out.append(invalid("source", "", _UNSET))


def _plain(value: Any) -> Any:
    """Absent and empty are one."""
    return value or None


STRATEGY = Strategy(
    has_generation=False, own_metadata=False, metadata_checks=(0, 0), allow_create_on_update=True, ttl=lambda _obj: TTL, **both(_legacy)
)
STRICT = STRATEGY.with_(own_metadata=True, metadata_checks=(0, 1), **both(_strict))
