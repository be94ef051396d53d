"""YAML to the letter of Go's library."""

from __future__ import annotations

import pytest
import yaml

from apiserver.rest.yamlout import to_yaml


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"), ("", '""'), ("1", '"1"'), ("0o7", '"0o7"'), ("1e3", '"1e3"'), ("1_000", '"1_000"'), ("no", '"no"'), ("y", '"y"'),
        ("tRUE", "tRUE"), ("~", '"~"'), ("<<", "<<"), ("2020-01-01", '"2020-01-01"'), ("2020-01-01T00:00:00Z", '"2020-01-01T00:00:00Z"'),
        ("1:30", '"1:30"'), ("1.2.3.4", "1.2.3.4"), ("10Gi", "10Gi"), ("- a", "'- a'"), ("a: b", "'a: b'"), ("a\tb", '"a\\tb"'),
        (True, "true"), (1, "1"), (None, "null"), ({}, "{}"), ([], "[]"), ("None", "None"), (".inf", '".inf"'), ("-", "'-'"),
    ],
)  # fmt: skip
def test_scalars(value: object, text: str) -> None:
    assert to_yaml({"k": value}).decode() == f"k: {text}\n"


def test_lines_are_literal() -> None:
    assert to_yaml({"k": ["a\nb\n", "a\nb"]}).decode() == "k:\n- |\n  a\n  b\n- |-\n  a\n  b\n"


def test_keys_count() -> None:
    keys = ["a10", "a2", "ab", "a", "A", "_x", "10", "2", "f:a", "v01", "v1", "no"]
    written = to_yaml(dict.fromkeys(keys, 1)).decode()
    assert [line.split(": ")[0] for line in written.splitlines()] == [
        "_x", '"2"', '"10"', "A", "a", "a2", "a10", "ab", "f:a", '"no"', "v1", "v01",
    ]  # fmt: skip
    assert yaml.safe_load(written) == dict.fromkeys(keys, 1)
