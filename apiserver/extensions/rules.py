"""x-kubernetes-validations: the rules of a schema, compiled, and their evaluation over objects.

Upstream: apiextensions-apiserver pkg/apiserver/schema/cel/{compilation,validation}.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apiserver.extensions import paths
from apiserver.extensions.fieldpath import PathError, resolve
from apiserver.extensions.values import NO_OLD, by_keys, item_key
from kubepy.api.cel import types as t
from kubepy.api.cel.cost import PER_CALL_LIMIT, RUNTIME_BUDGET
from kubepy.api.cel.env import Environment, Program
from kubepy.api.cel.issues import CompileError
from kubepy.api.cel.schema import declare, escape
from kubepy.api.cel.values import NONE, CelError, Optional
from kubepy.api.errors import Cause, FieldError

Schema = Mapping[str, Any]
MAX_MESSAGE = 5 * 1024
"""Bytes of what a messageExpression may say."""
_NO_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


@dataclass(frozen=True)
class Rule:
    """One rule; `error` and `message_error` say why it or its messageExpression does not compile."""

    raw: Schema
    program: Program | None = None
    error: str = ""
    message: Program | None = None
    message_error: str = ""
    field_path: str = ""

    @property
    def text(self) -> str:
        """The rule as errors name it: by its message where it has one."""
        return (self.raw.get("message") or "").strip() or (self.raw.get("rule") or "").strip()

    @property
    def uses_old(self) -> bool:
        """Whether this is a transition rule."""
        return self.program is not None and "oldSelf" in self.program.uses


def compile_rules(schema: Schema, type_: t.Type | None) -> list[Rule]:
    """The rules of one node of a schema, in order."""
    raws = schema.get("x-kubernetes-validations") or ()
    if not raws:
        return []
    if type_ is None:
        return [Rule(raw, error="failed to convert to declType for CEL validation rules") for raw in raws]
    plain = Environment({"self": type_, "oldSelf": type_})
    optional = Environment({"self": type_, "oldSelf": t.optional_of(type_)})
    return [_compile(raw, optional if raw.get("optionalOldSelf") else plain, schema) for raw in raws]


def _compile(raw: Schema, env: Environment, schema: Schema) -> Rule:
    source = raw.get("rule") or ""
    if not source.strip():
        return Rule(raw)
    try:
        program = env.compile(source)
    except CompileError as e:
        return Rule(raw, error=f"{e.stage}: {e}")
    if program.type.kind != "bool":
        return Rule(raw, error="cel expression must evaluate to a bool")
    message: Program | None = None
    wrong = ""
    if raw.get("messageExpression"):
        try:
            message = env.compile(raw["messageExpression"])
            if message.type.kind != "string":
                message, wrong = None, "messageExpression must evaluate to a string"
        except CompileError as e:
            wrong = f"messageExpression {e.stage}: {e}"
    field_path = ""
    if raw.get("fieldPath"):
        try:
            field_path = resolve(raw["fieldPath"], schema)[1]
        except PathError:
            field_path = ""
    return Rule(raw, program, "", message, wrong, field_path)


@dataclass
class Tree:
    """The rules of a schema and all that lies below; only nodes with rules exist."""

    rules: list[Rule]
    schema: Schema
    type: t.Type | None
    properties: dict[str, Tree] = field(default_factory=dict)
    items: Tree | None = None
    extra: Tree | None = None
    all_of: list[Tree] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (self.rules or self.properties or self.items or self.extra or self.all_of)


def tree_of(schema: Schema, *, root: bool = True) -> Tree | None:
    """The rules of a schema, None when it has none. `root` for the schema of a resource."""
    if not _has_rules(schema):
        return None
    return _tree(schema, schema, declare(schema, root=root))


def _has_rules(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        return bool(schema.get("x-kubernetes-validations")) or any(_has_rules(v) for k, v in schema.items() if k not in ("default", "enum"))
    return isinstance(schema, list) and any(map(_has_rules, schema))


def _tree(schema: Schema, node: Schema, type_: t.Type | None) -> Tree | None:
    """`schema` holds the rules, `node` the types: they differ inside allOf."""
    out = Tree(compile_rules({**node, "x-kubernetes-validations": schema.get("x-kubernetes-validations")}, type_), node, type_)
    items, node_items = schema.get("items"), node.get("items")
    element = type_.params[0] if type_ is not None and type_.kind == "list" else None
    if isinstance(items, Mapping) and isinstance(node_items, Mapping):
        out.items = _tree(items, node_items, element)
    for name, child in (schema.get("properties") or {}).items():
        below = (node.get("properties") or {}).get(name)
        if below is None:
            continue
        spelled = escape(name)
        if spelled is not None:
            found = type_.fields.get(spelled) if type_ is not None else None
            child_type = found.type if found is not None else None
        else:
            child_type = declare(below, root=bool(below.get("x-kubernetes-embedded-resource")))
        if child_type is None:
            continue
        tree = _tree(child, below, child_type)
        if tree is not None:
            out.properties[name] = tree
    extra, node_extra = schema.get("additionalProperties"), node.get("additionalProperties")
    if isinstance(extra, Mapping) and isinstance(node_extra, Mapping):
        out.extra = _tree(extra, node_extra, type_.params[1] if type_ is not None and type_.kind == "map" else None)
    for branch in schema.get("allOf") or ():
        tree = _tree(branch, node, type_)
        if tree is not None:
            out.all_of.append(tree)
    return None if out.empty else out


class Evaluation:
    """One object's way through its rules: errors, warnings of ratcheted ones, and the budget they share."""

    def __init__(self, *, ratchet: bool) -> None:
        self.errors: list[FieldError] = []
        self.warnings: list[str] = []
        self.budget = RUNTIME_BUDGET
        self._ratchet = ratchet

    def run(self, tree: Tree, value: Any, old: Any = NO_OLD) -> None:
        """Evaluate all rules; `old` is the object before an update."""
        self._visit(tree, value, old, "", None, root=True)

    def _visit(self, tree: Tree, value: Any, old: Any, path: str, parent: tuple[Any, Any] | None, *, root: bool = False) -> None:
        """`parent` is the nearest part with a counterpart in the old object, and that counterpart."""
        if old is None:
            old = NO_OLD
        if tree.rules and value is not None:
            self._rules(tree, value, old, path, parent)
        if self.budget < 0:
            return
        for branch in tree.all_of:
            self._visit(branch, value, old, path, parent)
            if self.budget < 0:
                return
        nearest = (value, old) if old is not NO_OLD else parent
        if isinstance(value, dict):
            self._map(tree, value, old, path, nearest, root)
        elif isinstance(value, list) and tree.items is not None:
            keys = tuple(tree.schema.get("x-kubernetes-list-map-keys") or ())
            keyed = tree.schema.get("x-kubernetes-list-type") == "map" and isinstance(old, list)
            olds = by_keys(old, keys) if keyed else {}
            for i, item in enumerate(value):
                before = olds.get(item_key(item, keys), NO_OLD) if keyed else NO_OLD
                self._visit(tree.items, item, before, f"{path}[{i}]", nearest)
                if self.budget < 0:
                    return

    def _map(self, tree: Tree, value: dict[str, Any], old: Any, path: str, nearest: tuple[Any, Any] | None, root: bool) -> None:
        olds = old if isinstance(old, dict) and tree.schema.get("x-kubernetes-map-type") != "atomic" else {}
        if tree.extra is not None:
            for name, child in value.items():
                self._visit(tree.extra, child, olds.get(name, NO_OLD), paths.key(path, name), nearest)
                if self.budget < 0:
                    return
        for name, sub in tree.properties.items():
            if name in value:
                above = None if root and name in ("apiVersion", "kind") else nearest
                self._visit(sub, value[name], olds.get(name, NO_OLD), paths.child(path, name), above)
                if self.budget < 0:
                    return

    def _stop(self, path: str, kind: str, detail: str) -> None:
        self.errors.append(paths.invalid(path, kind, detail))
        self.budget = -1

    def _rules(self, tree: Tree, value: Any, old: Any, path: str, parent: tuple[Any, Any] | None) -> None:
        kind = tree.schema.get("type") or ""
        if self.budget <= 0:
            self._stop(path, kind, _NO_BUDGET)
            return
        convert = tree.type.convert if tree.type is not None else None
        try:
            now = convert(value) if convert is not None else value
            before = old if old is NO_OLD or convert is None else convert(old)
        except CelError as e:
            self.errors.append(paths.invalid(path, kind, str(e)))
            return
        for rule in tree.rules:
            if rule.error:
                self.errors.append(paths.invalid(path, kind, f"rule compile error: {rule.error}"))
                continue
            optional = bool(rule.raw.get("optionalOldSelf"))
            if rule.program is None or (rule.uses_old and old is NO_OLD and not optional):
                continue
            scope: dict[str, Any] = {"self": now}
            if optional:
                scope["oldSelf"] = NONE if before is NO_OLD else Optional(before)
            elif before is not NO_OLD:
                scope["oldSelf"] = before
            try:
                holds = self._spend(rule.program, scope)
            except CelError as e:
                text = str(e)
                if text.startswith("no such overload"):
                    reason = "call arguments did not match a supported operator, function or macro signature for rule"
                    self.errors.append(paths.invalid(path, kind, f"'{text}': {reason}: {rule.text}"))
                elif text.startswith("operation cancelled: actual cost limit exceeded"):
                    reason = "no further validation rules will be run due to call cost exceeds limit for rule"
                    self._stop(path, kind, f"'{text}': {reason}: {rule.text}")
                    return
                else:
                    self.errors.append(paths.invalid(path, kind, f"{text} evaluating rule: {rule.text}"))
                continue
            if holds is not True:
                self._failed(tree, rule, value, old, path, parent, scope)

    def _spend(self, program: Program, scope: dict[str, Any]) -> Any:
        limit = min(self.budget, PER_CALL_LIMIT)
        left = [limit]
        try:
            return program.eval(scope, budget=left)
        finally:
            self.budget -= limit - max(left[0], 0) + min(program.cost.low, 1000)

    def _failed(
        self, tree: Tree, rule: Rule, value: Any, old: Any, path: str, parent: tuple[Any, Any] | None, scope: dict[str, Any]
    ) -> None:
        at = paths.child(path, rule.field_path) if rule.field_path else path
        raw_message = rule.raw.get("message") or ""
        detail = raw_message.strip() if raw_message else f"failed rule: {rule.text}"
        if rule.message is not None:
            detail = self._message(rule.message, scope) or detail
        shown = ... if tree.schema.get("type") in ("object", "array") else value
        reason = rule.raw.get("reason")
        if reason == "FieldValueForbidden":
            error = paths.forbidden(at, detail)
        elif reason == "FieldValueRequired":
            error = paths.required(at, detail)
        elif reason == "FieldValueDuplicate":
            error = paths.error(Cause.DUPLICATE, at, "Duplicate value", "", shown)
        else:
            error = paths.error(Cause.INVALID, at, "Invalid value", detail, shown)
        compared = (value, old) if old is not NO_OLD else parent
        if self._ratchet and not rule.uses_old and compared is not None and compared[0] == compared[1]:
            self.warnings.append(str(error))
        else:
            self.errors.append(error)

    def _message(self, program: Program, scope: dict[str, Any]) -> str:
        """What the messageExpression says; empty when it fails or says nothing fit to be shown."""
        try:
            text = self._spend(program, scope)
        except CelError:
            return ""
        text = text.strip() if isinstance(text, str) else ""
        return "" if "\n" in text or len(text.encode()) > MAX_MESSAGE else text
