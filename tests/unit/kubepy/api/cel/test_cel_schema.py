from __future__ import annotations

from typing import Any

import pytest

from kubepy.api.cel import types as t
from kubepy.api.cel.env import Environment
from kubepy.api.cel.issues import CompileError
from kubepy.api.cel.schema import declare, escape

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "when": {"type": "string", "format": "date-time"}, "data": {"type": "string", "format": "byte"},
                "ratio": {"type": "number"},
                "port": {"x-kubernetes-int-or-string": True}, "namespace": {"type": "string"}, "a-b.c": {"type": "integer"},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string", "maxLength": 5}, "maxItems": 10},
                "items": {
                    "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                    "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}},
                },
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        }
    },
}  # fmt: skip


def check(rule: str, value: Any, old: Any = None) -> Any:
    type_ = declare(SCHEMA, root=True)
    assert type_ is not None
    env = Environment({"self": type_, "oldSelf": type_})
    convert = type_.convert
    assert convert is not None
    return env.compile(rule).eval({"self": convert(value), "oldSelf": convert(old or value)})


@pytest.mark.parametrize(
    ("rule", "spec"),
    [
        ("self.spec.when < timestamp('2025-01-01T00:00:00Z')", {"when": "2024-01-01T00:00:00Z"}),
        ("self.spec.data == b'abc'", {"data": "YWJj"}),
        ("self.spec.ratio + 0.5 == 1.5", {"ratio": 1}),
        ("type(self.spec.port) == int ? self.spec.port < 5 : self.spec.port.endsWith('%')", {"port": "3%"}),
        ("self.spec.__namespace__ == 'x' && self.spec.a__dash__b__dot__c == 1", {"namespace": "x", "a-b.c": 1}),
        ("self.metadata.name == 'n'", {}),
        ("self.spec.tags == ['b', 'a'] || true", {"tags": ["a", "b"]}),
    ],
)
def test_values_take_their_declared_types(rule: str, spec: Any) -> None:
    assert check(rule, {"metadata": {"name": "n"}, "spec": spec}) is True


def test_sets_and_keyed_lists_compare_without_order() -> None:
    one = {"spec": {"tags": ["a", "b"], "items": [{"k": "x", "v": 1}, {"k": "y", "v": 2}]}}
    two = {"spec": {"tags": ["b", "a"], "items": [{"k": "y", "v": 2}, {"k": "x", "v": 1}]}}
    assert check("self.spec.tags == oldSelf.spec.tags && self.spec.items == oldSelf.spec.items", one, two) is True
    assert check("self.spec.tags + ['b', 'c'] == ['c', 'a', 'b'] || size(self.spec.tags + ['b', 'c']) == 3", one) is True


def test_what_rules_cannot_see() -> None:
    for rule in ("self.spec.free.x", "self.metadata.labels", "self.nope"):
        with pytest.raises(CompileError, match="undefined field"):
            check(rule, {})


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("a", "a"),
        ("a-b", "a__dash__b"),
        ("a__b", "a__underscores__b"),
        ("if", "__if__"),
        ("x/y.z", "x__slash__y__dot__z"),
        ("a b", None),
        ("1a", None),
    ],
)
def test_escaping(name: str, spelled: str | None) -> None:
    assert escape(name) == spelled


def test_costs_follow_declared_sizes() -> None:
    bounded = declare({"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 10}})
    unbounded = declare({"type": "array", "items": {"type": "string"}})
    assert bounded is not None
    assert unbounded is not None
    rule = "self.all(x, self.all(y, x == y))"
    low = Environment({"self": bounded}).compile(rule).cost.high
    high = Environment({"self": unbounded}).compile(rule).cost.high
    assert low < 10_000 < 10_000_000 < high
    assert Environment({"self": t.INT}).compile("self > 1").cost == (2, 2)
