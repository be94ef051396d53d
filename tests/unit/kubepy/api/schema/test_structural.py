"""Custom resources: pruning, defaulting, metadata."""

from __future__ import annotations

from typing import Any

import pytest

from kubepy.api.schema.scalars import DecodeError
from kubepy.api.schema.structural import StructuralDecoder, node_of

Schema = dict[str, Any]


def decoder(properties: Schema, **more: Any) -> StructuralDecoder:
    return StructuralDecoder(node_of({"type": "object", "properties": {"spec": {"type": "object", "properties": properties, **more}}}))


def spec_of(properties: Schema, value: Any, **more: Any) -> Any:
    return decoder(properties, **more).decode({"spec": value}).obj.get("spec")


@pytest.mark.parametrize(
    ("properties", "value", "expected"),
    [
        ({"a": {"type": "string"}}, {"a": "x", "b": 1}, {"a": "x"}),
        ({"a": {"type": "integer", "default": 3}}, {}, {"a": 3}),
        ({"a": {"type": "integer", "default": 3}}, {"a": None}, {"a": 3}),
        ({"a": {"type": "integer", "default": 3, "nullable": True}}, {"a": None}, {"a": None}),
        ({"a": {"type": "integer"}}, {"a": None}, {}),
        ({"a": {"type": "integer"}}, {"a": "wrong"}, {"a": "wrong"}),
        ({"a": {"type": "object", "default": {}, "properties": {"b": {"type": "string", "default": "c"}}}}, {}, {"a": {"b": "c"}}),
        ({"a": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}, {"a": {"b": {"c": 1.0}}}, {"a": {"b": {"c": 1}}}),
        (
            {"a": {"type": "object", "additionalProperties": {"type": "object", "properties": {"x": {"type": "string"}}}}},
            {"a": {"k": {"x": "1", "y": 2}}},
            {"a": {"k": {"x": "1"}}},
        ),
        (
            {"a": {"type": "array", "items": {"type": "object", "properties": {"x": {}}}}},
            {"a": [{"x": 1, "y": 2}, 3]},
            {"a": [{"x": 1}, 3]},
        ),
        ({"a": {"x-kubernetes-int-or-string": True}}, {"a": "50%"}, {"a": "50%"}),
    ],
)
def test_pruning_and_defaulting(properties: Schema, value: Any, expected: Any) -> None:
    assert spec_of(properties, value) == expected


def test_unknown_paths_are_sorted_with_metadata_first() -> None:
    d = decoder({"l": {"type": "array", "items": {"type": "object", "properties": {}}}, "m": {"type": "object"}})
    found = d.decode({"apiVersion": "e/v1", "kind": "W", "metadata": {"zzz": 1}, "spec": {"m": {"q": 1}, "l": [{"x": 1}], "a": 1}})
    assert found.unknown == ["metadata.zzz", "spec.a", "spec.l[0].x", "spec.m.q"]
    assert found.obj == {"kind": "W", "apiVersion": "e/v1", "metadata": {}, "spec": {"m": {}, "l": [{}]}}


def test_metadata_must_be_well_formed() -> None:
    with pytest.raises(DecodeError, match=r"^json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string$"):
        decoder({}).decode({"metadata": {"labels": {"a": 1}}})


EMBEDDED = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}


@pytest.mark.parametrize(
    ("properties", "value", "message"),
    [
        (
            {"t": EMBEDDED}, {"t": {"metadata": {"labels": {"a": 1}}}},
            'spec.t.metadata: Invalid value: {"labels":{"a":1}}: '
            "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string",
        ),
        ({"t": EMBEDDED}, {"t": {"kind": 1}}, "spec.t.kind: Invalid value: 1: must be a string"),
        (
            {"l": {"type": "array", "items": EMBEDDED}}, {"l": [{}, {"kind": 1}]},
            "spec.l[1].kind: Invalid value: 1: must be a string",
        ),
        (
            {"m": {"type": "object", "additionalProperties": EMBEDDED}}, {"m": {"k": {"kind": 1}}},
            "spec.m[k].kind: Invalid value: 1: must be a string",
        ),
    ],
)  # fmt: skip
def test_embedded_resources(properties: Schema, value: Any, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decoder(properties).decode({"spec": value})
    assert str(caught.value) == message


def test_embedded_metadata_is_normalised() -> None:
    value = {"t": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "creationTimestamp": None, "x": 1}, "free": 1}}
    found = decoder({"t": EMBEDDED}).decode({"spec": value})
    assert found.obj["spec"]["t"] == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "free": 1}
    assert found.unknown == ["spec.t.metadata.x"]


def test_nothing_is_pruned_when_the_definition_preserves() -> None:
    node = node_of({"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}}})
    found = StructuralDecoder(node, preserve_unknown=True).decode({"spec": {"a": "x", "b": [{"c": 1}]}, "d": 1})
    assert found.obj == {"spec": {"a": "x", "b": [{"c": 1}]}, "d": 1} and found.unknown == []


def test_no_schema_prunes_everything_but_metadata() -> None:
    assert StructuralDecoder(node_of(None)).decode({"metadata": {"name": "a"}, "spec": {}}).obj == {"metadata": {"name": "a"}}


def test_defaults_are_not_shared() -> None:
    properties = {"a": {"type": "array", "items": {"type": "string"}, "default": ["x"]}}
    d = decoder(properties)
    d.decode({"spec": {}}).obj["spec"]["a"].append("y")
    assert d.decode({"spec": {}}).obj["spec"]["a"] == ["x"]


def test_stored_objects_are_completed() -> None:
    d = decoder({"a": {"type": "integer", "default": 1}})
    stored = {"apiVersion": "e/v1", "kind": "W", "metadata": {"name": "a", "any": 1}, "spec": {"old": 1}}
    assert d.complete(stored) == {"kind": "W", "apiVersion": "e/v1", "metadata": {"name": "a", "any": 1}, "spec": {"a": 1}}
