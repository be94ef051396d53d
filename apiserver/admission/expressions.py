"""CEL in admission: the variables that expressions see, and how conditions are evaluated (pkg/admission/plugin/cel)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.admission.interface import Attributes, Tools
from apiserver.context import Obj, RequestInfo, User
from apiserver.middleware.authn import users
from kubepy.api.cel import types as t
from kubepy.api.cel.env import Environment, Program
from kubepy.api.cel.issues import CompileError
from kubepy.api.cel.lib.admission import AUTHORIZER, mutation_types
from kubepy.api.cel.lib.authorizer import Authorizer, ResourceCheck
from kubepy.api.cel.values import CelError

RUNTIME_BUDGET = 10_000_000
"""Cost units that all expressions of one policy may spend on one request (pkg/apis/cel RuntimeCELCostBudget)."""


ENVIRONMENT = Environment(
    {
        **dict.fromkeys(("object", "oldObject", "request", "params", "namespaceObject", "variables"), t.DYN),
        **AUTHORIZER,
    },
    mutation_types,
    without=frozenset(),
)


@dataclass(frozen=True, slots=True)
class Expression:
    """One compiled expression; `error` holds why it could not be compiled."""

    source: str
    program: Program | None
    error: str = ""

    @staticmethod
    def of(source: str) -> Expression:
        """Compile; never raises."""
        try:
            return Expression(source, ENVIRONMENT.compile(source))
        except CompileError as error:
            return Expression(source, None, f"{error.stage}: {error}")

    def eval(self, scope: Mapping[str, Any], budget: list[int] | None = None) -> Any:
        """The value. Raises CelError with upstream's text."""
        if self.program is None:
            raise CelError(f"compilation error: {self.error}")
        try:
            return self.program.eval(scope, budget=budget)
        except CelError as error:
            raise CelError(f"expression '{self.source}' resulted in error: {error}") from error


class _Variables(dict[str, Any]):
    """`variables.x`: evaluated when first read, once."""

    def __init__(self, expressions: Mapping[str, Expression], scope: Mapping[str, Any], budget: list[int]) -> None:
        super().__init__()
        self._expressions = expressions
        self._scope = scope
        self._budget = budget

    def __contains__(self, key: object) -> bool:
        return key in self._expressions

    def __iter__(self) -> Iterator[str]:
        return iter(self._expressions)

    def __missing__(self, key: str) -> Any:
        value = self[key] = self._expressions[key].eval(self._scope, self._budget)
        return value


def request_value(a: Attributes) -> Obj:
    """The `request` variable: AdmissionRequest without the objects."""
    r = a.resource
    group_kind = kind_of(a)
    resource = {"group": r.group, "version": r.version, "resource": r.plural}
    user = a.ctx.user
    info: Obj = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {
        "kind": group_kind,
        "resource": resource,
        "subResource": a.subresource,
        "requestKind": group_kind,
        "requestResource": resource,
        "requestSubResource": a.subresource,
        "name": a.name or ((a.obj or {}).get("metadata") or {}).get("name", ""),
        "namespace": a.namespace,
        "operation": a.operation,
        "userInfo": info,
        "dryRun": a.ctx.dry_run,
        "options": dict(a.options),
    }


def kind_of(a: Attributes) -> dict[str, str]:
    """Group, version and kind of the request's object; a subresource may have its own."""
    sub = a.resource.subresource(a.subresource) if a.subresource else None
    if sub is None:
        return {"group": a.resource.group, "version": a.resource.version, "kind": a.resource.kind}
    group = sub.group if sub.group is not None else a.resource.group
    version = sub.version if sub.version is not None else a.resource.version
    return {"group": group, "version": version, "kind": sub.kind}


class Scope:
    """The variables of one request, shared by all policies and webhooks that look at it."""

    def __init__(self, tools: Tools, a: Attributes) -> None:
        self._tools = tools
        self.a = a
        namespace = None
        if a.resource.namespaced and a.namespace:
            found = tools.lister.get("", "namespaces", None, a.namespace)
            namespace = _namespace_view(found) if found is not None else None
        self._base: dict[str, Any] = {
            "object": a.obj if a.operation != "DELETE" else None,
            "oldObject": a.old,
            "request": request_value(a),
            "namespaceObject": namespace,
            "params": None,
        }
        if tools.authorizer is not None:
            authorizer = Authorizer(a.ctx.user, self._authorize, _account)
            attributes = {"group": a.resource.group, "resource": a.resource.plural, "namespace": a.namespace, "name": a.name}
            if a.subresource:
                attributes["subresource"] = a.subresource
            self._base["authorizer"] = authorizer
            self._base["authorizer.requestResource"] = ResourceCheck(authorizer, attributes)

    def bind(self, params: Obj | None = None, variables: Mapping[str, Expression] | None = None) -> tuple[dict[str, Any], list[int]]:
        """The variables for one policy with one parameter object, and the budget its expressions share."""
        budget = [RUNTIME_BUDGET]
        scope = {**self._base, "object": self.a.obj if self.a.operation != "DELETE" else None, "params": params}
        scope["variables"] = _Variables(variables or {}, scope, budget)
        return scope, budget

    def _authorize(self, user: Any, attributes: dict[str, str]) -> tuple[bool, str]:
        if "path" in attributes:
            info = RequestInfo(False, attributes["path"], attributes["verb"])
        else:
            get = attributes.get
            info = RequestInfo(
                True, "", get("verb", ""), get("group", ""), "*", get("resource", ""), get("subresource", ""), get("namespace", ""),
                get("name", ""), field_selector=get("fieldSelector", ""),
            )  # fmt: skip
        allowed, reason = self._tools.authorizer.authorize(user, info)
        return bool(allowed), str(reason)


def _account(namespace: str, name: str) -> User:
    return users.authenticated(User(users.service_account_name(namespace, name), "", users.service_account_groups(namespace)))


def _namespace_view(namespace: Obj) -> Obj:
    """The parts of a namespace that expressions may read."""
    fields = ("name", "generateName", "namespace", "labels", "annotations", "uid", "creationTimestamp", "deletionGracePeriodSeconds",
              "deletionTimestamp", "generation", "resourceVersion", "finalizers")  # fmt: skip
    metadata = {key: namespace["metadata"][key] for key in fields if key in namespace["metadata"]}
    return {"metadata": metadata, "spec": namespace.get("spec") or {}, "status": namespace.get("status") or {}}


class Conditions:
    """`matchConditions`: all must hold (webhook/matchconditions)."""

    def __init__(self, conditions: Sequence[Obj] | None) -> None:
        self._conditions = [(c.get("name", ""), Expression.of(c.get("expression", ""))) for c in conditions or ()]

    def __bool__(self) -> bool:
        return bool(self._conditions)

    def match(self, scope: Mapping[str, Any], budget: list[int] | None = None) -> bool:
        """Whether all hold. Raises CelError when one fails and none is false."""
        errors = []
        for _, expression in self._conditions:
            try:
                if expression.eval(scope, budget) is not True:
                    return False
            except CelError as error:
                errors.append(str(error))
        if errors:
            raise CelError(errors[0] if len(errors) == 1 else "[" + ", ".join(errors) + "]")
        return True
