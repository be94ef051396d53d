"""Which pods a Service selects and which Services select a pod, by index; ports and addresses of endpoints. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from controllers.common import pods
from kubepy.api import meta
from kubepy.runtime import Cache
from kubepy.runtime.cache import key_of

Obj = dict[str, Any]


def by_selector(service: Obj) -> tuple[str, ...]:
    """Index function: `namespace/key=value` of one pair of the selector, which every selected pod carries as a label."""
    selector = service.get("spec", {}).get("selector")
    if not selector:
        return ()
    key, value = min(selector.items())
    return (f"{meta.namespace(service)}/{key}={value}",)


def selecting(services: Cache, namespace: str, labels: Mapping[str, str]) -> set[str]:
    """The keys of the Services that select these labels; needs the index `selector`."""
    found = set()
    for key, value in labels.items():
        for service in services.by_index("selector", f"{namespace}/{key}={value}"):
            if all(labels.get(k) == v for k, v in service["spec"]["selector"].items()):
                found.add(key_of(service))
    return found


def concerned(services: Cache, kind: str, old: Obj | None, new: Obj) -> set[str]:
    """The keys of the Services whose endpoints an event of a pod may change: those that select it, or did."""
    namespace = meta.namespace(new)
    out: set[str] = set()
    if kind == "MODIFIED" and old is not None:
        relabelled = meta.labels(old) != meta.labels(new)
        if not relabelled and pod_facts(old) == pod_facts(new):
            return out
        if relabelled:
            out |= selecting(services, namespace, meta.labels(old))
    return out | selecting(services, namespace, meta.labels(new))


def selected(cache: Cache, namespace: str, selector: Mapping[str, str]) -> list[Obj]:
    """The pods that carry exactly these labels; needs the index `label`. An empty selector selects all."""
    if not selector:
        return cache.list(namespace)
    candidates = min((cache.by_index("label", f"{namespace}/{k}={v}") for k, v in selector.items()), key=len)
    return [p for p in candidates if all(meta.labels(p).get(k) == v for k, v in selector.items())]


def pod_facts(pod: Obj) -> tuple[Any, ...]:
    """All of a pod that endpoints depend on, besides its labels: when it is the same nothing needs to be done."""
    spec, status = pod.get("spec", {}), pod.get("status", {})
    ready = pods.condition(pod, "Ready")
    return (
        pods.is_terminal(pod), meta.deleting(pod), spec.get("nodeName"), spec.get("hostname"), spec.get("subdomain"),
        status.get("podIP"), [ip.get("ip") for ip in status.get("podIPs") or ()],
        (ready or {}).get("status"), (ready or {}).get("lastTransitionTime"),
    )  # fmt: skip


def has_address(pod: Obj, include_terminating: bool) -> bool:
    """Whether a pod may be in endpoints (ShouldPodBeInEndpoints)."""
    status = pod.get("status", {})
    if pods.is_terminal(pod) or not (status.get("podIP") or status.get("podIPs")):
        return False
    return include_terminating or not meta.deleting(pod)


def addresses(pod: Obj, family: str) -> list[str]:
    """The pod's IPs of a family, `IPv4` or `IPv6`."""
    status = pod.get("status", {})
    ips = [ip["ip"] for ip in status.get("podIPs") or ()] or ([status["podIP"]] if status.get("podIP") else [])
    version = 4 if family == "IPv4" else 6
    return [ip for ip in ips if ipaddress.ip_address(ip).version == version]


def hostname(pod: Obj, service: Obj) -> str:
    """The name under which DNS lists a pod of a headless Service; empty for none."""
    spec = pod.get("spec", {})
    return str(spec["hostname"]) if spec.get("hostname") and spec.get("subdomain") == meta.name(service) else ""


def find_port(pod: Obj, port: Obj) -> int | None:
    """The container port that a Service port leads to in a pod, or None (podutil.FindPort)."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target or int(port["port"])
    protocol = port.get("protocol", "TCP")
    spec = pod.get("spec", {})
    sidecars = (c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always")
    for container in (*(spec.get("containers") or ()), *sidecars):
        for candidate in container.get("ports") or ():
            if candidate.get("name") == target and candidate.get("protocol", "TCP") == protocol:
                return int(candidate["containerPort"])
    return None


def is_headless(service: Obj) -> bool:
    """Whether clusterIP is None."""
    return bool(service.get("spec", {}).get("clusterIP") == "None")


def target_ref(pod: Obj) -> Obj:
    """The reference of an endpoint to its pod."""
    return {"kind": "Pod", "namespace": meta.namespace(pod), "name": meta.name(pod), "uid": meta.uid(pod)}


class TriggerTimes:
    """When the change happened that an endpoints write answers: the oldest time that is new since the last one.

    endpointslice/util/trigger_time_tracker.go; times are RFC 3339 texts of one form, which compare as they are.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, dict[str, str]]] = {}

    def compute(self, key: str, service: Obj, members: Iterable[Obj]) -> str:
        """The trigger time for a service's pods, or an empty string when nothing is new."""
        last_service, last_pods = self._seen.get(key, ("", {}))
        changed = []
        times = {}
        for pod in members:
            ready = pods.condition(pod, "Ready")
            times[meta.name(pod)] = time = (ready or {}).get("lastTransitionTime") or ""
            if time > last_pods.get(meta.name(pod), ""):
                changed.append(time)
        created = meta.metadata(service).get("creationTimestamp", "")
        if created > last_service:
            changed.append(created)
        self._seen[key] = (created, times)
        return min(changed, default="")

    def seen(self, key: str) -> tuple[str, dict[str, str]] | None:
        """What has been told of a service; `restore` it when the write that would have said so failed."""
        return self._seen.get(key)

    def restore(self, key: str, seen: tuple[str, dict[str, str]] | None) -> None:
        """Take back the last `compute`."""
        if seen is None:
            self._seen.pop(key, None)
        else:
            self._seen[key] = seen

    def forget(self, key: str) -> None:
        """The service is gone."""
        self._seen.pop(key, None)
