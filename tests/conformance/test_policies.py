"""[sig-api-machinery] ValidatingAdmissionPolicy and MutatingAdmissionPolicy."""

from __future__ import annotations

from typing import Any

from tests.conformance.plane import Obj, Plane, meta, unique, until, workload

GROUP = "admissionregistration.k8s.io"
RULE = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"]}


def policy(plane: Plane, ns: str, kind: str, binding: Obj, **spec: Any) -> str:
    """A policy and its binding for the test's namespace."""
    name = unique("policy") + ".example.com"
    plural = f"{kind}admissionpolicies.{GROUP}"
    constraints = {"resourceRules": [RULE], "namespaceSelector": {"matchLabels": {"e2e-run": ns}}}
    plane.create(plural, {"metadata": meta(name), "spec": {"failurePolicy": "Fail", "matchConstraints": constraints, **spec}})
    plane.create(f"{kind}admissionpolicybindings.{GROUP}", {"metadata": meta(name), "spec": {"policyName": name, **binding}})
    return name


def remove(plane: Plane, kind: str, name: str) -> None:
    plane.delete(f"{kind}admissionpolicybindings.{GROUP}", name)
    plane.delete(f"{kind}admissionpolicies.{GROUP}", name)


def refused(plane: Plane, ns: str, obj: Obj) -> Obj:
    """The refusal, as soon as the policy is in force."""

    def attempt() -> Any:
        answer = plane.http.post(f"/apis/apps/v1/namespaces/{ns}/deployments", params={"dryRun": "All"}, json=obj)
        return answer.json() if answer.status_code == 422 else None

    found: Obj = until(attempt)
    return found


def test_validates_a_deployment(plane: Plane, ns: str) -> None:
    validation = [{"expression": "object.spec.replicas > 1",
                   "messageExpression": "'wants replicas > 1, got ' + string(object.spec.replicas)"},
                  {"expression": "namespaceObject.metadata.name == '" + ns + "'", "message": "other namespace"}]  # fmt: skip
    name = policy(plane, ns, "validating", {"validationActions": ["Deny"]}, validations=validation)
    got = refused(plane, ns, workload("Deployment", "one", 1))
    assert f"ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: wants replicas > 1, got 1" in got["message"]
    plane.create("deployments.apps", workload("Deployment", "two", 2), ns)
    plane.until(f"validatingadmissionpolicies.{GROUP}", name, "", lambda o: o.get("status", {}).get("observedGeneration") == 1)
    remove(plane, "validating", name)


def test_expressions_refer_to_variables(plane: Plane, ns: str) -> None:
    variables = [
        {"name": "replicas", "expression": "object.spec.replicas"},
        {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
    ]
    validation = [{"expression": "variables.replicas > 1"}, {"expression": "variables.oddReplicas"}]
    name = policy(plane, ns, "validating", {"validationActions": ["Deny"]}, variables=variables, validations=validation)
    got = refused(plane, ns, workload("Deployment", "even", 2))
    assert "failed expression: variables.oddReplicas" in got["message"]
    plane.create("deployments.apps", workload("Deployment", "odd", 3), ns)
    remove(plane, "validating", name)


def test_mutates_deployments(plane: Plane, ns: str) -> None:
    apply = {"patchType": "ApplyConfiguration", "applyConfiguration": {
        "expression": "Object{spec: Object.spec{replicas: object.spec.replicas + 10}}"}}  # fmt: skip
    annotate = {"patchType": "JSONPatch", "jsonPatch": {
        "expression": "[JSONPatch{op: 'add', path: '/metadata/annotations', value: {'my-foo': 'my-value'}}]"}}  # fmt: skip
    name = policy(plane, ns, "mutating", {}, reinvocationPolicy="Never", mutations=[apply, annotate])

    def mutated() -> Any:
        got = plane.create("deployments.apps", workload("Deployment", "d", 1), ns, dryRun="All")
        return got if got["spec"]["replicas"] == 11 else None

    assert until(mutated)["metadata"]["annotations"] == {"my-foo": "my-value"}
    remove(plane, "mutating", name)
