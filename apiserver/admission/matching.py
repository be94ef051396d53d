"""Which requests a webhook or a policy is about: rules and selectors (pkg/admission/plugin/policy/matching, webhook/predicates)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from apiserver.admission.interface import Attributes
from apiserver.context import Lister, Obj
from kubepy.api import meta
from kubepy.api.errors import NotFound
from kubepy.api.kinds import Resource
from kubepy.api.selectors import LabelSelector, from_label_selector

_EXEMPT = frozenset(
    (
        "validatingwebhookconfigurations", "mutatingwebhookconfigurations", "validatingadmissionpolicies",
        "validatingadmissionpolicybindings", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
    )
)  # fmt: skip


def is_exempt(resource: Resource) -> bool:
    """The objects that configure admission pass unasked, so that a bad one can be removed."""
    return resource.group == "admissionregistration.k8s.io" and resource.plural in _EXEMPT


def rule_matches(rule: Obj, operation: str, resource: Resource, subresource: str, *, any_version: bool = False) -> bool:
    """Whether one rule names the operation and the resource; `any_version` ignores the rule's versions."""
    operations = rule.get("operations") or ()
    if "*" not in operations and operation not in operations:
        return False
    groups = rule.get("apiGroups") or ()
    if "*" not in groups and resource.group not in groups:
        return False
    versions = rule.get("apiVersions") or ()
    if not any_version and "*" not in versions and resource.version not in versions:
        return False
    scope = rule.get("scope") or "*"
    if scope != "*" and (scope == "Namespaced") != (resource.namespaced and (resource.group, resource.plural) != ("", "namespaces")):
        return False
    return any(_resource_matches(pattern, resource.plural, subresource) for pattern in rule.get("resources") or ())


def _resource_matches(pattern: str, plural: str, subresource: str) -> bool:
    main, _, sub = pattern.partition("/")
    return main in ("*", plural) and (sub == subresource or (sub == "*" and "/" in pattern) or pattern == "*/*")


class Selectors:
    """The namespace and object selectors of one webhook, policy or binding."""

    def __init__(self, namespace: Obj | None, obj: Obj | None) -> None:
        self._namespace: LabelSelector | None = from_label_selector(namespace) if namespace else None
        self._object: LabelSelector | None = from_label_selector(obj) if obj else None

    def match(self, a: Attributes, lister: Lister) -> bool:
        """Whether both select. Raises NotFound when the namespace is not there."""
        return self._match_object(a) and self._match_namespace(a, lister)

    def _match_object(self, a: Attributes) -> bool:
        if self._object is None or self._object.empty:
            return True
        return any(obj is not None and self._object.matches(meta.labels(obj)) for obj in (a.obj, a.old))

    def _match_namespace(self, a: Attributes, lister: Lister) -> bool:
        if self._namespace is None or self._namespace.empty:
            return True
        if (a.resource.group, a.resource.plural) == ("", "namespaces"):
            own = a.obj if a.obj is not None and a.operation != "DELETE" and not a.subresource else a.old
            if own is None:
                own = lister.get("", "namespaces", None, a.name)
            return own is None or self._namespace.matches(meta.labels(own))
        if not a.resource.namespaced:
            return True
        namespace = lister.get("", "namespaces", None, a.namespace)
        if namespace is None:
            raise NotFound.of("", "namespaces", a.namespace)
        return self._namespace.matches(meta.labels(namespace))


class MatchResources:
    """`matchConstraints` of a policy, or `matchResources` of a binding: rules, exclusions and selectors."""

    def __init__(self, spec: Obj | None) -> None:
        spec = spec or {}
        self._rules: Sequence[Obj] = spec.get("resourceRules") or ()
        self._excluded: Sequence[Obj] = spec.get("excludeResourceRules") or ()
        self._equivalent = spec.get("matchPolicy", "Equivalent") == "Equivalent"
        self._selectors = Selectors(spec.get("namespaceSelector"), spec.get("objectSelector"))

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Whether the rules name such requests at all."""
        return not self._rules or self._any(self._rules, operation, resource, subresource)

    def match(self, a: Attributes, lister: Lister) -> bool:
        """Whether the request is meant. Raises NotFound."""
        name = a.name or meta.name(a.obj or {})
        excluded = [r for r in self._excluded if _names(r, name)]
        if excluded and self._any(excluded, a.operation, a.resource, a.subresource):
            return False
        rules = [r for r in self._rules if _names(r, name)]
        if self._rules and not self._any(rules, a.operation, a.resource, a.subresource):
            return False
        return self._selectors.match(a, lister)

    def _any(self, rules: Iterable[Obj], operation: str, resource: Resource, subresource: str) -> bool:
        return any(rule_matches(r, operation, resource, subresource, any_version=self._equivalent) for r in rules)


def _names(rule: Obj, name: str) -> bool:
    names: Any = rule.get("resourceNames")
    return not names or name in names
