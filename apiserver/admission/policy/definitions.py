"""Policies with their bindings, compiled when they change and kept until the next change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from apiserver.admission.expressions import Conditions, Expression
from apiserver.admission.interface import Attributes, Tools
from apiserver.admission.matching import MatchResources
from apiserver.context import Lister, Obj
from kubepy.api.selectors import from_label_selector

GROUP = "admissionregistration.k8s.io"


class ConfigError(Exception):
    """A policy or binding that cannot be applied as it is; the text says why."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One binding, ready to match."""

    name: str
    obj: Obj
    match: MatchResources


@dataclass(slots=True)
class Policy:
    """One policy, compiled, with its bindings."""

    name: str
    spec: Obj
    match: MatchResources
    conditions: Conditions
    variables: dict[str, Expression]
    extra: Any = None
    """What the kind of policy compiles further."""
    bindings: list[Binding] = field(default_factory=list)

    @property
    def fails_closed(self) -> bool:
        """failurePolicy Fail, the default."""
        return bool(self.spec.get("failurePolicy", "Fail") != "Ignore")


class Policies:
    """All policies of one kind that have a binding, by the generations of both kinds."""

    def __init__(self, tools: Tools, plural: str, bindings: str, compile_extra: Any) -> None:
        self._tools = tools
        self._lister: Lister = tools.lister
        self._plural = plural
        self._bindings = bindings
        self._compile_extra = compile_extra
        self._generations: tuple[int, int] | None = None
        self._policies: list[Policy] = []

    def all(self) -> list[Policy]:
        """In order of their names."""
        generations = (self._lister.generation(GROUP, self._plural), self._lister.generation(GROUP, self._bindings))
        if generations != self._generations:
            self._policies = self._load()
            self._generations = generations
        return self._policies

    def matching(self, a: Attributes) -> Iterator[tuple[Policy, list[Binding]]]:
        """Policies that mean the request, each with its bindings that do. Raises NotFound for a missing namespace."""
        for policy in self.all():
            if policy.match.match(a, self._lister):
                bindings = [b for b in policy.bindings if b.match.match(a, self._lister)]
                if bindings:
                    yield policy, bindings

    def _load(self) -> list[Policy]:
        by_policy: dict[str, list[Binding]] = {}
        for obj in self._lister.list(GROUP, self._bindings):
            spec = obj.get("spec") or {}
            binding = Binding(obj["metadata"]["name"], obj, MatchResources(spec.get("matchResources")))
            by_policy.setdefault(spec.get("policyName", ""), []).append(binding)
        out = []
        for obj in self._lister.list(GROUP, self._plural):
            name = obj["metadata"]["name"]
            if name not in by_policy:
                continue
            spec = obj.get("spec") or {}
            policy = Policy(
                name,
                spec,
                MatchResources(spec.get("matchConstraints")),
                Conditions(spec.get("matchConditions")),
                {v["name"]: Expression.of(v.get("expression", "")) for v in spec.get("variables") or ()},
                bindings=by_policy[name],
            )
            policy.extra = self._compile_extra(spec)
            out.append(policy)
        return out

    def params(self, policy: Policy, binding: Binding, a: Attributes) -> list[Obj | None]:
        """The parameter objects a binding names; one None where it takes none. Raises ConfigError."""
        kind = policy.spec.get("paramKind")
        ref = (binding.obj.get("spec") or {}).get("paramRef")
        if kind is None or ref is None:
            return [None]
        catalog = self._tools.registry.catalog
        served = catalog.by_kind(kind.get("apiVersion", ""), kind.get("kind", ""))
        if served is None:
            shown = f"&ParamKind{{APIVersion:{kind.get('apiVersion', '')},Kind:{kind.get('kind', '')},}}"
            raise ConfigError(f"failed to configure binding: paramKind kind `{shown}` not known")
        resource = served.resource
        namespace: str | None = None
        if resource.namespaced:
            namespace = ref.get("namespace") or a.namespace
            if not namespace:
                raise ConfigError(
                    "failed to configure binding: cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
                )
        elif ref.get("namespace"):
            raise ConfigError("failed to configure binding: paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        found: list[Obj | None] = []
        if ref.get("name"):
            one = self._lister.get(resource.group, resource.plural, namespace, ref["name"])
            found = [one] if one is not None else []
        elif ref.get("selector") is not None:
            selector = from_label_selector(ref["selector"])
            listed = self._lister.list(resource.group, resource.plural, namespace)
            found = [o for o in listed if selector.matches(o["metadata"].get("labels") or {})]
        else:
            raise ConfigError("failed to configure binding: one of name or selector must be provided")
        if not found and ref.get("parameterNotFoundAction") == "Deny":
            raise ConfigError("failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction")
        return found
