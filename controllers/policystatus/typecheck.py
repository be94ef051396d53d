"""Which kinds a policy is checked against, and what its expressions get wrong (apiserver plugin/policy/validating/typechecking.go).

Pure. Warnings never change what a policy does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from controllers.policystatus.schemas import GroupVersionKind
from kubepy.api.cel import types as t
from kubepy.api.cel.env import Environment
from kubepy.api.cel.issues import CompileError
from kubepy.api.cel.lib.admission import AUTHORIZER, NAMESPACE, REQUEST, variable_type
from kubepy.api.kinds import Resource

Obj = dict[str, Any]

MAX_TYPES = 10
"""Kinds that are checked at most for one rule."""


def kinds_to_check(policy: Obj, resources: Iterable[Resource]) -> list[GroupVersionKind]:
    """The kinds that the policy's rules name in full, sorted; rules with wildcards and subresources name none."""
    served = list(resources)
    found: set[GroupVersionKind] = set()
    for rule in _rules(policy):
        count = 0
        for group, version, plural in _named(rule):
            for kind in _kinds(served, group, version, plural):
                found.add(kind)
                count += 1
                if count == MAX_TYPES:
                    return sorted(found)
    return sorted(found)


def names_unknown(policy: Obj, resources: Iterable[Resource]) -> bool:
    """Whether a rule names a resource that is not among these: it may be new."""
    served = list(resources)
    return any(not _kinds(served, *name) for rule in _rules(policy) for name in _named(rule))


def _rules(policy: Obj) -> Sequence[Obj]:
    return (policy["spec"].get("matchConstraints") or {}).get("resourceRules") or ()


def _named(rule: Obj) -> list[tuple[str, str, str]]:
    """(group, version, plural) of what a rule names, in upstream's order."""
    groups, versions = rule.get("apiGroups") or (), rule.get("apiVersions") or ()
    if any("*" in part for part in (*groups, *versions)):
        return []
    plurals = sorted(r for r in rule.get("resources") or () if "*" not in r and "/" not in r)
    return list(product(sorted(groups), sorted(versions), plurals))


def _kinds(served: Sequence[Resource], group: str, version: str, plural: str) -> list[GroupVersionKind]:
    # As in the REST mapper, no group stands for any.
    return [
        (r.group, r.version, r.kind) for r in served if plural in (r.plural, r.singular) and r.version == version and group in ("", r.group)
    ]


def param_kind(policy: Obj) -> GroupVersionKind | None:
    """The kind of the policy's parameters."""
    kind = policy["spec"].get("paramKind")
    if not kind:
        return None
    group, _, version = kind.get("apiVersion", "").rpartition("/")
    return group, version, kind.get("kind", "")


def check(policy: Obj, objects: Sequence[tuple[GroupVersionKind, t.Type]], params: t.Type | None) -> list[Obj]:
    """ExpressionWarnings of the policy's validations and messages against each kind; `params` None where its type is not known."""
    out: list[Obj] = []
    spec = policy["spec"]
    scopes = [(kind, _scope(type_, params, spec)) for kind, type_ in objects]
    for i, validation in enumerate(spec.get("validations") or ()):
        for field in ("expression", "messageExpression"):
            source = validation.get(field) or ""
            if not source and field == "messageExpression":
                continue
            texts = [f"{_text(kind)}: {problem}\n" for kind, scope in scopes if (problem := _problem(source, scope))]
            if texts:
                out.append({"fieldRef": f"spec.validations[{i}].{field}", "warning": "\n".join(texts)})
    return out


def _text(kind: GroupVersionKind) -> str:
    group, version, name = kind
    return f"{group}/{version}, Kind={name}"


def _problem(source: str, scope: Mapping[str, t.Type]) -> str:
    try:
        Environment(scope).compile(source)
    except CompileError as e:
        return str(e)
    return ""


def _scope(type_: t.Type, params: t.Type | None, spec: Obj) -> dict[str, t.Type]:
    """What expressions see: the variables of the policy are typed one after the other, each seeing those before it."""
    variables: dict[str, t.Field] = {}
    scope = {
        "namespaceObject": NAMESPACE,
        "request": REQUEST,
        "object": type_,
        "oldObject": type_,
        "authorizer": AUTHORIZER["authorizer"],
        "variables": t.object_type("kubernetes.variables", variables),
    }
    if spec.get("paramKind"):
        scope["params"] = params if params is not None else t.DYN
    for variable in spec.get("variables") or ():
        name = variable["name"]
        try:
            result = Environment(scope).compile(variable["expression"]).type
        except CompileError:
            result = t.DYN
        variables[name] = t.Field(variable_type(result), name)
    return scope
