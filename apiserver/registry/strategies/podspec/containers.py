"""Containers, init containers and ephemeral containers of a pod.

Upstream: validateContainers, validateInitContainers, validateEphemeralContainers, validateContainerCommon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apiserver.context import Obj
from apiserver.registry.strategies import resources
from apiserver.registry.strategies.checks import Errors, not_found
from apiserver.registry.strategies.podspec import env, mounts, probes, security
from apiserver.registry.strategies.podspec.options import Options
from kubepy.api import names
from kubepy.api.errors import duplicate, forbidden_field, invalid, not_supported, required, too_many

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_RESIZE_RESOURCES = ("cpu", "memory")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_RULE_ACTIONS = ("Restart", "RestartAllContainers")
_NO_LIFECYCLE = "may not be set for init containers without restartPolicy=Always"
_NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"


@dataclass(frozen=True, slots=True)
class Pod:
    """What the containers of one pod need to know of it."""

    volumes: Mapping[str, Obj]
    claims: frozenset[str]
    grace: int | None
    restart_policy: str
    host_users: bool
    options: Options
    windows: bool = False


def validate(out: Errors, spec: Obj, pod: Pod, path: str) -> None:
    """All containers of a spec at `path`."""
    regular: Sequence[Obj] = spec.get("containers") or ()
    init: Sequence[Obj] = spec.get("initContainers") or ()
    _regular(out, regular, pod, f"{path}.containers")
    if init:
        _init(out, init, regular, pod, f"{path}.initContainers")
    if ephemeral := spec.get("ephemeralContainers"):
        _ephemeral(out, ephemeral, regular, init, pod, f"{path}.ephemeralContainers")


def _regular(out: Errors, containers: Sequence[Obj], pod: Pod, path: str) -> None:
    if not containers:
        out.append(required(path))
        return
    seen: set[str] = set()
    for i, c in enumerate(containers):
        at = f"{path}[{i}]"
        _common(out, c, pod, at)
        name = c.get("name", "")
        if name in seen:
            out.append(duplicate(f"{at}.name", name))
        seen.add(name)
        if (value := c.get("lifecycle")) is not None:
            probes.lifecycle(out, value, pod.grace, f"{at}.lifecycle")
        probes.container_probes(out, c, pod.grace, at)
        if "restartPolicy" in c or "restartPolicyRules" in c:
            _restart(out, c, at)
    _host_ports(out, containers, path)


def _init(out: Errors, containers: Sequence[Obj], regular: Sequence[Obj], pod: Pod, path: str) -> None:
    seen = {c.get("name", "") for c in regular}
    for i, c in enumerate(containers):
        at = f"{path}[{i}]"
        _common(out, c, pod, at)
        if "restartPolicy" in c:
            _restart(out, c, at)
        elif c.get("restartPolicyRules"):
            out.append(required(f"{at}.restartPolicy", _NEEDS_RESTART))
        name = c.get("name", "")
        if name in seen:
            out.append(duplicate(f"{at}.name", name))
        elif name:
            seen.add(name)
        _host_ports(out, (c,), path)
        if c.get("restartPolicy") == "Always":
            if (value := c.get("lifecycle")) is not None:
                probes.lifecycle(out, value, pod.grace, f"{at}.lifecycle")
            probes.container_probes(out, c, pod.grace, at)
        else:
            for key in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
                if key in c:
                    out.append(forbidden_field(f"{at}.{key}", _NO_LIFECYCLE))


_NEEDS_RESTART = "must specify restartPolicy when restart rules are used"
EPHEMERAL_FORBIDDEN = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)


def _ephemeral(out: Errors, containers: Sequence[Obj], regular: Sequence[Obj], init: Sequence[Obj], pod: Pod, path: str) -> None:
    others = {c.get("name", "") for c in (*regular, *init)}
    seen = set(others)
    for i, c in enumerate(containers):
        at = f"{path}[{i}]"
        _common(out, c, pod, at)
        only_for_pod(out, c, at)
        name = c.get("name", "")
        if name in seen:
            out.append(duplicate(f"{at}.name", name))
        seen.add(name)
        target = c.get("targetContainerName")
        if target and target not in others:
            out.append(not_found(f"{at}.targetContainerName", target))
        for key in EPHEMERAL_FORBIDDEN:
            # An empty struct counts as set only where upstream keeps a pointer, which resources are not.
            if c.get(key) or (c.get(key) == {} and key != "resources") or (key == "restartPolicy" and key in c):
                out.append(forbidden_field(f"{at}.{key}", _NOT_EPHEMERAL))
        for j, m in enumerate(c.get("volumeMounts") or ()):
            for key in ("subPath", "subPathExpr"):
                if m.get(key):
                    out.append(forbidden_field(f"{at}.volumeMounts[{j}].{key}", _NOT_EPHEMERAL))


def only_for_pod(out: Errors, container: Obj, path: str) -> None:
    """What is refused in pods but tolerated in templates."""
    image = container.get("image") or ""
    if image != image.strip():
        out.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))


def pull_policy(out: Errors, value: str | None, path: str) -> None:
    """imagePullPolicy of a container, pullPolicy of an image volume."""
    if value not in PULL_POLICIES:
        out.append(not_supported(path, value, PULL_POLICIES) if value else required(path))


def _common(out: Errors, c: Obj, pod: Pod, path: str) -> None:
    get = c.get
    name = get("name")
    if not name:
        out.append(required(f"{path}.name"))
    else:
        for m in names.dns1123_label(name):
            out.append(invalid(f"{path}.name", name, m))
    if not get("image"):
        out.append(required(f"{path}.image"))
    policy = get("terminationMessagePolicy")
    if policy not in _MESSAGE_POLICIES:
        at = f"{path}.terminationMessagePolicy"
        out.append(not_supported(at, policy, _MESSAGE_POLICIES) if policy else required(at))
    if value := get("ports"):
        _ports(out, value, f"{path}.ports")
    if value := get("env"):
        env.variables(out, value, f"{path}.env")
    if value := get("envFrom"):
        env.from_sources(out, value, f"{path}.envFrom")
    if get("volumeMounts"):
        mounts.mounts(out, c, pod.volumes, path)
    if get("volumeDevices"):
        mounts.devices(out, c, pod.volumes, path)
    pull_policy(out, get("imagePullPolicy"), f"{path}.imagePullPolicy")
    if value := get("resources"):
        resources.requirements(out, value, f"{path}.resources", pod.claims)
    if value := get("resizePolicy"):
        _resize_policy(out, value, pod.restart_policy, f"{path}.resizePolicy")
    if value := get("securityContext"):
        security.container(out, value, pod.host_users, f"{path}.securityContext")


def _ports(out: Errors, ports: Sequence[Obj], path: str) -> None:
    seen: set[str] = set()
    for i, p in enumerate(ports):
        name = p.get("name")
        if name:
            problems = names.port_name(name)
            if problems:
                for m in problems:
                    out.append(invalid(f"{path}[{i}].name", name, m))
            elif name in seen:
                out.append(duplicate(f"{path}[{i}].name", name))
            else:
                seen.add(name)
        number = p.get("containerPort")
        if not number:
            out.append(required(f"{path}[{i}].containerPort"))
        elif not 1 <= number <= 65535:
            out.append(invalid(f"{path}[{i}].containerPort", number, "must be between 1 and 65535, inclusive"))
        number = p.get("hostPort")
        if number and not 1 <= number <= 65535:
            out.append(invalid(f"{path}[{i}].hostPort", number, "must be between 1 and 65535, inclusive"))
        protocol = p.get("protocol")
        if protocol not in PROTOCOLS:
            at = f"{path}[{i}].protocol"
            out.append(not_supported(at, protocol, PROTOCOLS) if protocol else required(at))


def _host_ports(out: Errors, containers: Sequence[Obj], path: str) -> None:
    seen: set[str] = set()
    for i, c in enumerate(containers):
        for j, p in enumerate(c.get("ports") or ()):
            if number := p.get("hostPort"):
                text = f"{p.get('protocol', '')}/{p.get('hostIP', '')}/{number}"
                if text in seen:
                    out.append(duplicate(f"{path}[{i}].ports[{j}].hostPort", text))
                seen.add(text)


def _resize_policy(out: Errors, policies: Sequence[Obj], pod_restart: str, path: str) -> None:
    seen: set[str] = set()
    for i, p in enumerate(policies):
        resource, policy = p.get("resourceName") or "", p.get("restartPolicy") or ""
        if resource in seen:
            out.append(duplicate(f"{path}[{i}]", resource))
        seen.add(resource)
        if resource not in _RESIZE_RESOURCES:
            out.append(not_supported(path, resource, _RESIZE_RESOURCES) if resource else required(path))
        if policy not in _RESIZE_POLICIES:
            out.append(not_supported(path, policy, _RESIZE_POLICIES) if policy else required(path))
        if pod_restart == "Never" and policy != "NotRequired":
            out.append(invalid(path, policy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))


def _restart(out: Errors, c: Obj, path: str) -> None:
    """The container's own restartPolicy and restartPolicyRules (KEP-5307)."""
    policy, rules = c.get("restartPolicy"), c.get("restartPolicyRules")
    if policy is None:
        if rules:
            out.append(required(f"{path}.restartPolicy", _NEEDS_RESTART))
    elif policy not in _RESTART_POLICIES:
        out.append(not_supported(f"{path}.restartPolicy", policy, _RESTART_POLICIES))
    if rules:
        at = f"{path}.restartPolicyRules"
        if len(rules) > 20:
            out.append(too_many(at, len(rules), 20))
        for i, rule in enumerate(rules):
            _restart_rule(out, rule, f"{at}[{i}]")


def _restart_rule(out: Errors, rule: Obj, path: str) -> None:
    action = rule.get("action") or ""
    if action not in _RULE_ACTIONS:
        out.append(not_supported(f"{path}.action", action, _RULE_ACTIONS))
    codes = rule.get("exitCodes")
    if codes is None:
        out.append(required(f"{path}.exitCodes", "must be specified"))
        return
    operator, values = codes.get("operator") or "", codes.get("values") or []
    if operator not in ("In", "NotIn"):
        out.append(not_supported(f"{path}.exitCodes.operator", operator, ("In", "NotIn")))
    if len(values) > 255:
        out.append(too_many(f"{path}.exitCodes.values", len(values), 255))
