"""Fields behind feature gates that are off at v1.36: dropped from what is written, unless the stored object uses them.

Upstream: dropDisabledFields in pkg/api/pod/util.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.context import Obj

_PROJECTIONS = ("clusterTrustBundle", "podCertificate")
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


def drop(spec: Obj | None, old: Obj | None = None) -> None:
    """Drop them from a PodSpec in place; `old` is the stored one."""
    if not spec:
        return
    if any(s.get("stopSignal") is not None for s in _lifecycles(spec)) and not any("stopSignal" in s for s in _lifecycles(old or {})):
        for key in _CONTAINERS:
            for c in spec.get(key) or ():
                if (found := c.get("lifecycle")) and found.pop("stopSignal", None) is not None and not found:
                    del c["lifecycle"]
    if "volumes" in spec:
        for key in _PROJECTIONS:
            sources = [s for s in _sources(spec) if key in s]
            if sources and not any(key in s for s in _sources(old or {})):
                for s in sources:
                    del s[key]
    if "schedulingGroup" in spec and "schedulingGroup" not in (old or {}):
        del spec["schedulingGroup"]


def drop_template(template: Obj | None, old: Obj | None = None) -> None:
    """The same for a PodTemplateSpec."""
    if template:
        drop(template.get("spec"), (old or {}).get("spec"))


def _lifecycles(spec: Obj) -> Iterator[Obj]:
    for key in _CONTAINERS:
        for c in spec.get(key) or ():
            if found := c.get("lifecycle"):
                yield found


def _sources(spec: Obj) -> Iterator[Obj]:
    for volume in spec.get("volumes") or ():
        if found := volume.get("projected"):
            yield from found.get("sources") or ()
