"""The whole of a PodSpec, and what pods and templates add to it.

Upstream: ValidatePodSpec, validatePodMetadataAndSpec, ValidatePodCreate, ValidatePodTemplateSpec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from apiserver.context import Obj
from apiserver.registry.strategies import addresses, goform, resources
from apiserver.registry.strategies.checks import Errors, annotation_set, label_name, labels, named, not_found
from apiserver.registry.strategies.podspec import affinity, containers, security, volumes, windows
from apiserver.registry.strategies.podspec import notes as specific
from apiserver.registry.strategies.podspec.options import POD, TEMPLATE, Options
from apiserver.registry.strategies.podspec.podresources import pod_level
from kubepy.api import names
from kubepy.api.errors import duplicate, forbidden_field, invalid, not_supported, required, too_long
from kubepy.api.recall import Recall

_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_PREEMPTION = ("PreemptLowerPriority", "Never")
_MAX_INT32 = 2**31 - 1


_sound: Recall[tuple[bytes, str, Options], bool] = Recall()
"""Specs in which nothing was wrong, with what else their validation looks at."""


def validate(out: Errors, spec: Obj, pod_name: str, path: str, options: Options) -> None:
    """A PodSpec at `path`; `pod_name` is empty in templates."""
    text = orjson.dumps(spec)
    # A pod's own name matters to the claims of its ephemeral volumes alone.
    key = (text, pod_name if b'"ephemeral":' in text else "", options)
    if _sound.find(key):
        return
    before = len(out)
    _validate(out, spec, pod_name, path, options)
    if len(out) == before:
        _sound.keep(key, True, len(text))


def _validate(out: Errors, spec: Obj, pod_name: str, path: str, options: Options) -> None:
    get = spec.get
    grace = get("terminationGracePeriodSeconds")
    if grace is None:
        out.append(required(f"{path}.terminationGracePeriodSeconds"))
    host_users = get("hostUsers") is not False
    found: Mapping[str, Obj] = {}
    if value := get("volumes"):
        found = volumes.validate(out, value, pod_name, f"{path}.volumes", options)
    claims: frozenset[str] = frozenset()
    if value := get("resourceClaims"):
        claims = frozenset(c["name"] for c in value if c.get("name"))
        _resource_claims(out, value, f"{path}.resourceClaims")
    restart = get("restartPolicy") or ""
    containers.validate(out, spec, containers.Pod(found, claims, grace, restart, host_users, options), path)
    if (value := get("resources")) is not None:
        pod_level(out, spec, value, claims, f"{path}.resources")
    _file_keys(out, spec, found, path)
    if get("hostNetwork"):
        _host_network_ports(out, spec, path, options)
    if restart not in _RESTART:
        at = f"{path}.restartPolicy"
        out.append(not_supported(at, restart, _RESTART) if restart else required(at))
    policy = get("dnsPolicy")
    if policy not in _DNS:
        out.append(not_supported(f"{path}.dnsPolicy", policy, _DNS) if policy else required(f"{path}.dnsPolicy"))
    if value := get("nodeSelector"):
        labels(out, value, f"{path}.nodeSelector")
    if value := get("securityContext"):
        security.pod(out, value, spec, f"{path}.securityContext", options)
    elif get("shareProcessNamespace") and get("hostPID"):
        security.pod(out, {}, spec, f"{path}.securityContext", options)
    if value := get("affinity"):
        affinity.affinity(out, value, f"{path}.affinity", options)
    if get("dnsConfig") is not None or policy == "None":
        _dns_config(out, get("dnsConfig"), policy, f"{path}.dnsConfig", options)
    for i, gate in enumerate(get("readinessGates") or ()):
        label_name(out, gate.get("conditionType") or "", f"{path}.readinessGates[{i}].conditionType")
    if value := get("schedulingGates"):
        _gates(out, value, f"{path}.schedulingGates")
    if value := get("topologySpreadConstraints"):
        affinity.topology_spread(out, value, f"{path}.topologySpreadConstraints", options)
    windows.host_process(out, spec, path) if _uses_windows(spec) else None
    if not host_users:
        _without_host_users(out, spec, path)
    _names(out, spec, path)
    if value := get("tolerations"):
        affinity.tolerations(out, value, f"{path}.tolerations")
    for i, alias in enumerate(get("hostAliases") or ()):
        addresses.ip(out, alias.get("ip") or "", f"{path}.hostAliases[{i}].ip", tuple(options.old_ips))
        for j, host in enumerate(alias.get("hostnames") or ()):
            named(out, host, f"{path}.hostAliases[{i}].hostnames[{j}]", names.dns1123_subdomain)
    preemption = get("preemptionPolicy")
    if preemption is not None and preemption not in _PREEMPTION:
        at = f"{path}.preemptionPolicy"
        out.append(not_supported(at, preemption, _PREEMPTION) if preemption else required(at))
    if value := get("overhead"):
        resources.requirements(out, {"limits": value}, f"{path}.overhead", frozenset())
    if get("os") is not None:
        windows.operating_system(out, spec, path)


def _file_keys(out: Errors, spec: Obj, found: Mapping[str, Obj], path: str) -> None:
    """Variables that are read from a file read it from an emptyDir volume."""
    for c, at in windows.all_containers(spec, path):
        for j, variable in enumerate(c.get("env") or ()):
            if (ref := (variable.get("valueFrom") or {}).get("fileKeyRef")) is not None:
                name, here = ref.get("volumeName") or "", f"{at}.env[{j}].valueFrom.fileKeyRef.volumeName"
                if name not in found:
                    out.append(not_found(here, name))
                elif found[name].get("emptyDir") is None:
                    out.append(invalid(here, name, "referenced volume must be of type emptyDir"))


def _uses_windows(spec: Obj) -> bool:
    if (spec.get("securityContext") or {}).get("windowsOptions"):
        return True
    return any((c.get("securityContext") or {}).get("windowsOptions") for c, _ in windows.all_containers(spec, ""))


def _names(out: Errors, spec: Obj, path: str) -> None:
    get = spec.get
    if value := get("serviceAccountName"):
        named(out, value, f"{path}.serviceAccountName", names.dns1123_subdomain)
    if value := get("nodeName"):
        named(out, value, f"{path}.nodeName", names.dns1123_subdomain)
    if (seconds := get("activeDeadlineSeconds")) is not None and not 1 <= seconds <= _MAX_INT32:
        out.append(invalid(f"{path}.activeDeadlineSeconds", seconds, f"must be between 1 and {_MAX_INT32}, inclusive"))
    if value := get("hostname"):
        named(out, value, f"{path}.hostname", names.dns1123_label)
    if value := get("subdomain"):
        named(out, value, f"{path}.subdomain", names.dns1123_label)
    if (override := get("hostnameOverride")) is not None:
        _hostname_override(out, spec, override, path)
    if value := get("priorityClassName"):
        named(out, value, f"{path}.priorityClassName", names.dns1123_subdomain)
    if (runtime := get("runtimeClassName")) is not None:
        named(out, runtime, f"{path}.runtimeClassName", names.dns1123_subdomain)


def _hostname_override(out: Errors, spec: Obj, value: str, path: str) -> None:
    at = f"{path}.hostnameOverride"
    if spec.get("setHostnameAsFQDN"):
        out.append(forbidden_field(at, "may not be specified when setHostnameAsFQDN is true"))
    if spec.get("hostNetwork"):
        out.append(forbidden_field(at, "may not be specified when hostNetwork is true"))
    if len(value) > 64:
        out.append(too_long(at, 64))
    named(out, value, at, names.dns1123_subdomain)


def _resource_claims(out: Errors, claims: Sequence[Obj], path: str) -> None:
    seen: set[str] = set()
    one = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
    some = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
    for i, claim in enumerate(claims):
        at, name = f"{path}[{i}]", claim.get("name") or ""
        direct, template = claim.get("resourceClaimName"), claim.get("resourceClaimTemplateName")
        if not name:
            out.append(required(f"{at}.name"))
        elif name in seen:
            out.append(duplicate(f"{at}.name", name))
        else:
            named(out, name, f"{at}.name", names.dns1123_label)
            seen.add(name)
        if direct is not None and template is not None:
            out.append(invalid(at, goform.of("PodResourceClaim", claim), one))
        if direct is None and template is None:
            out.append(invalid(at, goform.of("PodResourceClaim", claim), some))
        for key, value in (("resourceClaimName", direct), ("resourceClaimTemplateName", template)):
            if value is not None:
                named(out, value, f"{at}.{key}", names.dns1123_subdomain)


def _host_network_ports(out: Errors, spec: Obj, path: str, options: Options) -> None:
    for i, c in enumerate(spec.get("containers") or ()):
        for j, p in enumerate(c.get("ports") or ()):
            host = p.get("hostPort") or 0
            if (options.is_pod or host) and host != p.get("containerPort", 0):
                text = "must match `containerPort` when `hostNetwork` is true"
                out.append(invalid(f"{path}.containers[{i}].ports[{j}].hostPort", host, text))


def _dns_config(out: Errors, config: Obj | None, policy: str | None, path: str, options: Options) -> None:
    if policy == "None":
        if config is None:
            out.append(required(path, "must provide `dnsConfig` when `dnsPolicy` is None"))
            return
        if not config.get("nameservers"):
            out.append(required(f"{path}.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None"))
            return
    if config is None:
        return
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > 3:
        out.append(invalid(f"{path}.nameservers", servers, "must not have more than 3 nameservers"))
    for i, server in enumerate(servers):
        addresses.ip(out, server, f"{path}.nameservers[{i}]", tuple(options.old_ips))
    if len(searches) > 32:
        out.append(invalid(f"{path}.searches", searches, "must not have more than 32 search paths"))
    if len(" ".join(searches)) > 2048:
        text = "must not have more than 2048 characters (including spaces) in the search list"
        out.append(invalid(f"{path}.searches", searches, text))
    for i, search in enumerate(searches):
        if search != ".":
            named(out, search.removesuffix("."), f"{path}.searches[{i}]", names.dns1123_subdomain_with_underscore)
    for i, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            out.append(required(f"{path}.options[{i}]", "must not be empty"))


def _gates(out: Errors, gates: Sequence[Obj], path: str) -> None:
    seen: set[str] = set()
    for i, gate in enumerate(gates):
        name = gate.get("name") or ""
        label_name(out, name, f"{path}[{i}]")
        if name in seen:
            out.append(duplicate(f"{path}[{i}]", name))
        seen.add(name)


def _without_host_users(out: Errors, spec: Obj, path: str) -> None:
    for key, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(key):
            out.append(forbidden_field(f"{path}.{shown}", "when `hostUsers` is false"))


def pod_annotations(out: Errors, obj: Obj, options: Options = POD) -> None:
    """What must hold for a pod's annotations beside its spec (ValidatePodSpecificAnnotations)."""
    if found := (obj.get("metadata") or {}).get("annotations"):
        specific.validate(out, found, obj.get("spec") or {}, "metadata.annotations", options)


def pod(out: Errors, obj: Obj, options: Options = POD) -> None:
    """What must hold for a pod whenever it is written (validatePodMetadataAndSpec), but its ObjectMeta."""
    meta, spec = obj.get("metadata") or {}, obj.get("spec") or {}
    pod_annotations(out, obj, options)
    validate(out, spec, meta.get("name") or "", "spec", options)
    if not spec.get("serviceAccountName"):
        for i, volume in enumerate(spec.get("volumes") or ()):
            for j, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
                if source.get("serviceAccountToken") is not None:
                    at = f"spec.volumes[{i}].projected.sources[{j}].serviceAccountToken"
                    out.append(forbidden_field(at, "must not be specified when serviceAccountName is not set"))
    for key in ("containers", "initContainers"):
        for i, c in enumerate(spec.get(key) or ()):
            image = c.get("image")
            if image and (image[0].isspace() or image[-1].isspace()):
                containers.only_for_pod(out, c, f"spec.{key}[{i}]")


def template(out: Errors, value: Obj, path: str, options: Options = TEMPLATE) -> None:
    """A PodTemplateSpec at `path`."""
    meta, spec = value.get("metadata") or {}, value.get("spec") or {}
    labels(out, meta.get("labels"), f"{path}.labels")
    if found := meta.get("annotations"):
        annotation_set(out, found, f"{path}.annotations")
        specific.validate(out, found, spec, f"{path}.annotations", options)
    validate(out, spec, "", f"{path}.spec", options)
    if found:
        specific.match_fields(out, found, spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        out.append(forbidden_field(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"))
