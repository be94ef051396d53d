"""Policies in CEL: what they refuse, warn about, annotate and change; parameters, conditions and failures."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.middleware.authz.chain import AlwaysDeny, Chain
from kubepy.api.errors import Forbidden
from tests.support.admission import Bench, named

GROUP = "admissionregistration.k8s.io"
RULES = {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]}


def validating(actions: list[str], binding: dict[str, Any] | None = None, **spec: Any) -> list[tuple[str, str, Any]]:
    policy = named("p", spec={"matchConstraints": RULES, **spec})
    bound = named("b", spec={"policyName": "p", "validationActions": actions, **(binding or {})})
    return [(GROUP, "validatingadmissionpolicies", policy), (GROUP, "validatingadmissionpolicybindings", bound)]


def mutating(*mutations: dict[str, Any], **spec: Any) -> list[tuple[str, str, Any]]:
    policy = named("p", spec={"matchConstraints": RULES, "mutations": list(mutations), **spec})
    return [
        (GROUP, "mutatingadmissionpolicies", policy),
        (GROUP, "mutatingadmissionpolicybindings", named("b", spec={"policyName": "p"})),
    ]


def patch(expression: str) -> dict[str, Any]:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


def config_map(name: str = "x", **more: Any) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", **named(name, "ns", **more)}


async def test_deny_with_reason_and_message_expression() -> None:
    validation = {"expression": "object.data.n == '1'", "messageExpression": "'n is ' + object.data.n", "reason": "Forbidden"}
    bench = Bench(*validating(["Deny"], validations=[validation]))
    await bench.create("configmaps", config_map(data={"n": "1"}))
    with pytest.raises(Forbidden) as caught:
        await bench.create("configmaps", config_map(data={"n": "2"}))
    text = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: n is 2"
    assert caught.value.message == f'configmaps "x" is forbidden: {text}'
    assert (caught.value.status_code, caught.value.status_reason) == (403, "Forbidden")
    assert (caught.value.details or {})["causes"] == [{"message": text}]


async def test_without_message_the_expression_speaks_and_the_code_is_422() -> None:
    bench = Bench(*validating(["Deny"], validations=[{"expression": " false "}]))
    with pytest.raises(Forbidden) as caught:
        await bench.create("configmaps", config_map())
    assert caught.value.message.endswith("denied request: failed expression: false")
    assert (caught.value.status_code, caught.value.status_reason) == (422, "Invalid")


async def test_warn_and_audit() -> None:
    annotations = [{"key": "who", "valueExpression": "request.userInfo.username"}]
    objects = validating(["Warn", "Audit"], validations=[{"expression": "false", "message": "no"}], auditAnnotations=annotations)
    _, ctx = await Bench(*objects).create("configmaps", config_map())
    assert ctx.warnings == ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no"]
    assert ctx.audit["p/who"] == "admin"
    assert '"expressionIndex":0' in ctx.audit["validation.policy.admission.k8s.io/validation_failure"]


@pytest.mark.parametrize(("policy", "refused"), [("Fail", True), ("Ignore", False)])
async def test_errors_follow_the_failure_policy(policy: str, refused: bool) -> None:
    bench = Bench(*validating(["Deny"], failurePolicy=policy, validations=[{"expression": "object.data.n == '1'"}]))
    if not refused:
        await bench.create("configmaps", config_map())
        return
    with pytest.raises(Forbidden, match="resulted in error: no such key: data"):
        await bench.create("configmaps", config_map())


async def test_conditions_variables_and_selectors_narrow_a_policy() -> None:
    spec = {
        "matchConditions": [{"name": "c", "expression": "object.metadata.name != 'exempt'"}],
        "variables": [{"name": "size", "expression": "size(object.data)"}, {"name": "big", "expression": "variables.size > 1"}],
        "validations": [{"expression": "!variables.big", "message": "too big"}],
    }
    bench = Bench(*validating(["Deny"], {"matchResources": {"objectSelector": {"matchLabels": {"checked": "yes"}}}}, **spec))
    data = {"data": {"a": "", "b": ""}}
    await bench.create("configmaps", config_map(**data))
    labelled = config_map(**data)
    labelled["metadata"]["labels"] = {"checked": "yes"}
    with pytest.raises(Forbidden, match="too big"):
        await bench.create("configmaps", labelled)
    labelled["metadata"]["name"] = "exempt"
    await bench.create("configmaps", labelled)


async def test_parameters() -> None:
    param_kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    ref = {"name": "limits", "namespace": "ns", "parameterNotFoundAction": "Deny"}
    validations = [{"expression": "size(object.data) <= int(params.data.max)", "message": "too many"}]
    bench = Bench(*validating(["Deny"], {"paramRef": ref}, paramKind=param_kind, validations=validations))
    with pytest.raises(Forbidden, match="no params found for policy binding with `Deny` parameterNotFoundAction"):
        await bench.create("configmaps", config_map(data={}))
    bench.lister.put("", "configmaps", config_map("limits", data={"max": "1"}))
    await bench.create("configmaps", config_map(data={"a": ""}))
    with pytest.raises(Forbidden, match="too many"):
        await bench.create("configmaps", config_map(data={"a": "", "b": ""}))


async def test_the_authorizer_and_the_namespace_can_be_asked() -> None:
    asked = "authorizer.group('').resource('secrets').namespace('ns').check('get').allowed()"
    validations = [{"expression": asked, "message": "no secrets"}, {"expression": "namespaceObject.metadata.name == 'ns'"}]
    bench = Bench(*validating(["Deny"], validations=validations), authorizer=Chain([]))
    await bench.create("configmaps", config_map())
    from apiserver.context import User

    bench = Bench(*validating(["Deny"], validations=validations), authorizer=Chain([AlwaysDeny()]))
    with pytest.raises(Forbidden, match="no secrets"):
        await bench.create("configmaps", config_map(), user=User("nobody"))


async def test_patches_one_after_the_other() -> None:
    objects = mutating(
        patch("[JSONPatch{op: 'add', path: '/metadata/labels', value: {'by': request.userInfo.username}}]"),
        patch("[JSONPatch{op: 'add', path: '/data', value: {'labels': string(size(object.metadata.labels))}}]"),
    )
    made, _ = await Bench(*objects).create("configmaps", config_map())
    assert made["metadata"]["labels"] == {"by": "admin"}
    assert made["data"] == {"labels": "1"}


async def test_a_failing_patch_is_refused() -> None:
    objects = mutating(patch("[JSONPatch{op: 'test', path: '/metadata/name', value: 'other'}]"))
    with pytest.raises(Forbidden, match="policy 'p' with binding 'b' denied request"):
        await Bench(*objects).create("configmaps", config_map())


async def test_policies_do_not_guard_themselves() -> None:
    everything = {"resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]}
    bench = Bench(*validating(["Deny"], matchConstraints=everything, validations=[{"expression": "false"}]))
    with pytest.raises(Forbidden):
        await bench.create("pods", named("x", "ns", spec={"containers": []}))
    await bench.create(f"validatingadmissionpolicies.{GROUP}", named("p2", spec={}))
