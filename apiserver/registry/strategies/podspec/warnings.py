"""Warnings about pods and templates: deprecated, ineffective or ambiguous parts that are accepted nevertheless.

Upstream: pkg/api/pod/warnings.go, pkg/api/node/util.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from apiserver.context import Obj
from apiserver.registry.strategies.podspec.notes import APPARMOR, SECCOMP_CONTAINER, SECCOMP_POD
from apiserver.registry.strategies.podspec.windows import all_containers
from kubepy.api.quantity import parse
from kubepy.api.recall import Recall

_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
_VOLUMES = (
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
)
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NO_SELECTOR = "a null labelSelector results in matching no pod"
_BYTES = ("memory", "ephemeral-storage")
_FIELDS_WORTH_A_LOOK = frozenset(
    ["nodeSelector", "affinity", "topologySpreadConstraints", "volumes", "hostAliases", "imagePullSecrets", "overhead", "resources"]
)


_Key = tuple[bytes, str, tuple[str, ...]]
_known: Recall[_Key, tuple[str, ...]] = Recall()
"""Warnings by spec, prefix and the annotations that matter."""


def of(value: Obj, prefix: str = "") -> Sequence[str]:
    """Warnings about a pod (`prefix` empty) or about the template at `prefix` (`spec.template`)."""
    spec, meta = value.get("spec") or {}, value.get("metadata") or {}
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if "a.kubernetes.io/" in k}  # alpha and beta
    key = (orjson.dumps(spec), prefix, tuple(annotations))
    found = _known.find(key)
    if found is None:
        found = tuple(_of(spec, annotations, prefix))
        _known.keep(key, found, len(key[0]) + sum(map(len, found)))
    return found


def _of(spec: Obj, annotations: dict[str, str], prefix: str) -> list[str]:
    at = f"{prefix}.spec" if prefix else "spec"
    base = f"{prefix}.metadata" if prefix else "metadata"
    out: list[str] = []
    if not _FIELDS_WORTH_A_LOOK.isdisjoint(spec):
        out += _placement(spec, at)
    out += [f"{base}.annotations[{k}]: {text}" for k, text in _ANNOTATIONS.items() if k in annotations]
    if volumes := spec.get("volumes"):
        out += _volumes(volumes, at)
    if "hostAliases" in spec or "imagePullSecrets" in spec:
        out += _lists(spec, at)
    if overhead := spec.get("overhead"):
        out += _fractions(overhead, f"{at}.overhead")
    if pod_level := spec.get("resources"):
        for kind in ("limits", "requests"):
            out += _fractions(pod_level.get(kind) or {}, f"{at}.resources.{kind}")
    if SECCOMP_POD in annotations and not (spec.get("securityContext") or {}).get("seccompProfile"):
        out.append(f'{base}.annotations[{SECCOMP_POD}]: non-functional in v1.27+; use the "seccompProfile" field instead')
    armored = (spec.get("securityContext") or {}).get("appArmorProfile") is not None
    ports: dict[tuple[int, str], list[tuple[str, Obj]]] = {}
    names: dict[str, str] = {}
    port_warnings: list[str] = []
    for c, here in all_containers(spec, at):
        if annotations:
            out += _container_annotations(annotations, c, base, bool(prefix), armored)
        if resources := c.get("resources"):
            for name in _BYTES:
                for kind in ("limits", "requests"):
                    out += _fractions(resources.get(kind) or {}, f"{here}.resources.{kind}", (name,))
        if len(env := c.get("env") or ()) > 1:
            out += _env(env, here)
        if c.get("ports"):
            port_warnings += _ports(c["ports"], here, ports, names)
    out += port_warnings
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        out.append(f"{at}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1")
    if affinity := spec.get("affinity"):
        out += _affinity(affinity, f"{at}.affinity")
    return out


def _placement(spec: Obj, at: str) -> Iterator[str]:
    for key in spec.get("nodeSelector") or ():
        if key in NODE_LABELS:
            yield f"{at}.nodeSelector[{key}]: {NODE_LABELS[key]}"
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    for i, term in enumerate((node.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ()):
        yield from node_selector_term(term, f"{at}.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms[{i}]")
    for i, term in enumerate(node.get(_PREFERRED) or ()):
        yield from node_selector_term(term.get("preference") or {}, f"{at}.affinity.nodeAffinity.{_PREFERRED}[{i}].preference", True)
    for i, c in enumerate(spec.get("topologySpreadConstraints") or ()):
        key = c.get("topologyKey", "")
        if key in NODE_LABELS:
            yield f"{at}.topologySpreadConstraints[{i}].topologyKey: {key} is {NODE_LABELS[key]}"
        if c.get("labelSelector") is None:
            yield f"{at}.topologySpreadConstraints[{i}].labelSelector: {_NO_SELECTOR}"


def node_selector_term(term: Obj, path: str, preferred: bool = False) -> Iterator[str]:
    """Deprecated node labels in a node selector term, and values that no label can have where they are tolerated."""
    from kubepy.api.names import label_value

    for i, e in enumerate(term.get("matchExpressions") or ()):
        key = e.get("key", "")
        if key in NODE_LABELS:
            yield f"{path}.matchExpressions[{i}].key: {key} is {NODE_LABELS[key]}"
        if preferred:
            for j, value in enumerate(e.get("values") or ()):
                for m in label_value(value):
                    yield f'{path}.matchExpressions[{i}].values[{j}]: Invalid value: "{value}": {m}'


def _volumes(volumes: Sequence[Obj], at: str) -> Iterator[str]:
    for i, v in enumerate(volumes):
        for key, shown, text in _VOLUMES:
            if key in v:
                yield f"{at}.volumes[{i}].{shown}: {text}"
        template = (v.get("ephemeral") or {}).get("volumeClaimTemplate")
        if template:
            from apiserver.registry.strategies.persistentvolumeclaims import spec_warnings

            yield from spec_warnings(template.get("spec") or {}, f"{at}.volumes[{i}].ephemeral.volumeClaimTemplate.spec")
        if (projected := v.get("projected")) is not None and not all(projected.get("sources") or ()):
            yield f'volume "{v.get("name", "")}" (Projected) has no sources provided'
    tokens = {
        s["serviceAccountToken"].get("path", "")
        for v in volumes
        for s in (v.get("projected") or {}).get("sources") or ()
        if s.get("serviceAccountToken") is not None
    }
    if not tokens:
        return
    for i, v in enumerate(volumes):
        for s in (v.get("projected") or {}).get("sources") or ():
            base = f"{at}.volumes[{i}].projected.sources"
            for key, shown in (("configMap", "configMap"), ("secret", "secrets"), ("downwardAPI", "downwardAPI")):
                for j, item in enumerate((s.get(key) or {}).get("items") or ()):
                    if item.get("path") in tokens:
                        yield f'{base}.{shown}[{j}]: has duplicated path with ServiceAccountToken "{item["path"]}"'
            bundle = s.get("clusterTrustBundle")
            if bundle and bundle.get("path") in tokens:
                yield f'{base}.ClusterTrustBundle: has duplicated path with ServiceAccountToken "{bundle["path"]}"'


def _lists(spec: Obj, at: str) -> Iterator[str]:
    seen: set[str] = set()
    for i, alias in enumerate(spec.get("hostAliases") or ()):
        ip = alias.get("ip", "")
        if ip in seen:
            yield f'{at}.hostAliases[{i}].ip: duplicate ip "{ip}"'
        seen.add(ip)
    seen = set()
    secrets = spec.get("imagePullSecrets") or ()
    for i, secret in enumerate(secrets):
        name = secret.get("name", "")
        if name in seen:
            yield f'{at}.imagePullSecrets[{i}].name: duplicate name "{name}"'
        seen.add(name)
    for i, secret in enumerate(secrets):
        if not secret.get("name"):
            yield f'{at}.imagePullSecrets[{i}].name: invalid empty name ""'


def _fractions(found: dict[str, str], path: str, which: Sequence[str] = _BYTES) -> Iterator[str]:
    for name in which:
        if name in found and (value := parse(found[name])).milli_value() % 1000:
            yield f'{path}[{name}]: fractional byte value "{value}" is invalid, must be an integer'


def _container_annotations(found: dict[str, str], c: Obj, base: str, is_template: bool, armored: bool) -> Iterator[str]:
    context, name = c.get("securityContext") or {}, c.get("name", "")
    if SECCOMP_CONTAINER + name in found and not context.get("seccompProfile"):
        yield f'{base}.annotations[{SECCOMP_CONTAINER}{name}]: non-functional in v1.27+; use the "seccompProfile" field instead'
    if is_template and not armored and APPARMOR + name in found and context.get("appArmorProfile") is None:
        yield f'{base}.annotations[{APPARMOR}{name}]: deprecated since v1.30; use the "appArmorProfile" field instead'


def _env(env: Sequence[Obj], path: str) -> Iterator[str]:
    seen: set[str] = set()
    for i, e in enumerate(env):
        name = e.get("name", "")
        if name in seen and ("valueFrom" in e or e.get("value") == f"$({name})" or f"$({name})" not in (e.get("value") or "")):
            yield f'{path}.env[{i}]: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _ports(ports: Sequence[Obj], path: str, seen: dict[tuple[int, str], list[tuple[str, Obj]]], names: dict[str, str]) -> Iterator[str]:
    for i, p in enumerate(ports):
        at = f"{path}.ports[{i}]"
        ip, host = p.get("hostIP", ""), p.get("hostPort", 0)
        if ip and not host:
            numbers = f"HostPort:0 ContainerPort:{p.get('containerPort', 0)}"
            shown = f"{{Name:{p.get('name', '')} {numbers} Protocol:{p.get('protocol', '')} HostIP:{ip}}}"
            yield f"{at}: hostIP set without hostPort: {shown}"
        others = seen.setdefault((p.get("containerPort", 0), p.get("protocol", "")), [])
        for where, other in others:
            other_ip, other_host = other.get("hostIP", ""), other.get("hostPort", 0)
            if ip == other_ip and host == other_host:
                yield f"{at}: duplicate port definition with {where}"
            elif not host or not other_host:
                yield f"{at}: overlapping port definition with {where}"
            elif host == other_host and bool(ip) != bool(other_ip):
                yield f"{at}: dangerously ambiguous port definition with {where}"
        others.append((at, p))
        if name := p.get("name"):
            if name in names and not names[name].startswith(path + "."):
                yield (
                    f'{at}: duplicate port name "{name}" with {names[name]}, services and probes that select ports by name '
                    f"will use {names[name]}"
                )
            names.setdefault(name, at)


def _affinity(affinity: Obj, path: str) -> Iterator[str]:
    for kind in ("podAffinity", "podAntiAffinity"):
        side = affinity.get(kind) or {}
        for i, term in enumerate(side.get(_REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{path}.{kind}.{_REQUIRED}[{i}].labelSelector: {_NO_SELECTOR}"
        for i, weighted in enumerate(side.get(_PREFERRED) or ()):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                yield f"{path}.{kind}.{_PREFERRED}[{i}].podAffinityTerm.labelSelector: {_NO_SELECTOR}"
