"""Type checking of ValidatingAdmissionPolicies against the kinds that a real server describes, custom ones included."""

from __future__ import annotations

from typing import Any

from kubepy.client import Client
from tests.integration.controllers.conftest import until

Obj = dict[str, Any]
POLICIES = "validatingadmissionpolicies.admissionregistration.k8s.io"


def policy(name: str, group: str, version: str, plural: str, *expressions: str) -> Obj:
    rule = {"apiGroups": [group], "apiVersions": [version], "resources": [plural], "operations": ["CREATE"]}
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": e} for e in expressions]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec,
    }  # fmt: skip


def checked(obj: Obj) -> bool:
    return bool(obj.get("status", {}).get("observedGeneration") == obj["metadata"]["generation"])


async def test_a_policy_for_a_built_in_kind(client: Client) -> None:
    right, wrong = "object.spec.replicas > 1 && object.spec.template.spec.containers.all(c, c.image != '')", "object.spec.replicas > '1'"
    made = policy("t-built-in", "apps", "v1", "deployments", right, wrong, "object.metadata.uid == ''")
    await client.create(POLICIES, made)
    found = await until(client, POLICIES, "t-built-in", None, checked)
    (warning,) = found["status"]["typeChecking"]["expressionWarnings"]
    assert warning["fieldRef"] == "spec.validations[1].expression"
    assert warning["warning"].startswith("apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to")
    await client.patch(POLICIES, "t-built-in", {"spec": {"validations": [{"expression": right}]}})
    found = await until(client, POLICIES, "t-built-in", None, checked)
    assert not found["status"].get("typeChecking")
    await client.delete(POLICIES, "t-built-in")


async def test_a_right_policy_has_been_checked(client: Client) -> None:
    await client.create(POLICIES, policy("t-right", "apps", "v1", "deployments", "object.spec.replicas > 1"))
    found = await until(client, POLICIES, "t-right", None, checked)
    # Present and empty: that is how clients know that there is nothing to say.
    assert found["status"] == {"observedGeneration": 1, "typeChecking": {}}
    await client.delete(POLICIES, "t-right")


async def test_confused_types_in_a_message(client: Client) -> None:
    made = policy("t-confused", "apps", "v1", "deployments", "object.spec.replicas > '1'")
    made["spec"]["validations"][0]["messageExpression"] = "'wants replicas > 1, got ' + object.spec.replicas"
    await client.create(POLICIES, made)
    found = await until(client, POLICIES, "t-confused", None, checked)
    warnings = {w["fieldRef"]: w["warning"] for w in found["status"]["typeChecking"]["expressionWarnings"]}
    assert list(warnings) == ["spec.validations[0].expression", "spec.validations[0].messageExpression"]
    assert "found no matching overload for '_>_' applied to '(int, string)'" in warnings["spec.validations[0].expression"]
    assert "found no matching overload for '_+_' applied to '(string, int)'" in warnings["spec.validations[0].messageExpression"]
    await client.delete(POLICIES, "t-confused")


async def test_a_policy_for_a_custom_kind(client: Client) -> None:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "boxes.t.example.com"},
        "spec": {
            "group": "t.example.com", "scope": "Namespaced", "names": {"plural": "boxes", "singular": "box", "kind": "Box"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }  # fmt: skip
    definitions = "customresourcedefinitions.apiextensions.k8s.io"
    await client.create(definitions, crd)
    await until(
        client, definitions, "boxes.t.example.com", None,
        lambda c: any(x["type"] == "Established" and x["status"] == "True" for x in c.get("status", {}).get("conditions") or ()),
    )  # fmt: skip
    await client.create(POLICIES, policy("t-custom", "t.example.com", "v1", "boxes", "object.spec.size > 1", "object.spec.colour == 'red'"))
    found = await until(client, POLICIES, "t-custom", None, checked)
    (warning,) = found["status"]["typeChecking"]["expressionWarnings"]
    assert warning["fieldRef"] == "spec.validations[1].expression"
    assert "t.example.com/v1, Kind=Box: ERROR: <input>:1:12: undefined field 'colour'" in warning["warning"]
    await client.delete(POLICIES, "t-custom")
    await client.delete(definitions, "boxes.t.example.com")
