"""What webhooks and admission policies share: rules that match requests, match conditions, policies' CEL environments.

Upstream: pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors, label_selector, named
from kubepy.api import names
from kubepy.api.cel import types as t
from kubepy.api.cel.env import Environment
from kubepy.api.cel.issues import CompileError
from kubepy.api.cel.lib.admission import AUTHORIZER, NAMESPACE, REQUEST, mutation_types
from kubepy.api.errors import duplicate, invalid, not_supported, required, too_many

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
MUTABLE = ("*", "CONNECT", "CREATE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
_MAX_CONDITIONS = 64
_IDENTIFIER = re.compile("[_a-zA-Z][_a-zA-Z0-9]*").fullmatch
RESERVED = frozenset(
    (
        "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop", "null", "namespace",
        "package", "return", "true", "var", "void", "while",
    )
)  # fmt: skip


def is_identifier(name: str) -> bool:
    """Whether a CEL variable may have this name."""
    return bool(_IDENTIFIER(name)) and name not in RESERVED


def environment(
    *, params: bool = True, variables: Mapping[str, t.Type] | None = None, authorizer: bool = True, patches: bool = False
) -> Environment:
    """What an expression may name: the request's objects, `params` where the policy has a kind of them, earlier variables (None where
    the policy has none at all), and in mutations (`patches`) the types of patches."""
    known: dict[str, t.Type] = {"object": t.DYN, "oldObject": t.DYN, "request": REQUEST, "namespaceObject": NAMESPACE}
    if params:
        known["params"] = t.DYN
    if authorizer:
        known |= AUTHORIZER
    if variables is not None:
        known["variables"] = t.object_type("kubernetes.variables", {k: t.Field(v, k) for k, v in variables.items()})
    return Environment(known, mutation_types, without=frozenset()) if patches else Environment(known)


WEBHOOK_ENVIRONMENT = environment(params=False)


def _name(kind: t.Type) -> str:
    """A type as Type.String of cel-go prints it; only the checker's errors call null_type null."""
    return kind.name if kind.same(t.NULL) else str(kind)


def expression(out: Errors, env: Environment, source: str, path: str, *allowed: t.Type) -> t.Type | None:
    """Compile; the type of the result, or None after an error. `allowed` result types; empty: any."""
    try:
        program = env.compile(source)
    except CompileError as e:
        out.append(invalid(path, source, f"{e.stage}: {e}"))
        return None
    found = program.type
    if allowed and not any(found.same(a) for a in allowed):
        if len(allowed) == 1:
            text = f"must evaluate to {_name(allowed[0])} but got {_name(found)}"
        else:
            text = f"must evaluate to one of [{' '.join(map(_name, allowed))}] but got {_name(found)}"
        out.append(invalid(path, source, text))
        return None
    return found


def match_conditions(out: Errors, conditions: Sequence[Obj], env: Environment, path: str) -> None:
    """matchConditions of a webhook or policy."""
    if len(conditions) > _MAX_CONDITIONS:
        out.append(too_many(path, len(conditions), _MAX_CONDITIONS))
    seen: set[str] = set()
    for i, c in enumerate(conditions):
        at, name, source = f"{path}[{i}]", c.get("name", ""), c.get("expression", "")
        if not source.strip():
            out.append(required(f"{at}.expression"))
        else:
            expression(out, env, source.strip(), f"{at}.expression", t.BOOL)
        if not name:
            out.append(required(f"{at}.name"))
        else:
            named(out, name, f"{at}.name", names.qualified_name)
            if name in seen:
                out.append(duplicate(f"{at}.name", name))
            seen.add(name)


def mutable_operations(out: Errors, value: Obj, path: str) -> None:
    """Only requests that carry an object to change can be mutated."""
    operations = [o for r in value.get("resourceRules") or () for o in r.get("operations") or ()]
    out.extend(not_supported(f"{path}.resourceRules.operations", o, MUTABLE) for o in operations if o not in MUTABLE)


def rule(out: Errors, value: Obj, path: str, *, operations: bool = True, subresources: bool = True) -> None:
    """One RuleWithOperations."""
    if operations:
        _operations(out, value.get("operations") or [], f"{path}.operations")
    for key in ("apiGroups", "apiVersions"):
        found = value.get(key) or []
        if not found:
            out.append(required(f"{path}.{key}"))
        if len(found) > 1 and "*" in found:
            what = "API groups" if key == "apiGroups" else "API versions"
            out.append(invalid(f"{path}.{key}", found, f"if '*' is present, must not specify other {what}"))
    out.extend(required(f"{path}.apiVersions[{i}]") for i, v in enumerate(value.get("apiVersions") or ()) if not v)
    _resources(out, value.get("resources") or [], f"{path}.resources", subresources)
    scope = value.get("scope")
    if scope is not None and scope not in SCOPES:
        out.append(not_supported(f"{path}.scope", scope, SCOPES))


def _operations(out: Errors, found: list[str], path: str) -> None:
    if not found:
        out.append(required(path))
    if len(found) > 1 and "*" in found:
        out.append(invalid(path, found, "if '*' is present, must not specify other operations"))
    out.extend(not_supported(f"{path}[{i}]", o, OPERATIONS) for i, o in enumerate(found) if o not in OPERATIONS)


def _resources(out: Errors, found: list[str], path: str, subresources: bool) -> None:
    if not found:
        out.append(required(path))
    wild_parents: set[str] = set()
    wild_subs: set[str] = set()
    all_pairs = "*/*" in found
    if len(found) > 1 and all_pairs:
        out.append(invalid(path, found, "if '*/*' is present, must not specify other resources"))
    for i, resource in enumerate(found):
        at = f"{path}[{i}]"
        if not resource:
            out.append(required(at))
            continue
        parent, slash, sub = resource.partition("/")
        if not slash:
            continue
        if "/" in sub and not subresources:
            continue
        if parent in wild_parents:
            out.append(invalid(at, resource, f"if '{parent}/*' is present, must not specify {resource}"))
        if sub in wild_subs:
            out.append(invalid(at, resource, f"if '*/{sub}' is present, must not specify {resource}"))
        if sub == "*":
            wild_parents.add(parent)
        if parent == "*":
            wild_subs.add(sub)
    if len(found) > 1 and "*" in found and any("/" not in r for r in found if r != "*"):
        out.append(invalid(path, found, "if '*' is present, must not specify other resources without subresources"))


def match_resources(out: Errors, value: Obj, path: str) -> None:
    """matchConstraints of a policy, matchResources of a binding."""
    policy = value.get("matchPolicy")
    if policy is None:
        out.append(required(f"{path}.matchPolicy"))
    elif policy not in MATCH_POLICIES:
        out.append(not_supported(f"{path}.matchPolicy", policy, MATCH_POLICIES))
    for key in ("namespaceSelector", "objectSelector"):
        if value.get(key) is None:
            out.append(required(f"{path}.{key}"))
        else:
            label_selector(out, value[key], f"{path}.{key}")
    for key in ("resourceRules", "excludeResourceRules"):
        for i, r in enumerate(value.get(key) or ()):
            at = f"{path}.{key}[{i}]"
            seen: set[str] = set()
            for j, name in enumerate(r.get("resourceNames") or ()):
                out.extend(invalid(f"{at}.resourceNames[{j}]", name, m) for m in names.path_segment(name))
                if name in seen:
                    out.append(duplicate(f"{at}.resourceNames[{j}]", name))
                seen.add(name)
            rule(out, r, at)
