"""The status of pods: what kubelets and controllers may write there.

Upstream: podStatusStrategy, ValidatePodStatusUpdate.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.context import Obj
from apiserver.registry.strategies import addresses, goform
from apiserver.registry.strategies.checks import Errors, label_name, named
from apiserver.registry.strategies.common import copy
from apiserver.registry.strategies.podspec.notes import validate as validate_annotations
from apiserver.registry.strategies.podspec.notes import validate_update as annotation_changes
from apiserver.registry.strategies.podspec.options import Options
from kubepy.api import names
from kubepy.api.errors import FieldError, duplicate, forbidden_field, go_value, invalid, not_supported, required

_SYSTEM_CONDITIONS = frozenset(("PodScheduled", "Ready", "Initialized"))
_MAX_ID = 2**31 - 1
_CONTAINERS = ("initContainers", "containers")
_HEALTH = ("Healthy", "Unhealthy", "Unknown")


def prepare(new: Obj, old: Obj) -> None:
    """Spec, owners and deletion stay; what old clients do not know is kept."""
    new["spec"] = old["spec"]
    for key in ("deletionTimestamp", "ownerReferences"):
        copy(new["metadata"], old["metadata"], key)
    status, before = new.setdefault("status", {}), old.get("status") or {}
    if not before.get("nodeAllocatableResourceClaimStatuses"):
        status.pop("nodeAllocatableResourceClaimStatuses", None)  # Behind a gate that is off.
    for key in ("qosClass", "observedGeneration"):
        if not status.get(key) and before.get(key):
            status[key] = before[key]
    _sync_ips(status)
    generations: dict[str, list[int]] = {}
    for c in before.get("conditions") or ():
        generations.setdefault(c.get("type", ""), []).append(c.get("observedGeneration", 0))
    for c in status.get("conditions") or ():
        known = generations.get(c.get("type", ""))
        seen = known.pop(0) if known else 0
        if not c.get("observedGeneration") and seen:
            c["observedGeneration"] = seen


def _sync_ips(status: Obj) -> None:
    """podIP and podIPs say the same; where they differ the old field counts (conversion of v1.PodStatus)."""
    single, many = status.get("podIP"), status.get("podIPs")
    if single and (not many or many[0].get("ip") != single):
        status["podIPs"] = [{"ip": single}]
    elif many:
        status["podIP"] = many[0].get("ip", "")
    else:
        status.pop("podIPs", None)


def validate(new: Obj, old: Obj) -> Errors:
    """An update of /status."""
    out: Errors = []
    meta = new["metadata"]
    options = Options(is_pod=True)
    annotation_changes(out, meta.get("annotations") or {}, old["metadata"].get("annotations") or {})
    if notes := meta.get("annotations"):
        validate_annotations(out, notes, new["spec"], "metadata.annotations", options)
    status, before, spec = new.get("status") or {}, old.get("status") or {}, old["spec"]
    for i, c in enumerate(status.get("conditions") or ()):
        if (kind := c.get("type", "")) not in _SYSTEM_CONDITIONS:
            label_name(out, kind, f"status.conditions[{i}].Type")
        _generation(out, c, f"status.conditions[{i}]")
    _generation(out, status, "status")
    nominated = status.get("nominatedNodeName")
    if nominated and nominated != before.get("nominatedNodeName"):
        if spec.get("nodeName"):
            out.append(forbidden_field("status.nominatedNodeName", "may not be set on pods that are already bound to a node"))
        named(out, nominated, "status.nominatedNodeName", names.dns1123_subdomain)
    if status.get("qosClass") != before.get("qosClass"):
        out.append(invalid("status.qosClass", status.get("qosClass", ""), "field is immutable"))
    policy = spec.get("restartPolicy", "")
    for key, kind in (("containerStatuses", policy), ("initContainerStatuses", policy), ("ephemeralContainerStatuses", "Never")):
        _transitions(out, status.get(key) or (), before.get(key) or (), f"status.{key}", kind, spec)
    _claim_statuses(out, status.get("resourceClaimStatuses") or (), spec)
    if (extended := status.get("extendedResourceClaimStatus")) is not None:
        _extended_claim(out, extended, spec, "status.extendedResourceClaimStatus")
    _ips(out, status.get("podIPs") or (), "status.podIPs", before.get("podIPs") or (), "PodIP")
    hosts = status.get("hostIPs") or ()
    if hosts and status.get("hostIP", "") != hosts[0].get("ip", ""):
        out.append(invalid("status.hostIPs[0].ip", hosts[0].get("ip", ""), "must be equal to `hostIP`"))
    _ips(out, hosts, "status.hostIPs", before.get("hostIPs") or (), "HostIP")
    _container_statuses(out, status, spec)
    return out


def _generation(out: Errors, value: Obj, path: str) -> None:
    if (generation := value.get("observedGeneration", 0)) < 0:
        out.append(invalid(f"{path}.observedGeneration", generation, "must be a non-negative integer"))


def _transitions(out: Errors, new: Sequence[Obj], old: Sequence[Obj], path: str, policy: str, spec: Obj) -> None:
    containers = {c.get("name"): c for key in ("initContainers", "containers") for c in spec.get(key) or ()}
    now = {s.get("name"): s for s in new}
    for i, before in enumerate(old):
        ended = (before.get("state") or {}).get("terminated")
        if ended is None:
            continue
        c = containers.get(before.get("name")) or {}
        own = c.get("restartPolicy") or policy
        if own == "Always" or c.get("restartPolicyRules") or (ended.get("exitCode", 0) != 0 and own == "OnFailure"):
            continue
        after = now.get(before.get("name"))
        if after is not None and (after.get("state") or {}).get("terminated") is None:
            out.append(forbidden_field(f"{path}[{i}].state", "may not be transitioned to non-terminated state"))


def _claim_statuses(out: Errors, statuses: Sequence[Obj], spec: Obj) -> None:
    known = {c.get("name") for c in spec.get("resourceClaims") or ()}
    seen: set[str] = set()
    for i, s in enumerate(statuses):
        at, name = f"status.resourceClaimStatuses[{i}].name", s.get("name", "")
        if name not in known:
            out.append(invalid(at, name, "must match the name of an entry in `spec.resourceClaims`"))
        if name in seen:
            out.append(duplicate(at, name))
        seen.add(name)
        if (claim := s.get("resourceClaimName")) is not None:
            named(out, claim, at, names.dns1123_subdomain)


def _extended_claim(out: Errors, value: Obj, spec: Obj, path: str) -> None:
    """The claim that stands for extended resources: which container's request is met by which request of it."""
    asked = {c.get("name", ""): (c.get("resources") or {}).get("requests") or {} for key in _CONTAINERS for c in spec.get(key) or ()}
    found = value.get("requestMappings") or []
    if not found:
        out.append(required(f"{path}.requestMappings", "at least one request mapping is required"))
    seen = set()
    for i, mapping in enumerate(found):
        at = f"{path}.requestMappings[{i}]"
        container, resource, request = this = tuple(mapping.get(k, "") for k in ("containerName", "resourceName", "requestName"))
        if container not in asked:
            text = "must match the name of an entry in spec.initContainers.name or spec.containers.name"
            out.append(invalid(f"{at}.containerName", container, text))
        elif resource not in asked[container]:
            where = "spec.initContainers.resources.requests or spec.containers.resources.requests"
            out.append(invalid(f"{at}.resourceName", resource, f"must match the extended resource name of an entry in {where}"))
        named(out, request, f"{path}.requestName", names.dns1123_label)
        if this in seen:
            out.extend(duplicate(f"{at}.{k}", mapping.get(k, "")) for k in ("containerName", "resourceName", "requestName"))
        seen.add(this)
    if name := value.get("resourceClaimName"):
        named(out, name, f"{path}.resourceClaimName", names.dns1123_subdomain)
    else:
        out.append(required(f"{path}.resourceClaimName"))


def _ips(out: Errors, found: Sequence[Obj], path: str, old: Sequence[Obj], kind: str) -> None:
    before = [o.get("ip", "") for o in old]
    for i, entry in enumerate(found):
        addresses.ip(out, entry.get("ip", ""), f"{path}[{i}]", before)
    if len(found) > 1:
        texts = [e.get("ip", "") for e in found]
        bad = next((t for t in texts if addresses.parse(t) is None), None)
        if bad is not None:
            detail = f"failed to check for dual stack with error:invalid IP {go_value(bad)}"
            out.append(internal(path, detail))
        if len(texts) > 2 or not addresses.is_dual_stack(texts):
            shown = [goform.of(kind, e) for e in found]
            out.append(invalid(path, shown, "may specify no more than one IP for each IP family"))
        seen: set[str] = set()
        for i, (entry, text) in enumerate(zip(found, texts, strict=True)):
            if text in seen:
                out.append(duplicate(f"{path}[{i}]", goform.of(kind, entry)))
            seen.add(text)


def internal(path: str, detail: str) -> FieldError:
    """`Internal error: <detail>` of a field."""
    from kubepy.api.errors import Cause

    return FieldError(Cause.INTERNAL, path, f"Internal error: {detail}")


def _container_statuses(out: Errors, status: Obj, spec: Obj) -> None:
    windows = (spec.get("os") or {}).get("name") == "windows"
    pairs = (("containerStatuses", "containers"), ("initContainerStatuses", "initContainers"), ("ephemeralContainerStatuses", ""))
    for key, containers in pairs:
        for i, s in enumerate(status.get(key) or ()):
            user = (s.get("user") or {}).get("linux")
            if user is not None:
                if windows:
                    out.append(forbidden_field(f"status.{key}[{i}].user.linux", "cannot be set for a windows pod"))
                else:
                    _user(out, user, f"status.{key}[{i}].user.linux")
            if allocated := s.get("allocatedResourcesStatus"):
                at = f"status.{key}[{i}].allocatedResourcesStatus"
                if not containers:
                    out.append(forbidden_field(at, "must not be specified in container status"))
                else:
                    c = next((c for c in spec.get(containers) or () if c.get("name") == s.get("name")), None)
                    _allocated(out, allocated, c, at)


def _user(out: Errors, user: Obj, path: str) -> None:
    text = f"must be between 0 and {_MAX_ID}, inclusive"
    for key in ("uid", "gid"):
        if not 0 <= (value := user.get(key, 0)) <= _MAX_ID:
            out.append(invalid(f"{path}.{key}", value, text))
    for i, gid in enumerate(user.get("supplementalGroups") or ()):
        if not 0 <= gid <= _MAX_ID:
            out.append(invalid(f"{path}.supplementalGroups[{i}]", gid, text))


def _allocated(out: Errors, allocated: Sequence[Obj], container: Obj | None, path: str) -> None:
    for j, a in enumerate(allocated):
        name = a.get("name", "")
        if container is not None:
            found = container.get("resources") or {}
            if name.startswith("claim:"):
                known = [f"claim:{c.get('name', '')}" + (f"/{c['request']}" if c.get("request") else "") for c in found.get("claims") or ()]
                text = (
                    "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' "
                    "or 'claim:<claimName>' if request is empty"
                )
            else:
                known = list(found.get("requests") or ())
                text = "must match one of the container's resource requests"
            if name not in known:
                out.append(invalid(f"{path}[{j}].name", name, text))
        seen: set[str] = set()
        for k, r in enumerate(a.get("resources") or ()):
            at = f"{path}[{j}].resources[{k}]"
            if (health := r.get("health", "")) not in _HEALTH:
                out.append(not_supported(f"{at}.health", health, _HEALTH))
            if (identity := r.get("resourceID", "")) in seen:
                out.append(duplicate(f"{at}.resourceID", identity))
            seen.add(identity)
