"""Environments and compiled expressions: the package's front door. Compilations are cached; programs are safe to share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any

from kubepy.api.cel import cost, parser
from kubepy.api.cel import types as t
from kubepy.api.cel.ast import Node
from kubepy.api.cel.checker import Checker
from kubepy.api.cel.evaluate import BUDGET, compile_node
from kubepy.api.cel.functions import Table
from kubepy.api.cel.issues import CompileError, InstantiationError, render, syntax_error
from kubepy.api.cel.lib import authorizer, kubernetes, lists, network, standard, strings
from kubepy.api.cel.lib.admission import MUTATION_FUNCTIONS
from kubepy.api.cel.validators import Unusable, check_program, validate
from kubepy.api.cel.values import CelError

BASE: Table = {}
for _table in (standard.TABLE, strings.TABLE, lists.TABLE, network.TABLE, kubernetes.TABLE, authorizer.TABLE):
    for _name, _overloads in _table.items():
        BASE.setdefault(_name, []).extend(_overloads)

_MAX_CACHED = 4096


@cache
def _functions(without: frozenset[str]) -> Table:
    return {name: found for name, found in BASE.items() if name not in without} if without else BASE


def _no_types(_name: str) -> t.Type | None:
    return None


class Program:
    """A compiled expression: `type` of its result, the variables it `uses`, what it costs, and how to run it."""

    def __init__(self, source: str, root: Node, type_: t.Type, uses: frozenset[str], about: t.Type | None = None) -> None:
        self.source = source
        self.type = type_
        self.uses = uses
        self._root = root
        self._about = about
        self._run = compile_node(root)

    @cached_property
    def cost(self) -> cost.Range:
        """The estimated cost of one evaluation."""
        return cost.estimate(self._root, self._about)

    def eval(self, variables: Mapping[str, Any], *, budget: list[int] | None = None) -> Any:
        """The result as a CEL value; raises CelError.

        `budget` is a one-element list that loops draw from; several evaluations may share it.
        """
        env = dict(variables)
        if budget is not None:
            env[BUDGET] = budget
        try:
            return self._run(env)
        except RecursionError:
            raise CelError("evaluation is nested too deeply") from None


class Environment:
    """Declared variables and types, over all of Kubernetes' functions.

    `types` finds the object types that expressions may construct or name. Environments are immutable.
    """

    def __init__(
        self,
        variables: Mapping[str, t.Type],
        types: Callable[[str], t.Type | None] = _no_types,
        *,
        without: frozenset[str] = MUTATION_FUNCTIONS,
    ) -> None:
        self.variables = dict(variables)
        self.types = types
        self._functions = _functions(without)
        self._programs: dict[str, Program | CompileError] = {}

    def compile(self, source: str) -> Program:
        """The program of an expression; raises CompileError with upstream's text (without `compilation failed: `)."""
        known = self._programs.get(source)
        if known is None:
            if len(self._programs) >= _MAX_CACHED:
                self._programs.clear()
            try:
                known = self._compile(source)
            except CompileError as e:
                known = e
            self._programs[source] = known
        if isinstance(known, CompileError):
            raise known
        return known

    def _shown(self, text: str) -> str:
        """Types that are declared as parts of a larger one are called after where `self` begins, under a name of chance."""
        base = _base(self.variables.get("self"))
        return text.replace(base, f"selfType{time.time_ns() % 10**9}") if base.startswith("@") else text

    def _compile(self, source: str) -> Program:
        if len(source) > parser.MAX_LENGTH:
            raise CompileError(f"expression code point size exceeds limit: size: {len(source)}, limit {parser.MAX_LENGTH}")
        try:
            root = parser.parse(source)
        except parser.ParseError as e:
            text = render(source, [(e.at, e.message)])
            raise CompileError(text if e.own else syntax_error(source, text)) from None
        checker = Checker(self._functions, self.variables, self.types)
        type_ = checker.check(root)
        issues = checker.issues or validate(root)
        if issues:
            raise CompileError(self._shown(render(source, issues)))
        try:
            check_program(root)
        except Unusable as e:
            raise InstantiationError(str(e)) from None
        return Program(source, root, type_, frozenset(checker.used), self.variables.get("self"))


def _base(type_: t.Type | None) -> str:
    """The name that objects inside a type begin with."""
    if type_ is None or type_.kind not in ("object", "list", "map"):
        return ""
    if type_.kind == "object":
        return type_.name
    return _base(type_.params[-1]).removesuffix(".@idx" if type_.kind == "list" else ".@elem")


def dyn_environment(*names: str) -> Environment:
    """An environment of variables without declared types."""
    return Environment(dict.fromkeys(names, t.DYN))
