"""The error of a patch that cannot be applied, ready to be answered as a metav1.Status."""

from __future__ import annotations

from typing import Any

from kubepy.api.errors import StatusError
from kubepy.api.gotext import number_text

_UNEXPLAINED = "the server rejected our request due to an error in our request"


class PatchError(StatusError):
    """A patch that cannot be decoded (400) or applied (422, 500).

    `detail` always tells what is wrong. The answer's message tells it too, except for 422, where upstream answers
    a generic sentence (apiserver pkg/endpoints/handlers/patch.go: NewGenericServerResponse without server message).
    """

    def __init__(self, detail: str, code: int = 400) -> None:
        reason = {400: "BadRequest", 413: "RequestEntityTooLarge", 422: "Invalid"}.get(code, "")
        super().__init__(_UNEXPLAINED if code == 422 else detail, reason=reason, code=code, details={} if code == 422 else None)
        self.detail = detail


def go_kind(value: Any) -> str:
    """What encoding/json calls the kind of a JSON value in its errors."""
    if isinstance(value, bool):
        return "bool"
    if value is None:
        return "null"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return "number"
    return "array" if isinstance(value, list) else "object"


def go_print(value: Any) -> str:
    """A JSON value as Go's %v prints it: `map[a:1 b:[x y]]`, `<nil>`, strings bare."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{go_print(value[k])}" for k in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_print, value)) + "]"
    return number_text(value) if isinstance(value, (int, float)) else str(value)
