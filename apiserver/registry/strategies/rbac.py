"""Roles, bindings and their cluster-wide siblings. Whether one may grant them is asked elsewhere.

Upstream: pkg/apis/rbac/validation, pkg/apis/rbac/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Callable

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors, label_selector, named
from apiserver.registry.strategies.common import both
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import invalid, not_supported, required

_GROUP = "rbac.authorization.k8s.io"


def _rule(out: Errors, rule: Obj, namespaced: bool, path: str) -> None:
    if not rule.get("verbs"):
        out.append(required(f"{path}.verbs", "verbs must contain at least one value"))
    urls, groups, found = rule.get("nonResourceURLs") or [], rule.get("apiGroups"), rule.get("resources")
    if urls:
        if namespaced:
            out.append(invalid(f"{path}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs"))
        if groups or found or rule.get("resourceNames"):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            out.append(invalid(f"{path}.nonResourceURLs", urls, text))
        return
    if not groups:
        out.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not found:
        out.append(required(f"{path}.resources", "resource rules must supply at least one resource"))


def _role(namespaced: bool) -> Callable[[Errors, Obj, Obj | None], None]:
    def validate(out: Errors, new: Obj, _old: Obj | None) -> None:
        for i, rule in enumerate(new.get("rules") or ()):
            _rule(out, rule, namespaced, f"rules[{i}]")
        aggregation = new.get("aggregationRule")
        if aggregation is None or namespaced:
            return
        selectors = aggregation.get("clusterRoleSelectors") or []
        at = "aggregationRule.clusterRoleSelectors"
        if not selectors:
            out.append(required(at, "at least one clusterRoleSelector required if aggregationRule is non-nil"))
        for i, selector in enumerate(selectors):
            before = len(out)
            label_selector(out, selector, f"{at}[{i}]")
            if len(out) > before:
                out.append(invalid(f"{at}[{i}]", None, "invalid label selector."))

    return validate


def _default_binding(obj: Obj) -> None:
    ref = obj.get("roleRef")
    if ref is not None and not ref.get("apiGroup"):
        ref["apiGroup"] = _GROUP
    for subject in obj.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = _GROUP


def _subject(out: Errors, subject: Obj, namespaced: bool, path: str) -> None:
    name, kind, group = subject.get("name", ""), subject.get("kind", ""), subject.get("apiGroup", "")
    if not name:
        out.append(required(f"{path}.name"))
    if kind == "ServiceAccount":
        if name:
            named(out, name, f"{path}.name", names.dns1123_subdomain)
        if group:
            out.append(not_supported(f"{path}.apiGroup", group, ("",)))
        if not namespaced and not subject.get("namespace"):
            out.append(required(f"{path}.namespace"))
    elif kind in ("User", "Group"):
        if group != _GROUP:
            out.append(not_supported(f"{path}.apiGroup", group, (_GROUP,)))
    else:
        out.append(not_supported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group")))


def _binding(namespaced: bool) -> Callable[[Errors, Obj, Obj | None], None]:
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)

    def validate(out: Errors, new: Obj, old: Obj | None) -> None:
        ref = new.get("roleRef") or {}
        if ref.get("apiGroup", "") != _GROUP:
            out.append(not_supported("roleRef.apiGroup", ref.get("apiGroup", ""), (_GROUP,)))
        if ref.get("kind", "") not in kinds:
            out.append(not_supported("roleRef.kind", ref.get("kind", ""), kinds))
        if not ref.get("name"):
            out.append(required("roleRef.name"))
        else:
            named(out, ref["name"], "roleRef.name", names.path_segment)
        for i, subject in enumerate(new.get("subjects") or ()):
            _subject(out, subject, namespaced, f"subjects[{i}]")
        if old is not None and ref != (old.get("roleRef") or {}):
            out.append(invalid("roleRef", goform.of("RoleRef", ref), "cannot change roleRef"))

    return validate


def _strategy(validate: Callable[[Errors, Obj, Obj | None], None], *, binding: bool = False) -> Strategy:
    found = Strategy(name_check=names.path_segment, has_generation=False, allow_create_on_update=True, **both(validate))
    return found.with_(default=_default_binding) if binding else found


ROLE = _strategy(_role(True))
CLUSTER_ROLE = _strategy(_role(False))
BINDING = _strategy(_binding(True), binding=True)
CLUSTER_BINDING = _strategy(_binding(False), binding=True)
