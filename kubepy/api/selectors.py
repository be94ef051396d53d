"""Label and field selectors: parsing with upstream's grammar and messages, and matching. Pure.

Upstream: apimachinery pkg/labels/selector.go, pkg/fields/selector.go, pkg/apis/meta/v1/helpers.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kubepy.api import names
from kubepy.api.errors import go_value

_BINARY = ("in", "notin", "=", "==", "!=", "gt", "lt")
_OPERATORS = {"in": "in", "notin": "notin", "=": "=", "==": "==", "!=": "!=", ">": "gt", "<": "lt"}
_WRITTEN = {"gt": ">", "lt": "<"}
_INT64 = re.compile(r"[+-]?[0-9]+").fullmatch


class SelectorError(ValueError):
    """The selector is malformed; str() is upstream's message."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement on one label. `op` is in, notin, =, ==, !=, gt, lt, exists or !."""

    key: str
    op: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels satisfy the requirement."""
        value = labels.get(self.key)
        match self.op:
            case "in" | "=" | "==":
                return value is not None and value in self.values
            case "notin" | "!=":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                number = _int64(value) if value is not None else None
                limit = _int64(self.values[0])
                if number is None or limit is None:
                    return False
                return number > limit if self.op == "gt" else number < limit

    def __str__(self) -> str:
        if self.op == "exists":
            return self.key
        if self.op == "!":
            return "!" + self.key
        joined = ",".join(sorted(self.values))
        if self.op in ("in", "notin"):
            return f"{self.key} {self.op} ({joined})"
        return f"{self.key}{_WRITTEN.get(self.op, self.op)}{joined}"


def _int64(text: str) -> int | None:
    if not _INT64(text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """A conjunction of requirements, ordered by key; `nothing` matches no object (a nil metav1.LabelSelector)."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels satisfy every requirement."""
        if self.nothing:
            return False
        return all(r.matches(labels) for r in self.requirements)

    @property
    def empty(self) -> bool:
        """Whether everything matches."""
        return not self.requirements and not self.nothing

    def exact(self) -> dict[str, str]:
        """The labels that a matching object must carry with exactly that value: what an index can use."""
        return {r.key: r.values[0] for r in self.requirements if r.op in ("in", "=", "==") and len(r.values) == 1}

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)


def requirement(key: str, op: str, values: Iterable[str] = (), *, path: str = "") -> Requirement:
    """A validated requirement (labels.NewRequirement); SelectorError carries upstream's aggregated message.

    `path` is the field path of what is being parsed, empty for query parameters.
    """
    vals = tuple(values)
    errors: list[str] = []
    at = f"{path}.values" if path else "values"
    if complaints := names.qualified_name(key):
        errors.append(f"{path + '.' if path else ''}key: Invalid value: {go_value(key)}: {'; '.join(complaints)}")
    if op in ("in", "notin"):
        if not vals:
            errors.append(f"{at}: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    elif op in ("=", "==", "!="):
        if len(vals) != 1:
            errors.append(f"{at}: Invalid value: {go_value(list(vals))}: exact-match compatibility requires one single value")
    elif op in ("exists", "!"):
        if vals:
            errors.append(f"{at}: Invalid value: {go_value(list(vals))}: values set must be empty for exists and does not exist")
    elif op in ("gt", "lt"):
        if len(vals) != 1:
            errors.append(f"{at}: Invalid value: {go_value(list(vals))}: for 'Gt', 'Lt' operators, exactly one value is required")
        errors += [
            f"{at}[{i}]: Invalid value: {go_value(v)}: for 'Gt', 'Lt' operators, the value must be an integer"
            for i, v in enumerate(vals)
            if _int64(v) is None
        ]
    else:
        supported = ", ".join(f'"{o}"' for o in sorted((*_BINARY, "exists", "!")))
        errors.append(f"{path + '.' if path else ''}operator: Unsupported value: {go_value(op)}: supported values: {supported}")
    for i, v in enumerate(vals):
        if complaints := names.label_value(v):
            errors.append(f"{at}[{i}][{key}]: Invalid value: {go_value(v)}: {'; '.join(complaints)}")
    if errors:
        raise SelectorError(errors[0] if len(errors) == 1 else "[" + ", ".join(dict.fromkeys(errors)) + "]")
    return Requirement(key, op, vals)


_SYMBOLS = frozenset(["=", "==", "!=", "!", "(", ")", ",", ">", "<"])
_TOKEN = re.compile(r"[ \t\r\n]*(?:([=!(),><]+)|([^=!(),>< \t\r\n\0]+)|$|\0)")
_END = ("end", "")


def _tokens(text: str) -> list[tuple[str, str]]:
    """Lex into (type, literal); types are `id`, `end`, `error` and the operators and keywords themselves."""
    out: list[tuple[str, str]] = []
    at = 0
    while m := _TOKEN.match(text, at):
        symbols, word = m.groups()
        at = m.end()
        if word is not None:
            out.append((word if word in ("in", "notin") else "id", word))
        elif symbols is not None:
            literal, used = _symbol(symbols)
            out.append((literal if literal in _SYMBOLS else "error", literal))
            at = m.start(1) + used
        else:
            break
    out.append(_END)
    return out


def _symbol(run: str) -> tuple[str, int]:
    """The longest operator that opens a run of special characters, and its length."""
    length = 0
    for n in range(1, len(run) + 1):
        if run[:n] in _SYMBOLS:
            length = n
        elif length:
            break
    return (run[:length], length) if length else (f"error expected: keyword found '{run}'", len(run))


class _Parser:
    """The recursive descent of upstream's grammar over a token list."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0

    def peek(self) -> tuple[str, str]:
        kind, literal = self.tokens[self.at]
        return ("id", literal) if kind in ("in", "notin") else (kind, literal)

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def parse(self) -> tuple[Requirement, ...]:
        out: list[Requirement] = []
        while True:
            kind, literal = self.peek()
            if kind == "end":
                break
            if kind not in ("id", "!"):
                raise SelectorError(f"found '{literal}', expected: !, identifier, or 'end of string'")
            try:
                out.append(self.requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            kind, literal = self.take()
            if kind == "end":
                break
            if kind != ",":
                raise SelectorError(f"found '{literal}', expected: ',' or 'end of string'")
            kind, literal = self.peek()
            if kind not in ("id", "!"):
                raise SelectorError(f"found '{literal}', expected: identifier after ','")
        return tuple(sorted(out, key=lambda r: r.key))

    def requirement(self) -> Requirement:
        kind, key = self.take()
        negated = kind == "!"
        if negated:
            kind, key = self.take()
        if kind != "id":
            raise SelectorError(f"found '{key}', expected: identifier")
        if complaints := names.qualified_name(key):
            raise SelectorError(f"<nil>: Invalid value: {go_value(key)}: {'; '.join(complaints)}")
        if negated and self.peek()[0] in ("end", ","):
            return requirement(key, "!")
        if negated:
            # Upstream keeps DoesNotExist whatever follows; the caller then complains of the rest.
            return requirement(key, "!")
        if self.peek()[0] in ("end", ","):
            return requirement(key, "exists")
        kind, literal = self.tokens[self.at]
        self.take()
        if kind not in _OPERATORS:
            raise SelectorError(f"found '{literal}', expected: {', '.join(_BINARY)}")
        op = _OPERATORS[kind]
        values = self.values() if op in ("in", "notin") else {self.exact()}
        return requirement(key, op, sorted(values))

    def exact(self) -> str:
        if self.peek()[0] in ("end", ","):
            return ""
        kind, literal = self.take()
        if kind != "id":
            raise SelectorError(f"found '{literal}', expected: identifier")
        return literal

    def values(self) -> set[str]:
        kind, literal = self.take()
        if kind != "(":
            raise SelectorError(f"found '{literal}' expected: '('")
        kind, first = self.peek()
        if kind == ")":
            self.take()
            return {""}
        if kind not in ("id", ","):
            raise SelectorError(f"found '{first}', expected: ',', ')' or identifier")
        out = self.identifiers()
        if self.take()[0] != ")":
            raise SelectorError(f"found '{first}', expected: ')'")
        return out

    def identifiers(self) -> set[str]:
        out: set[str] = set()
        while True:
            kind, literal = self.take()
            following, next_literal = self.peek()
            if kind == "id":
                out.add(literal)
                if following == ")":
                    return out
                if following != ",":
                    raise SelectorError(f"found '{next_literal}', expected: ',' or ')'")
            elif kind == ",":
                if not out:
                    out.add("")
                if following in (")", ","):
                    out.add("")
                if following == ")":
                    return out
            else:
                raise SelectorError(f"found '{literal}', expected: ',', or identifier")


@lru_cache(maxsize=1024)
def parse_label_selector(text: str) -> LabelSelector:
    """Parse a labelSelector parameter such as `a=b,c in (d,e),!f`. SelectorError when it is malformed. Cached."""
    return LabelSelector(_Parser(text).parse()) if text else EVERYTHING


_EXPRESSION_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def from_label_selector(selector: Mapping[str, Any] | None) -> LabelSelector:
    """The selector of a metav1.LabelSelector: None matches nothing, an empty one everything.

    SelectorError for unknown operators and invalid values (metav1.LabelSelectorAsSelector).
    """
    if selector is None:
        return NOTHING
    out = [requirement(k, "=", (v,)) for k, v in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        op = _EXPRESSION_OPERATORS.get(expression.get("operator", ""))
        if op is None:
            raise SelectorError(f'"{expression.get("operator", "")}" is not a valid label selector operator')
        out.append(requirement(expression.get("key", ""), op, expression.get("values") or ()))
    return LabelSelector(tuple(sorted(out, key=lambda r: r.key)))


def from_labels(labels: Mapping[str, str] | None) -> LabelSelector:
    """The selector that demands exactly these labels, unvalidated (labels.SelectorFromSet); empty matches everything."""
    return LabelSelector(tuple(Requirement(k, "=", (v,)) for k, v in sorted((labels or {}).items())))


def format_label_selector(selector: Mapping[str, Any] | None) -> str:
    """What kubectl and tables print (metav1.FormatLabelSelector): `<none>` when empty, `<error>` when invalid."""
    try:
        parsed = from_label_selector(selector)
    except SelectorError:
        return "<error>"
    return str(parsed) or "<none>"


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One term of a field selector; `op` is `=` or `!=`."""

    field: str
    op: str
    value: str

    def matches(self, value: str) -> bool:
        """Whether the field's value, an empty string where it is not set, satisfies the term."""
        return (value == self.value) is (self.op == "=")

    def __str__(self) -> str:
        return f"{self.field}{self.op}{escape_field_value(self.value)}"


_TERM = re.compile(r"(.*?)(!=|==|=)(.*)", re.DOTALL).fullmatch
_SPLIT = re.compile(r"(?:[^\\,]|\\.|\\$)*", re.DOTALL)


def _split_terms(text: str) -> list[str]:
    out, at = [], 0
    while True:
        m = _SPLIT.match(text, at)
        assert m is not None
        out.append(m[0])
        at = m.end() + 1
        if at > len(text):
            return out


def _unescape(text: str) -> str:
    if not any(c in text for c in "\\,="):
        return text
    out: list[str] = []
    chars = iter(text)
    for c in chars:
        if c == "\\":
            following = next(chars, "")
            if following not in ("\\", ",", "="):
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{following}")
            out.append(following)
        elif c in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(c)}")
        else:
            out.append(c)
    return "".join(out)


def escape_field_value(value: str) -> str:
    """Quote a literal for use as a field selector's value."""
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


@lru_cache(maxsize=1024)
def _field_terms(text: str) -> tuple[FieldRequirement, ...]:
    out = []
    for term in sorted(_split_terms(text)):
        if not term:
            continue
        m = _TERM(term)
        if m is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
        out.append(FieldRequirement(m[1], "!=" if m[2] == "!=" else "=", _unescape(m[3])))
    return tuple(out)


def parse_field_selector(text: str) -> list[FieldRequirement]:
    """Parse a fieldSelector parameter such as `metadata.name=a,spec.nodeName!=b`. SelectorError when malformed."""
    return list(_field_terms(text))


def match_fields(requirements: Sequence[FieldRequirement], value_of: Callable[[str], str]) -> bool:
    """Whether every term holds, with `value_of(field)` the object's value."""
    return all(r.matches(value_of(r.field)) for r in requirements)
