"""Paths of fields, as upstream prints them, and field errors as its validators make them."""

from __future__ import annotations

from typing import Any

import orjson

from kubepy.api.errors import Cause, FieldError

ROOT = "<nil>"
"""How a nil field path prints: errors about the whole object."""


def child(path: str, name: str) -> str:
    """`path.name`; the root has no name."""
    return f"{path}.{name}" if path and path != ROOT else name


def key(path: str, name: str) -> str:
    """`path[name]`."""
    return f"{path if path != ROOT else ''}[{name}]"


def shown(path: str) -> str:
    """The path as it is reported."""
    return path or ROOT


def go_json(value: Any) -> str:
    """JSON with HTML's characters escaped, as Go's encoder writes it into messages."""
    text = orjson.dumps(value).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e") if text[:1] == "{" or text[:1] == "[" else text


def error(cause: Cause, path: str, label: str, detail: str = "", value: Any = ...) -> FieldError:
    """`<label>[: <value>][: <detail>]`; without a value where it is ..."""
    text = label
    if value is not ...:
        text += f": {go_json(value)}"
    return FieldError(cause, shown(path), f"{text}: {detail}" if detail else text)


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """`Invalid value: <value>: <detail>`."""
    return error(Cause.INVALID, path, "Invalid value", detail, value)


def forbidden(path: str, detail: str) -> FieldError:
    """`Forbidden: <detail>`."""
    return error(Cause.FORBIDDEN, path, "Forbidden", detail)


def required(path: str, detail: str = "") -> FieldError:
    """`Required value[: <detail>]`."""
    return error(Cause.REQUIRED, path, "Required value", detail)
