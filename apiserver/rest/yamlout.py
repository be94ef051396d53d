"""YAML as Go's library writes it (sigs.k8s.io/yaml over go.yaml.in/yaml/v2): what is quoted and how, and the order of keys. Pure."""

from __future__ import annotations

import re
from functools import cmp_to_key
from typing import Any

import yaml

_WORDS = frozenset(
    word
    for base in ("y", "yes", "true", "on", "n", "no", "false", "off", "null", ".nan", ".inf", "+.inf", "-.inf")
    for word in (base, base.capitalize(), base.upper())
) | {"", "~", ".NaN", ".Inf", "+.Inf", "-.Inf"}
"""What is read as a truth, nothing or a float."""
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]*|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?\Z")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"([Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})| [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?)?\Z"
)
_NUMBERLIKE = frozenset("0123456789+-.")


def _is_text(value: str) -> bool:
    """Whether a string without quotes is read as a string."""
    if value in _WORDS:
        return False
    if value[0] not in _NUMBERLIKE:
        return True
    bare = value.replace("_", "")
    return not (_INTEGER.match(bare) or _FLOAT.match(bare) or _BASE_60.match(value) or _TIME.match(value))


_PLAIN_TAG = "tag:yaml.org,2002:str"


def _string(dumper: Any, value: str) -> Any:
    style = "|" if "\n" in value else None if _is_text(value) else '"'
    return dumper.represent_scalar(_PLAIN_TAG, value, style=style)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """What is a string is decided by `_string` alone."""

    def ignore_aliases(self, _data: Any) -> bool:
        """No anchors."""
        return True

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> Any:
        """The tag that a scalar without quotes is read with."""
        if kind is yaml.ScalarNode and implicit[0] and _is_text(value):
            return _PLAIN_TAG
        return super().resolve(kind, value, implicit)


_Dumper.add_representer(str, _string)


def _less(a: str, b: str) -> bool:
    """Whether a key comes first: numbers in them count as numbers, and what is no letter comes before letters (sorter.go)."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x == y:
            continue
        letters = x.isalpha(), y.isalpha()
        if all(letters):
            return x < y
        if any(letters):
            return letters[1]
        lead = "0" if (x == "0" or y == "0") and a[:i][len(a[:i].rstrip("0123456789")) :].strip("0") else ""
        m, n = (re.match(r"\d*", s[i:])[0] for s in (a, b))  # type: ignore[index]
        one = "1" if lead else ""
        p, q = int(one + m or "0"), int(one + n or "0")
        if p != q:
            return p < q
        return len(m) < len(n) if len(m) != len(n) else x < y
    return len(a) < len(b)


def _compare(a: str, b: str) -> int:
    return -1 if _less(a, b) else 1


_order = cmp_to_key(_compare)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value, key=_order)}
    return [_sorted(v) for v in value] if isinstance(value, list) else value


def to_yaml(obj: Any) -> bytes:
    """Block style, long strings folded at 80."""
    return yaml.dump(_sorted(obj), Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=80).encode()
