"""Ingresses and IngressClasses.

Upstream: pkg/apis/networking/validation, pkg/registry/networking/{ingress,ingressclass}/strategy.go.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import addresses
from apiserver.registry.strategies.checks import Errors, domain_prefixed_path, immutable, named, port
from apiserver.registry.strategies.common import both, checked, with_status
from apiserver.registry.strategies.servicechecks import load_balancer_ingress
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import forbidden_field, invalid, not_supported, required, too_long

_CLASS = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    spec, notes = new.get("spec") or {}, new["metadata"].get("annotations") or {}
    rules, default = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and default is None:
        out.append(invalid("spec", None, "either `defaultBackend` or `rules` must be specified"))
    if default is not None:
        _backend(out, default, "spec.defaultBackend")
    for i, rule in enumerate(rules):
        _rule(out, rule, f"spec.rules[{i}]")
    for i, tls in enumerate(spec.get("tls") or ()):
        for j, host in enumerate(tls.get("hosts") or ()):
            rule = names.wildcard_dns1123_subdomain if "*" in host else names.dns1123_subdomain
            named(out, host, f"spec.tls[{i}].hosts[{j}]", rule)
        if secret := tls.get("secretName"):
            named(out, secret, f"spec.tls[{i}].secretName", names.dns1123_subdomain)
    name = spec.get("ingressClassName")
    if name is not None:
        named(out, name, "spec.ingressClassName", names.dns1123_subdomain)
    if old is None and _CLASS in notes and name is not None and notes[_CLASS] != name:
        text = "must match `ingressClassName` when both are specified"
        out.append(invalid(f"annotations.{_CLASS}", notes[_CLASS], text))


def _rule(out: Errors, rule: Obj, path: str) -> None:
    if host := rule.get("host"):
        at = f"{path}.host"
        if addresses.parse(host) is not None:
            out.append(invalid(at, host, "must be a DNS name, not an IP address"))
        named(out, host, at, names.wildcard_dns1123_subdomain if "*" in host else names.dns1123_subdomain)
    http = rule.get("http")
    if http is None:
        return
    paths = http.get("paths") or []
    if not paths:
        out.append(required(f"{path}.http.paths"))
    for j, p in enumerate(paths):
        at = f"{path}.http.paths[{j}]"
        _path(out, p, at)
        _backend(out, p.get("backend") or {}, f"{at}.backend")


def _path(out: Errors, p: Obj, path: str) -> None:
    kind, value = p.get("pathType"), p.get("path") or ""
    if kind is None:
        out.append(required(f"{path}.pathType", "pathType must be specified"))
        return
    if kind not in _PATH_TYPES:
        out.append(not_supported(f"{path}.pathType", kind, _PATH_TYPES))
        return
    at = f"{path}.path"
    if kind == "ImplementationSpecific":
        if value and not value.startswith("/"):
            out.append(invalid(at, value, "must be an absolute path"))
        return
    if not value.startswith("/"):
        out.append(invalid(at, value, "must be an absolute path"))
    if value:
        out.extend(invalid(at, value, f"must not contain '{part}'") for part in _BAD_PARTS if part in value)
        out.extend(invalid(at, value, f"cannot end with '{end}'") for end in _BAD_ENDS if value.endswith(end))


def _backend(out: Errors, backend: Obj, path: str) -> None:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        out.append(invalid(path, "", "cannot set both resource and service backends"))
    elif resource is not None:
        _resource(out, resource, f"{path}.resource")
    elif service is not None:
        name = service.get("name")
        if not name:
            out.append(required(f"{path}.service.name"))
        else:
            named(out, name, f"{path}.service.name", names.dns1123_label)
        found = service.get("port") or {}
        label, number = found.get("name"), found.get("number")
        if label and number:
            out.append(invalid(path, "", "cannot set both port name & port number"))
        elif label:
            named(out, label, f"{path}.service.port.name", names.port_name)
        elif number:
            port(out, number, f"{path}.service.port.number")
        else:
            out.append(required(path, "port name or number is required"))
    else:
        out.append(invalid(path, "", "resource or service backend is required"))


def _resource(out: Errors, ref: Obj, path: str) -> None:
    group = ref.get("apiGroup")
    if group is not None:
        named(out, group, f"{path}.apiGroup", names.dns1123_subdomain)
    for key in ("kind", "name"):
        if not ref.get(key):
            out.append(required(f"{path}.{key}"))
        else:
            named(out, ref[key], f"{path}.{key}", names.path_segment)


def _status(out: Errors, new: Obj, old: Obj) -> None:
    found = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    before = ((old.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    load_balancer_ingress(out, found, "status.loadBalancer.ingress", [i.get("ip", "") for i in before])


def _warnings(new: Obj, _old: Obj | None) -> list[str]:
    if _CLASS in (new["metadata"].get("annotations") or {}):
        return [f"annotation \"{_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"]
    return []


def _validate_class(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    controller = spec.get("controller", "")
    if len(controller) > 250:
        out.append(too_long("spec.controller", 250))
    out.extend(domain_prefixed_path("spec.controller", controller))
    parameters = spec.get("parameters")
    if parameters is not None:
        _parameters(out, parameters, "spec.parameters")
    if old is not None:
        immutable(out, controller, (old.get("spec") or {}).get("controller", ""), "spec.controller")


def _parameters(out: Errors, ref: Obj, path: str) -> None:
    _resource(out, ref, path)
    scope, namespace = ref.get("scope"), ref.get("namespace")
    if scope is None:
        out.append(required(f"{path}.scope"))
        return
    if scope not in ("Cluster", "Namespace"):
        out.append(not_supported(f"{path}.scope", scope, ("Cluster", "Namespace")))
    elif scope == "Namespace":
        if namespace is None:
            out.append(required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
        else:
            named(out, namespace, f"{path}.namespace", names.dns1123_label)
    elif namespace is not None:
        out.append(forbidden_field(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))


STRATEGY = with_status(
    zero={"loadBalancer": {}}, warnings=_warnings, status_meta=(), status_validate_update=checked(_status), **both(_validate)
)
CLASS = Strategy(**both(_validate_class))
