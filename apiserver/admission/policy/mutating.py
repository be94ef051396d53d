"""MutatingAdmissionPolicy: expressions that make JSON patches or apply configurations, one after the other."""

from __future__ import annotations

from typing import Any

from apiserver.admission.expressions import Expression, Scope
from apiserver.admission.interface import Attributes, Tools
from apiserver.admission.matching import is_exempt
from apiserver.admission.plugin import CREATE, UPDATE, BasePlugin, deny
from apiserver.admission.policy.definitions import Binding, ConfigError, Policies, Policy
from apiserver.admission.reinvocation import replace_object, served_of, state_of
from apiserver.context import Obj
from kubepy.api.cel.values import CelError, Struct, plain
from kubepy.api.errors import Forbidden
from kubepy.api.kinds import Resource
from kubepy.api.patch import typed
from kubepy.api.patch.errors import PatchError
from kubepy.api.patch.json import apply_json_patch
from kubepy.api.patch.shape import shape_of

_APPLY, _PATCH = "ApplyConfiguration", "JSONPatch"


def _compile(spec: Obj) -> list[tuple[str, Expression]]:
    out = []
    for mutation in spec.get("mutations") or ():
        kind = mutation.get("patchType", "")
        body = mutation.get("jsonPatch" if kind == _PATCH else "applyConfiguration") or {}
        out.append((kind, Expression.of(body.get("expression", ""))))
    return out


class MutatingAdmissionPolicy(BasePlugin):
    """Upstream: pkg/admission/plugin/policy/mutating."""

    name = "MutatingAdmissionPolicy"
    operations = frozenset((CREATE, UPDATE))

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._policies = Policies(tools, "mutatingadmissionpolicies", "mutatingadmissionpolicybindings", _compile)

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Writes of objects, the configuration of admission itself excepted."""
        return operation in self.operations and not is_exempt(resource)

    def handles(self, a: Attributes) -> bool:
        """Only where a bound policy's rules name such a request."""
        return any(p.match.covers(a.operation, a.resource, a.subresource) for p in self._policies.all())

    async def admit(self, a: Attributes) -> None:
        """Change a.obj. Raises Forbidden."""
        state = state_of(a)
        errors: list[str] = []
        scope: Scope | None = None
        for policy, bindings in self._policies.matching(a):
            scope = scope or Scope(self.tools, a)
            for binding in bindings:
                try:
                    params = self._policies.params(policy, binding, a)
                except ConfigError as error:
                    self._failed(policy, binding, str(error), errors)
                    continue
                for number, param in enumerate(params):
                    key = (self.name, policy.name, binding.name, number)
                    if not state.should_run(key, policy.spec.get("reinvocationPolicy", "Never") == "IfNeeded"):
                        continue
                    try:
                        changed = self._mutate(policy, scope, a, param)
                    except (CelError, PatchError) as error:
                        self._failed(policy, binding, str(error), errors)
                        continue
                    state.ran(key, changed)
        if errors:
            plain_error = deny(a, "admission request denied by policy")
            details = {**(plain_error.details or {}), "causes": [{"message": text} for text in errors]}
            raise Forbidden(errors[0], details=details, reason="Invalid")

    @staticmethod
    def _failed(policy: Policy, binding: Binding, text: str, errors: list[str]) -> None:
        if policy.fails_closed:
            errors.append(f"policy '{policy.name}' with binding '{binding.name}' denied request: {text}")

    def _mutate(self, policy: Policy, scope: Scope, a: Attributes, param: Obj | None) -> bool:
        variables, budget = scope.bind(param, policy.variables)
        if policy.conditions and not policy.conditions.match(variables, budget):
            return False
        changed = False
        for kind, expression in policy.extra:
            # Each mutation sees what the one before it did.
            variables, budget = scope.bind(param, policy.variables)
            value = expression.eval(variables, budget)
            assert a.obj is not None
            new = self._patched(a, value) if kind == _PATCH else self._applied(a, value)
            changed = replace_object(self.tools, a, new) or changed
        return changed

    @staticmethod
    def _patched(a: Attributes, value: Any) -> Obj:
        if not isinstance(value, list):
            raise CelError("type mismatch: JSONPatchType.expression should evaluate to array")
        operations = []
        for item in value:
            if not isinstance(item, Struct) or item.type_name != "JSONPatch":
                raise CelError("type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch")
            operations.append({key: plain(field) for key, field in item.items()})
        try:
            patched: Obj = apply_json_patch(a.obj, operations)
        except PatchError as error:
            raise CelError(f"JSON Patch: {error}") from error
        return patched

    def _applied(self, a: Attributes, value: Any) -> Obj:
        if not isinstance(value, dict):
            raise CelError("unsupported return type from ApplyConfiguration expression")
        configuration = plain(value)
        shape = shape_of(served_of(self.tools, a).node)
        try:
            typed.validate(configuration, shape)
        except typed.TypeErrors as error:
            raise CelError(f"error applying patch: invalid ApplyConfiguration: {error}") from error
        merged: Obj = typed.merge(a.obj, configuration, shape)
        return merged
