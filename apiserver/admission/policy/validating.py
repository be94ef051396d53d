"""ValidatingAdmissionPolicy: expressions that must hold; what fails is refused, warned about or noted for the audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.admission.expressions import Expression, Scope
from apiserver.admission.interface import Attributes, Tools
from apiserver.admission.matching import is_exempt
from apiserver.admission.plugin import BasePlugin, deny
from apiserver.admission.policy.definitions import Binding, ConfigError, Policies, Policy
from apiserver.context import Obj
from kubepy.api.cel.values import CelError, type_name
from kubepy.api.errors import Forbidden
from kubepy.api.kinds import Resource

_CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413, "Invalid": 422}
_MAX_MESSAGE = 5 * 1024
_MAX_ANNOTATION = 10 * 1024
_FAILURE_KEY = "validation.policy.admission.k8s.io/validation_failure"


@dataclass(frozen=True, slots=True)
class _Validation:
    expression: Expression
    message: str
    message_expression: Expression | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Denial:
    policy: Policy
    binding: Binding | None
    message: str
    reason: str = ""

    def error(self, a: Attributes) -> Forbidden:
        """The answer, in the words and with the code the policy wants."""
        by = f" with binding '{self.binding.name}'" if self.binding else ""
        text = f"ValidatingAdmissionPolicy '{self.policy.name}'{by} denied request: {self.message}"
        plain = deny(a, text)
        reason = self.reason or "Invalid"
        details = {**(plain.details or {}), "causes": [{"message": text}]}
        return Forbidden(plain.message, details=details, reason=reason, code=_CODES.get(reason, 422))


def _compile(spec: Obj) -> tuple[list[_Validation], list[tuple[str, Expression]]]:
    validations = [
        _Validation(
            Expression.of(v.get("expression", "")),
            v.get("message", ""),
            Expression.of(v["messageExpression"]) if v.get("messageExpression") else None,
            v.get("reason", ""),
        )
        for v in spec.get("validations") or ()
    ]
    return validations, [(n["key"], Expression.of(n.get("valueExpression", ""))) for n in spec.get("auditAnnotations") or ()]


class ValidatingAdmissionPolicy(BasePlugin):
    """Upstream: pkg/admission/plugin/policy/validating."""

    name = "ValidatingAdmissionPolicy"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._policies = Policies(tools, "validatingadmissionpolicies", "validatingadmissionpolicybindings", _compile)

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Everything but the configuration of admission itself."""
        return not is_exempt(resource)

    def handles(self, a: Attributes) -> bool:
        """Only where a bound policy's rules name such a request."""
        return any(p.match.covers(a.operation, a.resource, a.subresource) for p in self._policies.all())

    async def validate(self, a: Attributes) -> None:
        """Raises Forbidden with the policy's reason and code."""
        denials: list[_Denial] = []
        failures: list[Obj] = []
        scope: Scope | None = None
        for policy, bindings in self._policies.matching(a):
            scope = scope or Scope(self.tools, a)
            notes: dict[str, list[str]] = {}
            for binding in bindings:
                try:
                    params = self._policies.params(policy, binding, a)
                except ConfigError as error:
                    if policy.fails_closed:
                        denials.append(_Denial(policy, binding, str(error)))
                    continue
                for param in params:
                    for number, message, reason in self._evaluate(policy, scope, param, notes):
                        self._act(a, policy, binding, number, message, reason, denials, failures)
            for key, values in notes.items():
                a.ctx.audit[f"{policy.name}/{key}"] = ", ".join(values)
        if failures:
            a.ctx.audit[_FAILURE_KEY] = orjson.dumps(failures[:50]).decode()
        if denials:
            raise denials[0].error(a)

    @staticmethod
    def _act(
        a: Attributes, policy: Policy, binding: Binding, number: int, message: str, reason: str,
        denials: list[_Denial], failures: list[Obj],
    ) -> None:  # fmt: skip
        actions = binding.obj["spec"].get("validationActions") or ()
        for action in actions:
            if action == "Deny":
                denials.append(_Denial(policy, binding, message, reason))
            elif action == "Warn":
                by = f"ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}'"
                a.ctx.warn(f"Validation failed for {by}: {message}")
            elif action == "Audit":
                failure = {"message": message, "policy": policy.name, "binding": binding.name, "expressionIndex": number}
                failures.append({**failure, "validationActions": list(actions)})

    def _evaluate(self, policy: Policy, scope: Scope, param: Obj | None, notes: dict[str, list[str]]) -> list[tuple[int, str, str]]:
        """(index, message, reason) of what fails; errors count where the policy fails closed. Adds audit annotations to `notes`."""
        variables, budget = scope.bind(param, policy.variables)
        try:
            if policy.conditions and not policy.conditions.match(variables, budget):
                return []
        except CelError as error:
            return [(0, str(error), "")] if policy.fails_closed else []
        validations, annotations = policy.extra
        out: list[tuple[int, str, str]] = []
        for number, validation in enumerate(validations):
            try:
                if validation.expression.eval(variables, budget) is not True:
                    out.append((number, _message(validation, variables, budget), validation.reason or "Invalid"))
            except CelError as error:
                if policy.fails_closed:
                    out.append((number, str(error), ""))
        for key, expression in annotations:
            try:
                value = expression.eval(variables, budget)
                if value is not None and not isinstance(value, str):
                    kind = type_name(value)
                    raise CelError(
                        f"valueExpression '{expression.source}' resulted in unsupported return type: {kind}. "
                        "Return type must be either string or null."
                    )
            except CelError as error:
                if policy.fails_closed:
                    out.append((0, str(error), ""))
                continue
            text = (value or "").strip()[:_MAX_ANNOTATION]
            if text and text not in notes.setdefault(key, []):
                notes[key].append(text)
        return out


def _message(validation: _Validation, variables: dict[str, Any], budget: list[int]) -> str:
    text = ""
    if validation.message_expression is not None:
        try:
            value = validation.message_expression.eval(variables, budget)
        except CelError:
            value = ""  # the static message, or the expression, says it instead
        text = value.strip() if isinstance(value, str) else ""
        if len(text) > _MAX_MESSAGE or "\n" in text:
            text = ""
    return text or validation.message.strip() or f"failed expression: {validation.expression.source.strip()}"
