"""Expressions to syntax trees: a recursive descent over CEL's grammar, macros included.

What is wrong with a text that does not parse is told by the grammar that upstream generates its parser from, through
cel-expr-python, because users see (and compare) those very words.
"""

from __future__ import annotations

import re
from typing import Any

from kubepy.api.cel import types as t
from kubepy.api.cel.ast import (
    Call,
    Comprehension,
    Const,
    Ident,
    ListLiteral,
    MapLiteral,
    Node,
    OptionalMap,
    Select,
    StructLiteral,
)
from kubepy.api.cel.values import INT_MAX, INT_MIN, UINT_MAX, UInt

MAX_LENGTH = 100_000
_MAX_DEPTH = 250

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*)
  |(?P<float>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)
  |(?P<int>0x[0-9a-fA-F]+[uU]?|\d+[uU]?)
  |(?P<string>[bB]?[rR]?(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*')
     |[rR][bB]?(?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|"[^"\n\r]*"|'[^'\n\r]*'))
  |(?P<ident>[A-Za-z_][A-Za-z0-9_]*)
  |(?P<op>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
_RAW = re.compile(r"(?:[bB]?[rR]|[rR][bB])(\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|\"[^\"\n\r]*\"|'[^'\n\r]*')")
_RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_RELATIONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\?\"'`])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|X([0-9a-fA-F]{2})|(.))"
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

Token = tuple[str, str, int]


class ParseError(Exception):
    """A text that is no expression; `at` is where, an offset."""

    def __init__(self, message: str, at: int, *, own: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.own = own
        """The grammar accepts the text; the error is the parser's, in upstream's words."""


def parse(source: str) -> Node:
    """The tree of an expression; raises ParseError."""
    return _Parser(source).whole()


def _tokens(source: str) -> list[Token]:
    out: list[Token] = []
    at = 0
    while at < len(source):
        raw = _RAW.match(source, at)
        if raw is not None:
            out.append(("string", raw[0], at))
            at = raw.end()
            continue
        found = _TOKEN.match(source, at)
        if found is None:
            raise ParseError(f"Syntax error: token recognition error at: '{source[at]}'", at)
        kind = found.lastgroup or ""
        if kind != "skip":
            out.append((kind, found[0], at))
        at = found.end()
    out.append(("end", "<EOF>", len(source)))
    return out


def _unescape(body: str, at: int, *, as_bytes: bool) -> Any:
    def one(m: re.Match[str]) -> str:
        if m[1]:
            return _SIMPLE.get(m[1], m[1])
        digits = m[2] or m[3] or m[4] or m[6]
        if digits:
            return chr(int(digits, 16))
        if m[5]:
            return chr(int(m[5], 8))
        raise ParseError(f"Syntax error: token recognition error at: '\\{m[7]}'", at)

    if not as_bytes:
        return _ESCAPE.sub(one, body)
    out, last = b"", 0
    for m in _ESCAPE.finditer(body):
        out += body[last : m.start()].encode()
        text = one(m)
        out += bytes([ord(text)]) if (m[2] or m[5] or m[6]) else text.encode()
        last = m.end()
    return out + body[last:].encode()


class _Parser:
    """One text being read; `i` is the current token."""

    def __init__(self, source: str) -> None:
        self.tokens = _tokens(source)
        self.i = 0
        self.depth = 0

    def whole(self) -> Node:
        node = self.expression()
        if self.tokens[self.i][0] != "end":
            raise self.unexpected()
        return node

    def unexpected(self) -> ParseError:
        _, text, at = self.tokens[self.i]
        return ParseError(f"Syntax error: mismatched input '{text}'", at)

    def peek(self, *ops: str) -> bool:
        kind, text, _ = self.tokens[self.i]
        return text in ops and kind in ("op", "ident")

    def take(self, op: str) -> int:
        kind, text, at = self.tokens[self.i]
        if text != op or kind != "op":
            raise self.unexpected()
        self.i += 1
        return at

    def maybe(self, op: str) -> bool:
        if self.peek(op):
            self.i += 1
            return True
        return False

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ParseError("expression recursion limit exceeded: 250", self.tokens[self.i][2], own=True)
        node = self.binary(0)
        if self.peek("?"):
            at = self.take("?")
            yes = self.binary(0)
            self.take(":")
            node = Call(at, "_?_:_", [node, yes, self.expression()])
        self.depth -= 1
        return node

    _LEVELS: tuple[frozenset[str], ...] = (
        frozenset({"||"}), frozenset({"&&"}), _RELATIONS, frozenset({"+", "-"}), frozenset({"*", "/", "%"}),
    )  # fmt: skip
    _NAMES = {"in": "@in"}

    def binary(self, level: int) -> Node:
        if level == len(self._LEVELS):
            return self.unary()
        node = self.binary(level + 1)
        while self.peek(*self._LEVELS[level]):
            _, op, at = self.tokens[self.i]
            self.i += 1
            node = Call(at, self._NAMES.get(op, f"_{op}_"), [node, self.binary(level + 1)])
        return node

    def unary(self) -> Node:
        if not self.peek("!", "-"):
            return self.member()
        _, op, at = self.tokens[self.i]
        kind, text, _ = self.tokens[self.i + 1]
        if op == "-" and kind in ("int", "float"):
            self.i += 1
            return self.suffixes(self.number("-" + text, kind, at))
        count = 0
        while self.peek(op):
            self.i += 1
            count += 1
        node = self.member() if not self.peek("!", "-") else self.unary()
        return Call(at, f"{op}_", [node]) if count % 2 else node

    def member(self) -> Node:
        return self.suffixes(self.primary())

    def suffixes(self, node: Node) -> Node:
        while True:
            if self.peek("."):
                at = self.take(".")
                optional = self.maybe("?")
                kind, name, _ = self.tokens[self.i]
                if kind != "ident" or name in ("in", "true", "false", "null"):
                    raise self.unexpected()
                self.i += 1
                if self.peek("(") and not optional:
                    opening = self.take("(")
                    node = self.call(opening, name, node, self.arguments(")"))
                else:
                    node = Select(at, node, name, optional=optional)
            elif self.peek("["):
                at = self.take("[")
                optional = self.maybe("?")
                index = self.expression()
                self.take("]")
                node = Call(at, "_[?_]" if optional else "_[_]", [node, index])
            elif self.peek("{") and isinstance(node, (Ident, Select)) and (name := _qualified(node)):
                node = self.struct(name)
            else:
                return node

    def primary(self) -> Node:
        kind, text, at = self.tokens[self.i]
        if kind in ("int", "float"):
            return self.number(text, kind, at)
        if kind == "string":
            self.i += 1
            return _string(text, at)
        if kind == "ident":
            return self.name(text, at)
        if self.maybe("("):
            node = self.expression()
            self.take(")")
            return node
        if self.maybe("["):
            items, optional = self.items()
            return ListLiteral(at, items, optional)
        if self.peek("{"):
            return self.map()
        if self.maybe("."):
            kind, text, at = self.tokens[self.i]
            if kind == "ident":
                return self.name(text, at)
        raise self.unexpected()

    def name(self, text: str, at: int) -> Node:
        self.i += 1
        if text in ("true", "false"):
            return Const(at, text == "true", t.BOOL)
        if text == "null":
            return Const(at, None, t.NULL)
        if text == "in":
            self.i -= 1
            raise self.unexpected()
        if text in _RESERVED:
            raise ParseError(f"reserved identifier: {text}", at, own=True)
        if self.peek("("):
            opening = self.take("(")
            return self.call(opening, text, None, self.arguments(")"))
        return Ident(at, text)

    def number(self, text: str, kind: str, at: int) -> Node:
        self.i += 1 if self.tokens[self.i][0] == kind else 2
        if kind == "float":
            value = float(text)
            if value == float("inf"):
                raise ParseError("invalid double literal", at, own=True)
            return Const(at, value, t.DOUBLE)
        digits = text.rstrip("uU")
        value = int(digits, 16 if "0x" in digits else 10)
        if digits != text:
            if not 0 <= value <= UINT_MAX:
                raise ParseError("invalid uint literal", at, own=True)
            return Const(at, UInt(value), t.UINT)
        if not INT_MIN <= value <= INT_MAX:
            raise ParseError("invalid int literal", at, own=True)
        return Const(at, value, t.INT)

    def arguments(self, end: str) -> list[Node]:
        out: list[Node] = []
        while not self.peek(end):
            out.append(self.expression())
            if not self.maybe(","):
                break
            if self.peek(end):
                raise self.unexpected()
        self.take(end)
        return out

    def items(self) -> tuple[list[Node], frozenset[int]]:
        out: list[Node] = []
        optional: set[int] = set()
        while not self.peek("]"):
            if self.maybe("?"):
                optional.add(len(out))
            out.append(self.expression())
            if not self.maybe(","):
                break
        self.take("]")
        return out, frozenset(optional)

    def map(self) -> Node:
        at = self.take("{")
        entries: list[tuple[Node, Node, bool]] = []
        while not self.peek("}"):
            optional = self.maybe("?")
            key = self.expression()
            self.take(":")
            entries.append((key, self.expression(), optional))
            if not self.maybe(","):
                break
        self.take("}")
        return MapLiteral(at, entries)

    def struct(self, name: str) -> Node:
        at = self.take("{")
        fields: list[tuple[str, Node, bool, int]] = []
        while not self.peek("}"):
            optional = self.maybe("?")
            kind, field, _ = self.tokens[self.i]
            if kind != "ident":
                raise self.unexpected()
            self.i += 1
            colon = self.take(":")
            fields.append((field, self.expression(), optional, colon))
            if not self.maybe(","):
                break
        self.take("}")
        return StructLiteral(at, name, fields)

    # Macros.

    def call(self, at: int, name: str, target: Node | None, args: list[Node]) -> Node:
        """A call, or what the macro of that name and shape stands for."""
        if target is None:
            if name == "has" and len(args) == 1:
                (operand,) = args
                if isinstance(operand, Select) and not operand.optional:
                    return Select(at, operand.operand, operand.field, test=True)
                raise ParseError("invalid argument to has() macro", operand.at, own=True)
            return Call(at, name, args)
        shape = (name, len(args))
        if shape in _ONE_VARIABLE:
            kind, body_at = _ONE_VARIABLE[shape]
            first = self.variable(args[0])
            where = args[1] if shape == ("map", 3) else None
            return Comprehension(at, kind, target, first, "", where, args[body_at])
        if shape in _TWO_VARIABLES:
            first, second = self.variable(args[0]), self.variable(args[1])
            if first == second:
                raise ParseError(f"duplicate variable name: {first}", args[1].at, own=True)
            return Comprehension(at, _TWO_VARIABLES[shape], target, first, second, args[2] if len(args) == 4 else None, args[-1])
        if shape in (("optMap", 2), ("optFlatMap", 2)):
            return OptionalMap(at, target, self.variable(args[0]), args[1], name == "optFlatMap")
        return Call(at, name, args, target)

    @staticmethod
    def variable(node: Node) -> str:
        if isinstance(node, Ident):
            return node.name
        raise ParseError("argument must be a simple name", node.at, own=True)


_ONE_VARIABLE = {
    ("all", 2): ("all", 1), ("exists", 2): ("exists", 1), ("exists_one", 2): ("existsOne", 1), ("existsOne", 2): ("existsOne", 1),
    ("filter", 2): ("filter", 1), ("map", 2): ("map", 1), ("map", 3): ("map", 2), ("sortBy", 2): ("sortBy", 1),
}  # fmt: skip
_TWO_VARIABLES = {
    ("all", 3): "all", ("exists", 3): "exists", ("existsOne", 3): "existsOne", ("exists_one", 3): "existsOne",
    ("transformList", 3): "transformList", ("transformList", 4): "transformList", ("transformMap", 3): "transformMap",
    ("transformMap", 4): "transformMap", ("transformMapEntry", 3): "transformMapEntry", ("transformMapEntry", 4): "transformMapEntry",
}  # fmt: skip


def _qualified(node: Node) -> str:
    """`a.b.c` of a chain of plain selections, else empty."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.test and not node.optional:
        head = _qualified(node.operand)
        return f"{head}.{node.field}" if head else ""
    return ""


qualified = _qualified


def _string(text: str, at: int) -> Node:
    prefix = text[: min(i for i in (text.find('"'), text.find("'")) if i >= 0)].lower()
    body = text[len(prefix) :]
    body = body[3:-3] if body[:3] in ('"""', "'''") and len(body) >= 6 else body[1:-1]
    as_bytes = "b" in prefix
    if "r" in prefix:
        value: Any = body.encode() if as_bytes else body
    else:
        value = _unescape(body, at, as_bytes=as_bytes)
    return Const(at, value, t.BYTES if as_bytes else t.STRING)
