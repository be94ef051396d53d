"""Defaults of pod specs that depend on other fields; constants are the schema's. Changes objects in place.

Upstream: pkg/apis/core/v1/defaults.go, pkg/util/parsers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from apiserver.context import Obj
from apiserver.registry.strategies import resources
from apiserver.registry.strategies.podspec.podresources import Amounts, aggregate, container_requests
from kubepy.api.quantity import Quantity

_REFERENCE = re.compile(
    # A registry (with a dot, a port or an upper case letter, or `localhost`), a path, a tag, a digest.
    r"(?:(?:(?=[^/]*[.:A-Z])[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\]|localhost)"
    r"(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?P<digest>@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
).fullmatch
_IDENTIFIER = re.compile("[a-f0-9]{64}").fullmatch


@lru_cache(maxsize=1024)
def pull_policy(image: str) -> str:
    """Always for the tag `latest`, named or implied; IfNotPresent for other tags, digests and what is no reference."""
    m = _REFERENCE(image)
    if m is None or m["digest"] or _IDENTIFIER(image):
        return "IfNotPresent"
    return "Always" if m["tag"] in (None, "latest") else "IfNotPresent"


def spec(value: Obj) -> None:
    """A PodSpec, in a pod or in a template."""
    account = value.get("serviceAccountName") or value.get("serviceAccount")
    if account:
        value["serviceAccountName"] = value["serviceAccount"] = account
    else:
        value.pop("serviceAccount", None)
    for key in ("containers", "initContainers", "ephemeralContainers"):
        for c in value.get(key) or ():
            if not c.get("imagePullPolicy"):
                c["imagePullPolicy"] = pull_policy(c.get("image") or "")
    for volume in value.get("volumes") or ():
        if (len(volume) == 1 and "name" in volume) or not volume:
            volume["emptyDir"] = {}
        elif (image := volume.get("image")) is not None and not image.get("pullPolicy"):
            image["pullPolicy"] = pull_policy(image.get("reference") or "")


def template(value: Obj | None) -> None:
    """A PodTemplateSpec."""
    if value and (inner := value.get("spec")):
        spec(inner)


def pod(obj: Obj) -> None:
    """A Pod: also requests from limits, links to services, host ports."""
    value = obj.get("spec")
    if not value:
        return
    spec(value)
    for key in ("containers", "initContainers"):
        for c in value.get(key) or ():
            found = c.get("resources")
            if found and (limits := found.get("limits")):
                found["requests"] = {**limits, **(found.get("requests") or {})}
    if value.get("resources"):
        _pod_level(value)
    value.setdefault("enableServiceLinks", True)
    if value.get("hostNetwork"):
        for key in ("containers", "initContainers"):
            for c in value.get(key) or ():
                for p in c.get("ports") or ():
                    if not p.get("hostPort") and p.get("containerPort"):
                        p["hostPort"] = p["containerPort"]


def _of(kind: str, huge: bool) -> Callable[[Obj], Amounts]:
    def amounts_of(c: Obj) -> Amounts:
        from apiserver.registry.strategies.podspec.podresources import amounts

        found = amounts((c.get("resources") or {}).get(kind))
        return {k: v for k, v in found.items() if resources.is_huge_page(k)} if huge else found

    return amounts_of


def _pod_level(value: Obj) -> None:
    """Pod-level huge page limits from the containers', then requests from containers' requests or from limits."""
    own = value["resources"]
    if own.get("limits") or own.get("requests"):
        huge: dict[str, Quantity] = aggregate(value, _of("limits", True))
        for name, total in huge.items():
            if name not in (own.get("limits") or {}) and name not in (own.get("requests") or {}):
                own.setdefault("limits", {})[name] = str(total)
    limits = own.get("limits")
    if not limits:
        return
    requests = dict(own.get("requests") or {})
    for name, total in aggregate(value, container_requests).items():
        if name not in requests and name in ("cpu", "memory"):
            requests[name] = str(total)
    for name, text in limits.items():
        if name not in requests and (name in ("cpu", "memory") or resources.is_huge_page(name)):
            requests[name] = text
    if requests:
        own["requests"] = requests
