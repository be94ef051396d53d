from __future__ import annotations

from typing import Any

import pytest

from apiserver.rest.goyaml import YamlProblem, load_yaml


def test_yaml_is_json_with_comments() -> None:
    value, doubled = load_yaml(b"a: 2020-01-01\nb: yes\nc: {1: x}\nd: 1:30\n# remark\na: again\n")
    assert value == {"a": "again", "b": True, "c": {"1": "x"}, "d": "1:30"}
    assert doubled == ['line 6: key "a" already set in map']


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x1F", 31), ("012", 10), ("0o12", 10), ("0b11", 3), ("1_000", 1000), ("1e3", 1000), ("-.5", -0.5), ("+1", 1), ("08", 8),
        ("y", True), ("off", False), ("~", None), ("'1'", "1"), ("!!str 1", "1"), ("!!float 1", 1), ("!!binary YWI=", "ab"),
        ("!foo bar", "bar"), ("=", "="), ("12345678901234567890123", 12345678901234567890123.0),
    ],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    found = load_yaml(b"a: " + text.encode())[0]["a"]
    assert found == value
    assert type(found) is type(value)


def test_only_the_first_document_counts() -> None:
    assert load_yaml(b"---\na: b\n---\nc: d\n")[0] == {"a": "b"}
    assert load_yaml(b"") == (None, [])


def test_merges() -> None:
    assert load_yaml(b"p: &x {a: 1, b: 2}\nq: {<<: *x, b: 3}\n")[0]["q"] == {"a": 1, "b": 3}
    with pytest.raises(YamlProblem, match="map merge requires map"):
        load_yaml(b"<<: 1")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("not: [yaml", "yaml: line 1: did not find expected ',' or ']'"),
        ("a: b: c", "yaml: mapping values are not allowed in this context"),
        ("a: b\n  c: d\n", "yaml: line 2: mapping values are not allowed in this context"),
        ("a: &x\nb: *y\n", "yaml: unknown anchor 'y' referenced"),
        ("a: \x01", "yaml: control characters are not allowed"),
        ("a: !!int x", "yaml: cannot decode !!str `x` as a !!int"),
        ("a: .inf", "json: unsupported value: +Inf"),
        ("{[a]: b}", 'yaml: invalid map key: []interface {}{"a"}'),
        ("null: 4", "unsupported map key of type: %!s(<nil>), key: <nil>, value: 4"),
    ],
)
def test_problems(text: str, problem: str) -> None:
    with pytest.raises(YamlProblem) as e:
        load_yaml(text.encode())
    assert str(e.value) == problem


def test_aliases_that_stand_for_very_much_are_refused() -> None:
    levels = [f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]" for i in range(8)]
    bomb = "\n".join(["a: &a [x,x,x,x,x,x,x,x,x]", *levels])
    with pytest.raises(YamlProblem, match="document contains excessive aliasing"):
        load_yaml(bomb.encode())
    merged = "a: &a {b: 1}\nc: {<<: *a, d: *a}"
    assert load_yaml(merged.encode())[0] == {"a": {"b": 1}, "c": {"b": 1, "d": {"b": 1}}}
