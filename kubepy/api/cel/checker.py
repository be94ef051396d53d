"""Type checking: finds every node's type and the overloads that may apply, and reports issues in cel-go's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
from kubepy.api.cel.children import children
from kubepy.api.cel.functions import Overload, Table
from kubepy.api.cel.parser import qualified

Issue = tuple[int, str]
TypeProvider = Callable[[str], "t.Type | None"]


class Checker:
    """One check of one expression. `issues` collects (offset, message)."""

    def __init__(self, functions: Table, variables: Mapping[str, t.Type], provider: TypeProvider) -> None:
        self._functions = functions
        self._scopes: list[dict[str, tuple[str, t.Type]]] = [{name: (name, type_) for name, type_ in variables.items()}]
        self._provider = provider
        self._bound: dict[t.Type, t.Type] = {}
        self._slots = 0
        self.issues: list[Issue] = []
        self.used: set[str] = set()
        """Variables of the outermost scope that the expression reads."""

    def check(self, node: Node) -> t.Type:
        """Check the whole expression; returns its type with variables resolved."""
        self._visit(node)
        return self._resolve_all(node)

    # Types and variables.

    def _deref(self, type_: t.Type) -> t.Type:
        while type_.kind == "var" and type_ in self._bound:
            type_ = self._bound[type_]
        return type_

    def resolve(self, type_: t.Type) -> t.Type:
        """The type with what is known of its variables put in; unknown ones become dyn."""
        type_ = self._deref(type_)
        if type_.kind == "var":
            return t.DYN
        if type_.params and any(p.kind == "var" or p.params for p in type_.params):
            params = tuple(self.resolve(p) for p in type_.params)
            if any(a is not b for a, b in zip(params, type_.params, strict=True)):
                return t.Type(
                    type_.kind, type_.name, params, max_elements=type_.max_elements, min_size=type_.min_size, convert=type_.convert
                )
        return type_

    def _resolve_all(self, root: Node) -> t.Type:
        for node in _walk(root):
            node.type = self.resolve(node.type)
        return root.type

    def _assignable(self, to: t.Type, from_: t.Type) -> bool:
        """Whether a value of `from_` may go where `to` is wanted; binds type variables."""
        to, from_ = self._deref(to), self._deref(from_)
        if to is from_:
            return True
        if to.kind == "var":
            if not self._occurs(to, from_):
                self._bound[to] = from_
            return True
        if from_.kind == "var":
            if not self._occurs(from_, to):
                self._bound[from_] = to
            return True
        if to.kind in ("dyn", "error") or from_.kind in ("dyn", "error"):
            return True
        if from_.kind == "null":
            return to.kind in ("null", "object", "opaque", "duration", "timestamp")
        if to.kind != from_.kind:
            return False
        if to.kind == "type":
            return True
        if to.name != from_.name or len(to.params) != len(from_.params):
            return False
        return all(self._assignable(a, b) for a, b in zip(to.params, from_.params, strict=True))

    def _occurs(self, variable: t.Type, inside: t.Type) -> bool:
        inside = self._deref(inside)
        return inside is variable or any(self._occurs(variable, p) for p in inside.params)

    def _try(self, pairs: list[tuple[t.Type, t.Type]]) -> bool:
        """Assign all or leave no trace."""
        before = dict(self._bound)
        if all(self._assignable(a, b) for a, b in pairs):
            return True
        self._bound = before
        return False

    def _fail(self, at: int, message: str) -> t.Type:
        self.issues.append((at, message))
        return t.ERROR

    def _text(self, type_: t.Type) -> str:
        return str(self.resolve(type_))

    # Nodes.

    def _visit(self, node: Node) -> t.Type:
        node.type = _VISITORS[type(node)](self, node)
        return node.type

    def _const(self, node: Const) -> t.Type:
        return node.type

    def _lookup(self, name: str) -> tuple[str, t.Type] | None:
        for depth in range(len(self._scopes) - 1, -1, -1):
            found = self._scopes[depth].get(name)
            if found is not None:
                if depth == 0:
                    self.used.add(name)
                return found
        return None

    def _ident(self, node: Ident) -> t.Type:
        found = self._lookup(node.name)
        if found is not None:
            node.slot = found[0]
            return found[1]
        named = self._type_named(node.name)
        if named is not None:
            node.constant = named
            return t.type_of(named)
        return self._fail(node.at, f"undeclared reference to '{node.name}' (in container '')")

    def _type_named(self, name: str) -> t.Type | None:
        return t.NAMED.get(name) or self._provider(name)

    def _select(self, node: Select) -> t.Type:
        name = qualified(node)
        if name and not node.test and (found := self._scopes[0].get(name)) is not None:
            node.variable = found[0]
            return found[1]
        if name and not node.test and self._lookup(name.partition(".")[0]) is None:
            named = self._type_named(name)
            if named is not None:
                node.constant = named
                return t.type_of(named)
        operand = self._deref(self._visit(node.operand))
        wrapped = operand.name == "optional_type" and operand.kind == "opaque"
        result = self._field(node, self._deref(operand.params[0]) if wrapped else operand)
        if node.test:
            return t.BOOL
        if node.optional or wrapped:
            return t.optional_of(result)
        return result

    def _field(self, node: Select, operand: t.Type) -> t.Type:
        if operand.kind == "object":
            field = operand.fields.get(node.field)
            if field is None and node.field in t.RESERVED:
                field = operand.fields.get(f"__{node.field}__")
            if field is not None:
                node.key = field.key
                return field.type
            if operand.open:
                return t.DYN
            return self._fail(node.at, f"undefined field '{node.field}'")
        if operand.kind == "map":
            return operand.params[1]
        if operand.kind in ("dyn", "error", "var"):
            return t.DYN if operand.kind != "error" else t.ERROR
        self._fail(node.at, f"type '{self._text(operand)}' does not support field selection")
        return t.DYN

    def _call(self, node: Call) -> t.Type:
        if node.target is not None:
            space = qualified(node.target)
            name = f"{space}.{node.function}"
            if space and name in self._functions and self._lookup(space.partition(".")[0]) is None:
                node.function, node.target = name, None
        args = [self._visit(a) for a in node.operands()]
        member = node.target is not None
        overloads = self._functions.get(node.function)
        if overloads is None:
            return self._fail(node.at, f"undeclared reference to '{node.function}' (in container '')")
        if any(self._deref(a).kind == "error" for a in args):
            return t.ERROR
        if node.function in ("_&&_", "_||_"):
            for argument, found in zip(node.args, args, strict=True):
                if not self._try([(t.BOOL, found)]):
                    self._fail(argument.at, f"expected type 'bool' but found '{self._text(found)}'")
        result: t.Type | None = None
        chosen: list[Overload] = []
        for overload in overloads:
            if overload.member != member or len(overload.params) != len(args):
                continue
            params, returns = _fresh(overload) if overload.generic else (overload.params, overload.result)
            if not self._try(list(zip(params, args, strict=True))):
                continue
            chosen.append(overload)
            if result is None:
                result = returns
            elif not self.resolve(result).same(self.resolve(returns)):
                result = t.DYN
        if result is None and node.function in ("_&&_", "_||_"):
            return t.ERROR
        if result is None:
            shown = ", ".join(self._text(a) for a in (args[1:] if member else args))
            prefix = f"{self._text(args[0])}." if member else ""
            return self._fail(node.at, f"found no matching overload for '{node.function}' applied to '{prefix}({shown})'")
        node.overloads = tuple(chosen)
        return result

    def _join(self, previous: t.Type | None, current: t.Type) -> t.Type:
        """The type of both; values of unlike types make it dyn, and are complained of once all types are known."""
        if previous is None or self._try([(previous, current)]):
            return current if previous is None or self._deref(previous).kind == "var" else previous
        return t.DYN

    def _optional_item(self, item: Node) -> t.Type:
        type_ = self._deref(self._visit(item))
        if type_.name == "optional_type" and type_.params:
            return type_.params[0]
        if type_.kind not in ("dyn", "error"):
            self._fail(item.at, f"expected type 'optional_type({self._text(type_)})' but found '{self._text(type_)}'")
        return t.DYN

    def _list(self, node: ListLiteral) -> t.Type:
        item: t.Type | None = None
        for i, child in enumerate(node.items):
            current = self._optional_item(child) if i in node.optional else self._visit(child)
            item = self._join(item, current)
        return t.list_of(item if item is not None else t.TypeVar("T"))

    def _map(self, node: MapLiteral) -> t.Type:
        key: t.Type | None = None
        value: t.Type | None = None
        for k, v, optional in node.entries:
            key = self._join(key, self._visit(k))
            value = self._join(value, self._optional_item(v) if optional else self._visit(v))
        return t.map_of(key or t.TypeVar("K"), value or t.TypeVar("V"))

    def _struct(self, node: StructLiteral) -> t.Type:
        type_ = self._provider(node.name)
        if type_ is None or type_.kind != "object":
            for _, value, _, _ in node.fields:
                self._visit(value)
            return self._fail(node.at, f"undeclared reference to '{node.name}' (in container '')")
        for name, value, optional, at in node.fields:
            found = self._optional_item(value) if optional else self._visit(value)
            field = type_.fields.get(name)
            if field is None:
                if not type_.open:
                    self._fail(at, f"undefined field '{name}'")
            elif not self._try([(field.type, found)]):
                self._fail(at, f"expected type of field '{name}' is '{self._text(field.type)}' but provided type is '{self._text(found)}'")
        return type_

    def _slot(self, name: str) -> str:
        self._slots += 1
        return f"{name}#{self._slots}"

    def _comprehension(self, node: Comprehension) -> t.Type:
        over = self._deref(self._visit(node.over))
        key, value = t.ERROR, t.ERROR
        if over.kind == "list":
            key, value = t.INT, over.params[0]
        elif over.kind == "map":
            key, value = over.params
        elif over.kind in ("dyn", "var", "error"):
            key, value = t.DYN, t.DYN
        else:
            self._fail(
                node.over.at,
                f"expression of type '{self._text(over)}' cannot be range of a comprehension (must be list, map, or dynamic)",
            )
        single = value if over.kind == "list" else key
        scope: dict[str, tuple[str, t.Type]] = {}
        node.slots = (self._slot(node.first), self._slot(node.second) if node.second else "")
        scope[node.first] = (node.slots[0], key if node.second else single)
        if node.second:
            scope[node.second] = (node.slots[1], value)
        self._scopes.append(scope)
        where = self._visit(node.where) if node.where is not None else None
        body = self._visit(node.body)
        self._scopes.pop()
        if node.kind in ("all", "exists"):
            if not self._try([(t.BOOL, body)]):
                self._fail(node.body.at, f"expected type 'bool' but found '{self._text(body)}'")
            return t.BOOL
        if node.kind == "existsOne":
            self._chosen_by(node, body, t.INT)
            return t.BOOL
        if node.kind == "filter":
            result = t.list_of(single)
            self._chosen_by(node, body, result)
            return result
        if node.kind == "sortBy":
            return t.list_of(value)
        if node.kind == "transformMapEntry":
            entry = self._deref(body)
            result = entry if entry.kind == "map" else t.map_of(t.DYN, t.DYN)
        else:
            result = t.map_of(key, body) if node.kind == "transformMap" else t.list_of(body)
        if where is not None:
            self._chosen_by(node, where, result)
        return result

    def _chosen_by(self, node: Comprehension, condition: t.Type, result: t.Type) -> None:
        """The step of a macro's expansion: condition ? with the element : without it."""
        if not self._try([(t.BOOL, condition)]):
            shown = f"{self._text(condition)}, {self._text(result)}, {self._text(result)}"
            self._fail(node.at, f"found no matching overload for '_?_:_' applied to '({shown})'")

    def _optional_map(self, node: OptionalMap) -> t.Type:
        target = self._deref(self._visit(node.target))
        if target.name != "optional_type" and target.kind not in ("dyn", "error", "var"):
            for function in ("hasValue", "value"):
                self._fail(node.at, f"found no matching overload for '{function}' applied to '{self._text(target)}.()'")
        held = target.params[0] if target.name == "optional_type" and target.params else t.DYN
        node.slot = self._slot(node.variable)
        self._scopes.append({node.variable: (node.slot, held)})
        body = self._deref(self._visit(node.body))
        self._scopes.pop()
        return body if node.flat else t.optional_of(body)


_VISITORS: dict[type, Callable[..., t.Type]] = {
    Const: Checker._const, Ident: Checker._ident, Select: Checker._select, Call: Checker._call, ListLiteral: Checker._list,
    MapLiteral: Checker._map, StructLiteral: Checker._struct, Comprehension: Checker._comprehension, OptionalMap: Checker._optional_map,
}  # fmt: skip


def _fresh(overload: Overload) -> tuple[tuple[t.Type, ...], t.Type]:
    """The overload's types with new variables of this call."""
    renamed: dict[t.Type, t.Type] = {}

    def one(type_: t.Type) -> t.Type:
        if type_.kind == "var":
            return renamed.setdefault(type_, t.TypeVar(type_.name))
        if type_.params:
            return t.Type(type_.kind, type_.name, tuple(one(p) for p in type_.params))
        return type_

    return tuple(one(p) for p in overload.params), one(overload.result)


def _walk(node: Node) -> list[Node]:
    out = [node]
    for child in children(node):
        out += _walk(child)
    return out


walk = _walk
