"""YAML as sigs.k8s.io/yaml reads it: the first document as JSON values, and the Go decoder's complaints. Pure.

Upstream: go.yaml.in/yaml/v2 decode.go and resolve.go, sigs.k8s.io/yaml yaml.go.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import yaml

from kubepy.api.gotext import float_text, json_text, quote

_TAG = "tag:yaml.org,2002:"
_PLAIN = "plain"
"""The tag of scalars that are neither quoted nor tagged."""

_FIXED: dict[str, Any] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_INTEGER = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")


class YamlProblem(ValueError):
    """What the YAML decoder says, such as `yaml: line 2: did not find expected key`."""


class _Loader(yaml.CSafeLoader):
    """The parser alone: scalars are resolved here, not by YAML 1.1's rules."""


_Loader.yaml_implicit_resolvers = {None: [(_PLAIN, re.compile(""))]}


def load_yaml(data: bytes) -> tuple[Any, list[str]]:
    """(the value, complaints about duplicate keys as `line 7: key "k" already set in map`). Raises YamlProblem."""
    try:
        loader = _Loader(data)
        try:
            root = loader.get_node() if loader.check_node() else None
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as e:
        raise YamlProblem(f"yaml: {e.reason}") from None
    except yaml.composer.ComposerError as e:
        raise YamlProblem(f"yaml: {_composer_text(e, data)}") from None
    except yaml.MarkedYAMLError as e:
        raise YamlProblem(f"yaml: {_where(e)}{e.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise YamlProblem(f"yaml: {e}") from None
    if root is None:
        return None, []
    reader = _Reader()
    return reader.value(root), reader.doubled


def _where(e: yaml.MarkedYAMLError) -> str:
    """`line 3: `: the scanner's lines are counted from 1, the parser's from 0, and 0 is not told."""
    line = e.problem_mark.line if e.problem_mark else 0
    if line:
        return f"line {line + isinstance(e, yaml.scanner.ScannerError)}: "
    line = e.context_mark.line if e.context_mark else 0
    return f"line {line}: " if line else ""


def _composer_text(e: yaml.composer.ComposerError, data: bytes) -> str:
    if e.problem != "found undefined alias" or e.problem_mark is None:
        return str(e.problem)
    line = data.decode("utf-8", "replace").splitlines()[e.problem_mark.line]
    found = re.match(r"\*([0-9A-Za-z_-]+)", line[e.problem_mark.column :])
    return f"unknown anchor '{found[1] if found else ''}' referenced"


class _Reader:
    """Nodes to JSON values."""

    def __init__(self) -> None:
        self.doubled: list[str] = []
        self._open: set[int] = set()
        self._known: set[int] = set()
        self._count = self._aliased = self._depth = 0

    def value(self, node: yaml.Node) -> Any:
        again = self._enter(node)
        try:
            if isinstance(node, yaml.ScalarNode):
                return _jsonable(_scalar(node))
            if not isinstance(node, yaml.MappingNode):
                return [self.value(child) for child in node.value]
            out: dict[str, Any] = {}
            self._fill(node, out, set())
            return out
        finally:
            self._leave(node, again)

    def _enter(self, node: yaml.Node) -> bool:
        """Begin with a node; whether it was met before, which makes it an alias. Few nodes may not stand for very many."""
        key = id(node)
        if key in self._open:
            raise YamlProblem("yaml: anchor value contains itself")
        again = key in self._known
        self._open.add(key)
        self._known.add(key)
        self._depth += again
        self._count += 1
        self._aliased += self._depth > 0
        if self._aliased > 100 and self._count > 1000 and self._aliased / self._count > _alias_ratio(self._count):
            raise YamlProblem("yaml: document contains excessive aliasing")
        return again

    def _leave(self, node: yaml.Node, again: bool) -> None:
        self._open.discard(id(node))
        self._depth -= again

    def _fill(self, node: yaml.MappingNode, out: dict[str, Any], keys: set[tuple[type, Any]]) -> None:
        for key_node, value_node in node.value:
            scalar = isinstance(key_node, yaml.ScalarNode)
            if scalar and key_node.value == "<<" and key_node.tag in (_PLAIN, _TAG + "merge"):
                self._merge(value_node, out, keys)
                continue
            if not scalar:
                raise YamlProblem(f"yaml: invalid map key: {_go_syntax(self.value(key_node))}")
            key = _scalar(key_node)
            value = self.value(value_node)
            if (type(key), key) in keys:
                shown = quote(key) if isinstance(key, str) else _go_syntax(key)
                self.doubled.append(f"line {value_node.start_mark.line + 1}: key {shown} already set in map")
            keys.add((type(key), key))
            out[_key(key, value)] = value

    def _merge(self, node: yaml.Node, out: dict[str, Any], keys: set[tuple[type, Any]]) -> None:
        # In a sequence, earlier maps take precedence.
        for child in reversed(node.value) if isinstance(node, yaml.SequenceNode) else (node,):
            if not isinstance(child, yaml.MappingNode):
                raise YamlProblem("yaml: map merge requires map or sequence of maps as the value")
            again = self._enter(child)
            self._fill(child, out, keys)
            self._leave(child, again)


def _alias_ratio(count: int) -> float:
    """What share of so many nodes may come from aliases (decode.go allowedAliasRatio)."""
    low, high = 400_000, 4_000_000
    return 0.99 - 0.89 * min(max(count - low, 0) / (high - low), 1.0)


def _scalar(node: yaml.ScalarNode) -> Any:
    """The Go value of a scalar: None, bool, int, float or str."""
    text: str = node.value
    if node.tag == _PLAIN:
        return _resolve(text)
    tag = node.tag.removeprefix(_TAG)
    if node.tag == tag or tag == "str":
        return text
    if tag == "binary":
        try:
            return base64.b64decode(text.replace("\n", ""), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            raise YamlProblem("yaml: !!binary value contains invalid base64 data") from None
    if tag not in ("bool", "int", "float", "null"):
        return text
    found = _resolve(text)
    if tag == "float" and type(found) is int:
        return float(found)
    given = {bool: "bool", int: "int", float: "float", str: "str"}.get(type(found), "null")
    if given != tag:
        raise YamlProblem(f"yaml: cannot decode !!{given} `{text}` as a !!{tag}")
    return found


def _resolve(text: str) -> Any:
    if text in _FIXED:
        return _FIXED[text]
    first = text[0]
    if first == ".":
        return float(text) if _FLOAT.match(text) else text
    if first not in "+-0123456789":
        return text
    plain = text.replace("_", "")
    if m := _INTEGER.match(plain):
        sign, *digits = m.groups()
        base, number = next((b, d) for b, d in zip((16, 2, 8, 10), digits, strict=True) if d is not None)
        value = int(sign + number, base)
        if -(2**63) <= value < 2**64 and not (sign and value >= 2**63):
            return value
    return float(plain) if _FLOAT.match(plain) else text


def _jsonable(value: Any) -> Any:
    """What is left of a value on its way through JSON text: whole numbers are integers there."""
    if type(value) is float:
        if value != value or value in (float("inf"), float("-inf")):
            raise YamlProblem(f"json: unsupported value: {float_text(value)}")
        if value.is_integer() and abs(value) < 1e21:
            return int(value)
    return value


def _key(key: Any, value: Any) -> str:
    if isinstance(key, str):
        return key
    if key is None:
        raise YamlProblem(f"unsupported map key of type: %!s(<nil>), key: <nil>, value: {_go_syntax(value)}")
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key) if isinstance(key, int) else float_text(key)


def _go_syntax(value: Any) -> str:
    """%#v of what the decoder makes of a node."""
    if isinstance(value, dict):
        return "map[interface {}]interface {}{" + ", ".join(f"{quote(k)}:{_go_syntax(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(map(_go_syntax, value)) + "}"
    if value is None:
        return "<nil>"
    return quote(value) if isinstance(value, str) else json_text(value)
