"""Which kinds a policy is checked against, and the warnings, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.policystatus import schemas, typecheck
from kubepy.api import kinds

Obj = dict[str, Any]
DEPLOYMENT = ("apps", "v1", "Deployment")
NEWS = "found no matching overload for"


def rule(group: str, version: str, *resources: str) -> Obj:
    return {"apiGroups": [group], "apiVersions": [version], "resources": list(resources), "operations": ["*"]}


def policy(*rules: Obj, **spec: Any) -> Obj:
    return {"metadata": {"name": "p"}, "spec": {"matchConstraints": {"resourceRules": list(rules)}, **spec}}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], []),
        ([rule("apps", "v1", "deployments")], [DEPLOYMENT]),
        ([rule("apps", "v1", "deployments"), rule("", "v1", "pods")], [("", "v1", "Pod"), DEPLOYMENT]),
        ([rule("apps", "v1", "*")], []),
        ([rule("apps", "v1", "deployments/scale", "deployments/*")], []),
        ([rule("apps", "*", "deployments"), rule("apps", "v1", "deployments")], [DEPLOYMENT]),
        ([rule("*", "v1", "deployments")], []),
        ([rule("apps", "v9", "deployments")], []),
        # No group is any group.
        ([rule("", "v1", "events")], [("", "v1", "Event"), ("events.k8s.io", "v1", "Event")]),
    ],
)
def test_kinds(rules: list[Obj], expected: list[Any]) -> None:
    assert typecheck.kinds_to_check(policy(*rules), kinds.RESOURCES) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [([rule("apps", "v1", "deployments", "boxes")], True), ([rule("apps", "v1", "deployments", "*")], False), ([], False)],
)
def test_names_that_may_be_new(rules: list[Obj], expected: bool) -> None:
    assert typecheck.names_unknown(policy(*rules), kinds.RESOURCES) is expected


def test_kinds_are_limited() -> None:
    plurals = [r.plural for r in kinds.RESOURCES if r.group == "" and r.version == "v1"]
    assert len(typecheck.kinds_to_check(policy(rule("", "v1", *plurals)), kinds.RESOURCES)) <= typecheck.MAX_TYPES


def document(properties: Obj, **more: Obj) -> Obj:
    root = {
        "type": "object", "properties": properties,
        "x-kubernetes-group-version-kind": [{"group": "apps", "version": "v1", "kind": "Deployment"}],
    }  # fmt: skip
    return {"components": {"schemas": {"Deployment": root, **more}}}


def warnings(properties: Obj, params: bool = False, **spec: Any) -> list[Obj]:
    found = schemas.type_of(document(properties), DEPLOYMENT, "Deployment0")
    assert found is not None
    checked = policy(**spec, **({"paramKind": {"apiVersion": "v1", "kind": "Any"}} if params else {}))
    return typecheck.check(checked, [(DEPLOYMENT, found)], found if params else None)


def validate(*expressions: str) -> Obj:
    return {"validations": [{"expression": e} for e in expressions]}


STRING, INT = {"foo": {"type": "string"}}, {"foo": {"type": "integer", "format": "int64"}}


def test_the_text_of_a_warning() -> None:
    assert warnings({}, **validate("object.foo == 'bar'")) == [{
        "fieldRef": "spec.validations[0].expression",
        "warning": "apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'foo'\n | object.foo == 'bar'\n | ......^\n",
    }]  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "spec", "expected"),
    [
        (STRING, validate("object.foo == 'bar'"), {}),
        (INT, validate("object.foo == 'bar'"), {"[0].expression": f"{NEWS} '_==_' applied to '(int, string)'"}),
        (STRING, validate("object.foo == 'bar'", "oldObject.bar == ''"), {"[1].expression": "undefined field 'bar'"}),
        (
            STRING, {"validations": [{"expression": "true", "messageExpression": "object.foo + 114514"}]},
            {"[0].messageExpression": f"{NEWS} '_+_' applied to '(string, int)'"},
        ),
        (STRING, validate("params == null"), {"[0].expression": "undeclared reference to 'params'"}),
        (STRING, validate("authorizer.group('').resource('endpoints').check('create').allowed()"), {}),
        (
            STRING, validate("authorizer.allowed()"),
            {"[0].expression": f"{NEWS} 'allowed' applied to 'kubernetes.authorization.Authorizer.()'"},
        ),
        (STRING, {"variables": [{"name": "works", "expression": "true"}], **validate("variables.works")}, {}),
        (
            STRING, {"variables": [{"name": "works", "expression": "true"}], **validate("variables.nonExisting")},
            {"[0].expression": "undefined field 'nonExisting'"},
        ),
        (
            INT, {"variables": [{"name": "name", "expression": "'a'"}], **validate("variables.name == object.foo")},
            {"[0].expression": f"{NEWS} '_==_' applied to '(string, int)'"},
        ),
        # A variable that is wrong itself may be anything.
        (INT, {"variables": [{"name": "name", "expression": "object.foo == 'a'"}], **validate("variables.name == object.foo")}, {}),
        # A later variable is not known to an earlier one, which therefore is dynamic.
        (
            INT,
            {
                "variables": [{"name": "a", "expression": "variables.b"}, {"name": "b", "expression": "1"}],
                **validate("variables.b", "variables.a == 'x'", "variables.b == 'x'"),
            },
            {"[2].expression": f"{NEWS} '_==_' applied to '(int, string)'"},
        ),
        (STRING, validate("request.userInfo.groups.exists(g, g == 'dev')", "request.x == ''"), {"[1].expression": "undefined field 'x'"}),
        (STRING, validate("namespaceObject.status.phase == ''", "namespaceObject.spec.x"), {"[1].expression": "undefined field 'x'"}),
        ({"port": {"format": "int-or-string"}}, validate("object.port == 1 || object.port == 'a'"), {}),
    ],
)  # fmt: skip
def test_warnings(properties: Obj, spec: Obj, expected: dict[str, str]) -> None:
    found = {w["fieldRef"].removeprefix("spec.validations"): w["warning"] for w in warnings(properties, **spec)}
    assert found.keys() == expected.keys()
    for field, text in expected.items():
        assert text in found[field]


def test_params_are_typed_like_objects() -> None:
    (warning,) = warnings(STRING, params=True, **validate("object.foo == params.bar"))
    assert "undefined field 'bar'" in warning["warning"]


def test_params_of_an_unknown_kind_may_be_anything() -> None:
    found = schemas.type_of(document(STRING), DEPLOYMENT, "Deployment0")
    assert found is not None
    spec = {"paramKind": {"apiVersion": "example.com/v1", "kind": "Gone"}, **validate("params.any.thing == object.foo")}
    assert typecheck.check(policy(**spec), [(DEPLOYMENT, found)], None) == []
    assert typecheck.param_kind(policy(**spec)) == ("example.com", "v1", "Gone")


def test_references_are_followed_but_not_around() -> None:
    node = {"type": "object", "properties": {"name": {"type": "string"}, "below": {"allOf": [{"$ref": "#/components/schemas/Node"}]}}}
    properties = {
        "tree": {"$ref": "#/components/schemas/Node"}, "kind": {"type": "string"}, "apiVersion": {"type": "string"},
        "metadata": {"type": "object", "properties": {key: {"type": "string"} for key in ("name", "generateName", "uid")}},
    }  # fmt: skip
    found = schemas.type_of(document(properties, Node=node), DEPLOYMENT, "Deployment0")
    assert found is not None
    checked = policy(**validate("object.tree.name == ''", "object.tree.below.name == ''", "object.metadata.uid == ''"))
    assert [w["fieldRef"] for w in typecheck.check(checked, [(DEPLOYMENT, found)], None)] == ["spec.validations[1].expression"]
    assert found.fields["tree"].type.name == "Deployment0.tree"


def test_an_unknown_kind_has_no_type() -> None:
    assert schemas.type_of(document({}), ("apps", "v1", "Other"), "Other0") is None
