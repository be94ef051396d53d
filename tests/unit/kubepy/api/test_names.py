"""Formats of names and labels, and readers of metadata."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kubepy.api import meta, names

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


@pytest.mark.parametrize(
    ("check", "value", "expected"),
    [
        (names.dns1123_subdomain, "a.b-c", []),
        (names.dns1123_subdomain, "A", [SUBDOMAIN]),
        (names.dns1123_subdomain, "a" * 254, ["must be no more than 253 characters"]),
        (names.dns1123_label, "a.b", ["must not contain dots"]),
        (names.dns1123_label, "a" * 64, ["must be no more than 63 characters"]),
        (names.label_value, "", []),
        (names.label_value, "a" * 64, ["must be no more than 63 bytes"]),
        (names.qualified_name, "example.com/a_b", []),
        (names.qualified_name, "/a", ["prefix part must be non-empty"]),
        (names.qualified_name, "é" * 32, 2),
        (names.dns1035_label, "1a", 1),
        (names.port_name, "http-2", []),
        (names.port_name, "--", 3),
        (names.port_name, "a" * 16, ["must be no more than 15 characters"]),
        (names.port_number, 0, ["must be between 1 and 65535, inclusive"]),
        (names.config_map_key, "..", ["must not be '..'"]),
        (names.config_map_key, "..a", ["must not start with '..'"]),
        (names.config_map_key, "a/b", 1),
        (names.relaxed_env_var_name, "a b", []),
        (names.relaxed_env_var_name, "", ["environment variable name must be non-empty"]),
        (names.env_var_name, "1a", 1),
        (names.path_segment, "a/b%c", ["may not contain '/'", "may not contain '%'"]),
        (names.path_segment, "..", ["may not be '..'"]),
        (names.percent, "10%", []),
        (names.c_identifier, "a-b", 1),
        (names.wildcard_dns1123_subdomain, "*.example.com", []),
        (names.http_header_name, "X Y", 1),
    ],
)
def test_rules(check: Callable[[Any], list[str]], value: Any, expected: list[str] | int) -> None:
    found = check(value)
    assert (len(found) if isinstance(expected, int) else found) == expected


def test_prefixes_may_end_in_a_dash() -> None:
    assert names.name_is_label("web-", True) == []
    assert names.name_is_label("web-", False)
    assert names.name_is_subdomain("a.b-", True) == []


def test_generated_names_are_cut_to_63_characters() -> None:
    name = names.generate("x" * 80, lambda alphabet: alphabet[0])
    assert name == "x" * 58 + "bbbbb"


def test_metadata_readers() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web", "uid": "u1", "namespace": "ns"}}
    obj = {"metadata": {"name": "a", "namespace": "ns", "labels": {"x": "y"}, "ownerReferences": [meta.controller_ref(owner)]}}
    assert meta.key(obj) == "ns/a" and meta.key({"metadata": {"name": "n"}}) == "n"
    assert meta.controller_of(obj) == meta.controller_ref(owner)
    assert meta.is_controlled_by(obj, owner)
    assert not meta.is_controlled_by(obj, {"metadata": {"uid": "u2"}})
    assert meta.labels({}) == {} and meta.annotations(obj) == {} and meta.finalizers(obj) == ()
    assert meta.controller_of({}) is None
    assert meta.group_version("v1") == ("", "v1") and meta.group_version("apps/v1") == ("apps", "v1")
