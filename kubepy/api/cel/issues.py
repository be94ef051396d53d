"""Errors of expressions as upstream prints them: place, message, the line and a caret."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any


class CompileError(Exception):
    """An expression that does not compile; the text is upstream's, one block per issue, in the order of their places.

    `stage` is what upstream says has failed.
    """

    stage = "compilation failed"


class InstantiationError(CompileError):
    """An expression that compiles but makes no program."""

    stage = "program instantiation failed"


def render(source: str, issues: Iterable[tuple[int, str]]) -> str:
    """`ERROR: <input>:1:5: message` with the line and a caret below, for each (offset, message)."""
    return "\n".join(_one(source, at, message) for at, message in sorted(set(issues)))


def _one(source: str, at: int, message: str) -> str:
    line = source.count("\n", 0, at)
    start = source.rfind("\n", 0, at) + 1
    end = source.find("\n", start)
    text = source[start : end if end >= 0 else len(source)]
    return f"ERROR: <input>:{line + 1}:{at - start + 1}: {message}\n | {text}\n | {'.' * (at - start)}^"


@lru_cache(maxsize=1)
def _grammar() -> Any:
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_optional

    return cel.NewEnv(extensions=[ext_optional.ExtOptional()])


@lru_cache(maxsize=1024)
def syntax_error(source: str, fallback: str) -> str:
    """What upstream's grammar says about a text that does not parse; `fallback` when it has no objection."""
    try:
        _grammar().compile(source, disable_check=True)
    except Exception as e:
        text = str(e).removeprefix("INVALID_ARGUMENT: ").removesuffix(" [INVALID_ARGUMENT]")
        text = text.partition("\nERROR: <input>:4294967295")[0]
        if "ERROR: <input>" in text:
            return text.replace("'\\u003F'", "'?'")
    return fallback
