"""ValidatingAdmissionPolicies, MutatingAdmissionPolicies and the bindings of both.

Upstream: pkg/apis/admissionregistration/validation, pkg/registry/admissionregistration.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import admissionrules as rules
from apiserver.registry.strategies.checks import Errors, conditions, label_selector, named
from apiserver.registry.strategies.common import both, checked, with_status
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.cel import types as t
from kubepy.api.cel.lib.admission import APPLY_CONFIGURATION, JSON_PATCH, variable_type
from kubepy.api.errors import duplicate, forbidden_field, invalid, not_supported, required

_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_ACTIONS = ("Audit", "Deny", "Warn")
_NOT_FOUND = ("Allow", "Deny")
_MAX_MESSAGE = 5 * 1024
_ONE_NEEDED = "validations or auditAnnotations must contain at least one item"
_MUTATIONS = {"ApplyConfiguration": ("applyConfiguration", APPLY_CONFIGURATION), "JSONPatch": ("jsonPatch", t.list_of(JSON_PATCH))}
_REINVOCATION = ("IfNeeded", "Never")


def _param_kind(out: Errors, kind: Obj) -> None:
    version = kind.get("apiVersion", "")
    if not version:
        out.append(required("spec.paramKind.apiVersion"))
    else:
        group, slash, rest = version.rpartition("/")
        if version.count("/") > 1:
            out.append(invalid("spec.paramKind.apiVersion", version, f"unexpected GroupVersion string: {version}"))
        else:
            if slash and group:
                named(out, group, "spec.paramKind.apiVersion", names.dns1123_subdomain)
            named(out, rest, "spec.paramKind.apiVersion", names.dns1035_label)
    name = kind.get("kind", "")
    if not name:
        out.append(required("spec.paramKind.kind"))
    else:
        mixed = "may have mixed case, but should otherwise match"
        out.extend(invalid("spec.paramKind.kind", name, f"{mixed}: {m}") for m in names.dns1035_label(name.lower()))


def _common(out: Errors, spec: Obj, mutating: bool) -> tuple[bool, dict[str, t.Type] | None]:
    """The parts that both kinds of policy have; whether there are params, and the variables' types (None: no variables)."""
    failure = spec.get("failurePolicy")
    if failure is None:
        out.append(required("spec.failurePolicy"))
    elif failure not in rules.FAILURE_POLICIES:
        out.append(not_supported("spec.failurePolicy", failure, rules.FAILURE_POLICIES))
    kind = spec.get("paramKind")
    if kind is not None:
        _param_kind(out, kind)
    constraints = spec.get("matchConstraints")
    if constraints is None:
        out.append(required("spec.matchConstraints"))
    else:
        rules.match_resources(out, constraints, "spec.matchConstraints")
        if not constraints.get("resourceRules"):
            out.append(required("spec.matchConstraints.resourceRules"))
        if mutating:
            rules.mutable_operations(out, constraints, "spec.matchConstraints")
    params = kind is not None
    rules.match_conditions(out, spec.get("matchConditions") or [], rules.environment(params=params), "spec.matchConditions")
    variables: dict[str, t.Type] = {}
    for i, variable in enumerate(spec.get("variables") or ()):
        at, name, source = f"spec.variables[{i}]", variable.get("name", ""), variable.get("expression", "")
        if not name.strip():
            out.append(required(f"{at}.name", "name is not specified"))
        elif not rules.is_identifier(name):
            out.append(invalid(f"{at}.name", name, "must be a valid CEL identifier"))
        found: t.Type | None = None
        if not source.strip():
            out.append(required(f"{at}.expression", "expression is not specified"))
        else:
            env = rules.environment(params=params, variables=variables)
            found = rules.expression(out, env, source.strip(), f"{at}.expression")
        variables = {**variables, name: variable_type(found) if found is not None else t.DYN}
    return params, variables if spec.get("variables") else None


def _validating(out: Errors, new: Obj, _old: Obj | None) -> None:
    spec, name = new.get("spec") or {}, new["metadata"].get("name", "")
    params, variables = _common(out, spec, mutating=False)
    env = rules.environment(params=params, variables=variables)
    message_env = rules.environment(params=params, variables=variables, authorizer=False)
    validations, audits = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not audits:
        out.append(required("spec.validations", _ONE_NEEDED))
        out.append(required("spec.auditAnnotations", _ONE_NEEDED))
    for i, v in enumerate(validations):
        at, source = f"spec.validations[{i}]", v.get("expression", "").strip()
        if not source:
            out.append(required(f"{at}.expression", "expression is not specified"))
        else:
            rules.expression(out, env, source, f"{at}.expression", t.BOOL)
        if (text := v.get("messageExpression", "")) and not text.strip():
            out.append(invalid(f"{at}.messageExpression", text, "must be non-empty if specified"))
        elif text.strip():
            rules.expression(out, message_env, text.strip(), f"{at}.messageExpression", t.STRING)
        if (message := v.get("message", "")) and not message.strip():
            out.append(invalid(f"{at}.message", message, "must be non-empty if specified"))
        elif "\n" in message.strip():
            out.append(invalid(f"{at}.message", message, "must not contain line breaks"))
        reason = v.get("reason")
        if reason is not None and reason not in _REASONS:
            out.append(not_supported(f"{at}.reason", reason, _REASONS))
    seen: set[str] = set()
    for i, a in enumerate(audits):
        at, key = f"spec.auditAnnotations[{i}]", a.get("key", "")
        if name:
            out.extend(invalid(f"{at}.key", f"{name}/{key}", m) for m in names.qualified_name(f"{name}/{key}"))
        else:
            out.append(invalid(f"{at}.key", key, "requires metadata.name be non-empty"))
        if key in seen:
            out.append(duplicate(f"{at}.key", key))
        seen.add(key)
        source = a.get("valueExpression", "").strip()
        if not source:
            out.append(required(f"{at}.valueExpression", "valueExpression is not specified"))
        elif len(source) > _MAX_MESSAGE:
            out.append(required(f"{at}.valueExpression", f"must not exceed {_MAX_MESSAGE} bytes in length"))
        else:
            rules.expression(out, env, source, f"{at}.valueExpression", t.STRING, t.NULL)


def _mutating(out: Errors, new: Obj, _old: Obj | None) -> None:
    spec = new.get("spec") or {}
    params, variables = _common(out, spec, mutating=True)
    env = rules.environment(params=params, variables=variables or {}, patches=True)
    mutations = spec.get("mutations") or []
    if not mutations:
        out.append(required("spec.mutations", "mutations must contain at least one item"))
    for i, m in enumerate(mutations):
        at, kind = f"spec.mutations[{i}]", m.get("patchType", "")
        if not kind:
            out.append(required(f"{at}.patchType"))
            continue
        if kind not in _MUTATIONS:
            out.append(not_supported(f"{at}.patchType", kind, tuple(_MUTATIONS)))
            continue
        field, result = _MUTATIONS[kind]
        if m.get(field) is None:
            out.append(required(f"{at}.{field}", f"must be specified when patchType is {kind}"))
        elif source := m[field].get("expression", "").strip():
            rules.expression(out, env, source, f"{at}.{field}.expression", result)
        else:
            out.append(required(f"{at}.{field}.expression"))
        for other, _ in _MUTATIONS.values():
            if other != field and m.get(other) is not None:
                out.append(invalid(f"{at}.{other}", f"{{{other}}}", f"must not be specified when patchType is {kind}"))
    reinvocation = spec.get("reinvocationPolicy", "")
    if not reinvocation:
        out.append(required("spec.reinvocationPolicy"))
    elif reinvocation not in _REINVOCATION:
        out.append(not_supported("spec.reinvocationPolicy", reinvocation, _REINVOCATION))


def _param_ref(out: Errors, ref: Obj, path: str) -> None:
    name, selector = ref.get("name", ""), ref.get("selector")
    if name:
        named(out, name, f"{path}.name", names.path_segment)
        if selector is not None:
            text = "name and selector are mutually exclusive"
            out.append(forbidden_field(f"{path}.name", text))
    if selector is not None:
        label_selector(out, selector, f"{path}.selector")
        if name:
            out.append(forbidden_field(f"{path}.selector", "name and selector are mutually exclusive"))
    elif not name:
        out.append(required(path, "one of name or selector must be specified"))
    action = ref.get("parameterNotFoundAction")
    if not action:
        out.append(required(f"{path}.parameterNotFoundAction"))
    elif action not in _NOT_FOUND:
        out.append(not_supported(f"{path}.parameterNotFoundAction", action, ("Deny", "Allow")))


def _binding_common(out: Errors, spec: Obj) -> None:
    if not spec.get("policyName"):
        out.append(required("spec.policyName"))
    else:
        named(out, spec["policyName"], "spec.policyName", names.dns1123_subdomain)
    if (ref := spec.get("paramRef")) is not None:
        _param_ref(out, ref, "spec.paramRef")
    if (matches := spec.get("matchResources")) is not None:
        rules.match_resources(out, matches, "spec.matchResources")


def _binding(out: Errors, new: Obj, _old: Obj | None) -> None:
    spec = new.get("spec") or {}
    _binding_common(out, spec)
    actions = spec.get("validationActions") or []
    if not actions:
        out.append(required("spec.validationActions", "at least one validation action is required"))
    for i, action in enumerate(actions):
        at = f"spec.validationActions[{i}]"
        if action not in _ACTIONS:
            out.append(not_supported(at, action, _ACTIONS))
        if action in actions[:i]:
            out.append(duplicate(at, action))
    if "Deny" in actions and "Warn" in actions:
        why = "repeating the same validation failure information in the API response and headers serves no purpose"
        text = f"must not contain both Deny and Warn ({why})"
        out.append(invalid("spec.validationActions", actions, text))


def _mutating_binding(out: Errors, new: Obj, _old: Obj | None) -> None:
    spec = new.get("spec") or {}
    _binding_common(out, spec)
    rules.mutable_operations(out, spec.get("matchResources") or {}, "spec.matchResources")


def _status(out: Errors, new: Obj, _old: Obj) -> None:
    status = new.get("status") or {}
    conditions(out, status.get("conditions"), "status.conditions")
    for i, warning in enumerate((status.get("typeChecking") or {}).get("expressionWarnings") or ()):
        at = f"status.typeChecking.expressionWarnings[{i}]"
        out.extend(required(f"{at}.{key}") for key in ("warning", "fieldRef") if not warning.get(key))


VALIDATING = with_status(
    status_checks=(0, 0), allow_unconditional_update=False, status_validate_update=checked(_status), **both(_validating)
)
VALIDATING_BINDING = Strategy(allow_unconditional_update=False, **both(_binding))
MUTATING = Strategy(allow_unconditional_update=False, **both(_mutating))
MUTATING_BINDING = Strategy(allow_unconditional_update=False, **both(_mutating_binding))
