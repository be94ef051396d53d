"""Values against schemas: every constraint with upstream's text, nullable and alternatives, ratcheting."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.extensions import values
from apiserver.extensions.structure import list_errors
from kubepy.api.errors import Cause

STRING = {"type": "string"}


def messages(schema: dict[str, Any], value: Any, old: Any = values.NO_OLD, path: str = "spec") -> list[str]:
    return [f"{e.field}: {e.message}" for e in values.validate(values.compile_schema(schema), value, old, path)]


@pytest.mark.parametrize(
    ("schema", "good", "bad", "text"),
    [
        ({"type": "integer"}, 1, "x", 'Invalid value: "string": spec in body must be of type integer: "string"'),
        ({"type": "number"}, 2, True, 'Invalid value: "boolean": spec in body must be of type number: "boolean"'),
        ({**STRING, "nullable": True}, None, 1, 'Invalid value: "integer": spec in body must be of type string: "integer"'),
        ({**STRING, "minLength": 2}, "äö", "ä", 'Invalid value: "ä": spec in body should be at least 2 chars long'),
        ({**STRING, "maxLength": 2}, "äö", "abc", "Too long: may not be more than 2 bytes"),
        ({**STRING, "pattern": "^a+$"}, "aa", "b", "Invalid value: \"b\": spec in body should match '^a+$'"),
        ({**STRING, "enum": ["a", "b"]}, "a", "c", 'Unsupported value: "c": supported values: "a", "b"'),
        ({**STRING, "format": "ipv4"}, "10.0.0.1", "x", 'Invalid value: "x": spec in body must be of type ipv4: "x"'),
        ({**STRING, "format": "nonsense"}, "anything", None, None),
        ({"type": "integer", "minimum": 2}, 2, 1, "Invalid value: 1: spec in body should be greater than or equal to 2"),
        ({"type": "integer", "minimum": 2, "exclusiveMinimum": True}, 3, 2, "Invalid value: 2: spec in body should be greater than 2"),
        ({"type": "number", "maximum": 0.5}, 0.5, 0.6, "Invalid value: 0.6: spec in body should be less than or equal to 0.5"),
        ({"type": "number", "multipleOf": 0.01}, 0.07, 0.071, "Invalid value: 0.071: spec in body should be a multiple of 0.01"),
        ({"type": "array", "minItems": 1}, [1], [], "Invalid value: 0: spec in body should have at least 1 items"),
        ({"type": "array", "maxItems": 1}, [1], [1, 2], "Too many: 2: must have at most 1 item"),
        ({"type": "object", "required": ["a"]}, {"a": 1}, {}, "a: Required value"),
        ({"type": "object", "minProperties": 1}, {"a": 1}, {}, "Invalid value: 0: spec in body should have at least 1 properties"),
        ({"type": "object", "maxProperties": 1}, {"a": 1}, {"a": 1, "b": 1}, "Too many: 2: must have at most 1 item"),
    ],
)  # fmt: skip
def test_constraints(schema: dict[str, Any], good: Any, bad: Any, text: str | None) -> None:
    assert messages(schema, good) == []
    if text is not None:
        (found,) = messages(schema, bad)
        assert found.endswith(text), found


@pytest.mark.parametrize(("form", "text", "given"), [("", "integer", "number"), ("int32", "int32", "float64")])
def test_integers_are_whole(form: str, text: str, given: str) -> None:
    schema = {"type": "integer", **({"format": form} if form else {})}
    assert messages(schema, 2.0) == []
    type_error, range_error = messages(schema, 2.5)
    assert range_error.startswith('<nil>: Invalid value: "": Checked value must be of type integer ')
    assert type_error == f'spec: Invalid value: "{given}": spec in body must be of type {text}: "{given}"'


def test_paths_lead_to_the_value() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "integer"}}}},
    }
    (found,) = messages(schema, {"a": [{"x": 1}, {"y": "no"}]})
    assert found.startswith('spec.a[1].y: Invalid value: "string": spec.a[1].y in body must be of type integer')


@pytest.mark.parametrize(
    ("word", "good", "bad"),
    [("anyOf", [1, 20], [7]), ("oneOf", [1], [20, 7]), ("allOf", [], [1, 7]), ("not", [7], [])],
)
def test_alternatives(word: str, good: list[int], bad: list[int]) -> None:
    options = [{"maximum": 5}, {"minimum": 10}] if word != "oneOf" else [{"maximum": 5}, {"minimum": 10}, {"minimum": 15}]
    schema = {"type": "integer", word: options if word != "not" else {"maximum": 5}}
    assert all(messages(schema, v) == [] for v in good)
    assert all(messages(schema, v) != [] for v in bad)


def test_an_error_that_was_there_before_is_let_pass() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 5}, "b": STRING}}
    assert messages(schema, {"a": 9, "b": "new"}, {"a": 9, "b": "old"}) == []
    assert messages(schema, {"a": 8, "b": "old"}, {"a": 9, "b": "old"}) != []


def test_items_of_maps_are_compared_by_their_keys() -> None:
    item = {"type": "object", "properties": {"name": STRING, "n": {"type": "integer", "maximum": 5}}}
    schema = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    old = [{"name": "a", "n": 9}, {"name": "b", "n": 1}]
    assert messages(schema, [{"name": "b", "n": 2}, {"name": "a", "n": 9}], old) == []
    assert messages({**schema, "x-kubernetes-list-type": "atomic"}, [{"name": "b", "n": 2}, {"name": "a", "n": 9}], old) != []


def test_sets_and_maps_have_no_duplicates() -> None:
    numbers = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "integer"}}
    (found,) = list_errors([1, 2, 1], numbers, "spec")
    assert (found.cause, found.field, found.message) == (Cause.DUPLICATE, "spec[2]", "Duplicate value: 1")
    named = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"], "items": {"type": "object"}}
    (found,) = list_errors([{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 1}], named, "spec")
    assert (found.field, found.message) == ("spec[2]", 'Duplicate value: {"a":1,"b":1}')


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "number", "maximum": 5.5}, 6, "Invalid value: 6: x in body should be less than or equal to 5"),
        ({"type": "number", "maximum": 5.5}, 6.5, "Invalid value: 6.5: x in body should be less than or equal to 5.5"),
        ({"type": "number", "maximum": 1e7}, 1e8 + 0.5, "Invalid value: 1.000000005e+08: x in body should be less than or equal to 1e+07"),
        ({"type": "number", "multipleOf": 0.5}, 6, "Invalid value: 0: factor MultipleOf declared for x must be positive: 0"),
        ({"type": "number", "multipleOf": 0.5}, 1e22, "Invalid value: 1e+22: x in body should be a multiple of 0.5"),
        ({"type": "string"}, 1 << 63, 'Invalid value: "number": x in body must be of type string: "number"'),
    ],
)
def test_numbers_are_integers_or_floats(schema: dict[str, Any], value: float, message: str) -> None:
    assert messages(schema, value, path="x") == [f"x: {message}"]


@pytest.mark.parametrize(("value", "fits"), [(7.0, True), (7.5, False), (1e30, False), (2**63, False), (float(2**62), True)])
def test_numbers_that_are_integers(value: float, fits: bool) -> None:
    assert (not messages({"type": "integer"}, value)) == fits
