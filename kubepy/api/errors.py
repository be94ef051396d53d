"""API errors: one tree of exceptions that maps one to one onto metav1.Status. Pure; does no I/O.

StatusError
├── BadRequest 400            ├── Conflict 409 (reason Conflict)
├── Unauthorized 401          ├── AlreadyExists 409
├── Forbidden 403             ├── Gone 410 (reason Expired or Gone)
├── NotFound 404              ├── RequestEntityTooLarge 413
├── MethodNotAllowed 405      ├── UnsupportedMediaType 415
├── NotAcceptable 406         ├── Invalid 422 (carries FieldErrors)
├── TooManyRequests 429       ├── InternalError 500
├── ServiceUnavailable 503    └── Timeout 504
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from kubepy.api.gotext import json_text, number_text, quote


class Cause(StrEnum):
    """Reasons of a single field's error (metav1.CauseType; apimachinery field.ErrorType)."""

    INVALID = "FieldValueInvalid"
    REQUIRED = "FieldValueRequired"
    DUPLICATE = "FieldValueDuplicate"
    NOT_FOUND = "FieldValueNotFound"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    TYPE_INVALID = "FieldValueTypeInvalid"
    INTERNAL = "InternalError"


_CAUSE_TEXT = {
    Cause.INVALID: "Invalid value",
    Cause.REQUIRED: "Required value",
    Cause.DUPLICATE: "Duplicate value",
    Cause.NOT_FOUND: "Not found",
    Cause.NOT_SUPPORTED: "Unsupported value",
    Cause.FORBIDDEN: "Forbidden",
    Cause.TOO_LONG: "Too long",
    Cause.TOO_MANY: "Too many",
    Cause.TYPE_INVALID: "Invalid value",
    Cause.INTERNAL: "Internal error",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One validation failure of one field; `field` is a path such as `spec.ports[0].name`.

    `message` is the body after the field: upstream's `ErrorBody()`, e.g. `Required value: name or generateName is required`.
    """

    cause: Cause
    field: str
    message: str

    def status_cause(self) -> dict[str, str]:
        """The entry of metav1.Status.details.causes."""
        return {"reason": str(self.cause), "message": self.message, "field": self.field}

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def go_value(value: Any) -> str:
    """Print a value the way upstream's field errors do: strings as %q, floats as %v, the rest as JSON."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number_text(value)
    return json_text(value)


def _body(cause: Cause, detail: str, value: Any = ..., /) -> str:
    text = _CAUSE_TEXT[cause]
    if value is not ...:
        text += ": " + go_value(value)
    return f"{text}: {detail}" if detail else text


def invalid(field: str, value: Any, detail: str) -> FieldError:
    """`Invalid value: <value>: <detail>`."""
    return FieldError(Cause.INVALID, field, _body(Cause.INVALID, detail, value))


def required(field: str, detail: str = "") -> FieldError:
    """`Required value: <detail>`."""
    return FieldError(Cause.REQUIRED, field, _body(Cause.REQUIRED, detail))


def duplicate(field: str, value: Any) -> FieldError:
    """`Duplicate value: <value>`."""
    return FieldError(Cause.DUPLICATE, field, _body(Cause.DUPLICATE, "", value))


def not_found_field(field: str, value: Any) -> FieldError:
    """`Not found: <value>`."""
    return FieldError(Cause.NOT_FOUND, field, _body(Cause.NOT_FOUND, "", value))


def not_supported(field: str, value: Any, supported: Iterable[str]) -> FieldError:
    """`Unsupported value: <value>: supported values: "a", "b"` (values in the order upstream prints: sorted)."""
    values = ", ".join(go_value(v) for v in supported)
    return FieldError(Cause.NOT_SUPPORTED, field, _body(Cause.NOT_SUPPORTED, f"supported values: {values}" if values else "", value))


def forbidden_field(field: str, detail: str) -> FieldError:
    """`Forbidden: <detail>`."""
    return FieldError(Cause.FORBIDDEN, field, _body(Cause.FORBIDDEN, detail))


def too_long(field: str, limit: int) -> FieldError:
    """`Too long: may not be more than <limit> bytes`."""
    unit = "byte" if limit == 1 else "bytes"
    detail = f"may not be more than {limit} {unit}" if limit >= 0 else "value is too long"
    return FieldError(Cause.TOO_LONG, field, _body(Cause.TOO_LONG, detail))


def too_many(field: str, actual: int, limit: int) -> FieldError:
    """`Too many: <actual>: must have at most <limit> items`."""
    unit = "item" if limit == 1 else "items"
    detail = f"must have at most {limit} {unit}" if limit >= 0 else "has too many items"
    return FieldError(Cause.TOO_MANY, field, _body(Cause.TOO_MANY, detail, actual))


def type_invalid(field: str, value: Any, detail: str) -> FieldError:
    """`Invalid value: <value>: <detail>` with reason FieldValueTypeInvalid."""
    return FieldError(Cause.TYPE_INVALID, field, _body(Cause.TYPE_INVALID, detail, value))


class StatusError(Exception):
    """An error that the API answers as a metav1.Status; `details` and `headers` may be empty."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        reason: str | None = None,
        code: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.headers = tuple(headers)
        self._reason = reason
        self._code = code

    @property
    def status_code(self) -> int:
        """The HTTP status, equal to Status.code."""
        return self._code or self.code

    @property
    def status_reason(self) -> str:
        """metav1.StatusReason; may be empty."""
        return self.reason if self._reason is None else self._reason

    def status(self) -> dict[str, Any]:
        """The metav1.Status object."""
        out: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message}
        if self.status_reason:
            out["reason"] = self.status_reason
        if self.details is not None:
            out["details"] = self.details
        out["code"] = self.status_code
        return out

    @staticmethod
    def from_status(status: dict[str, Any]) -> StatusError:
        """The error that a metav1.Status answer describes (used by clients)."""
        cls = _BY_REASON.get(status.get("reason", ""), StatusError)
        return cls(status.get("message", ""), details=status.get("details"), reason=status.get("reason", ""), code=status.get("code"))


def resource_text(group: str, plural: str) -> str:
    """`pods` or `deployments.apps`: how upstream names a resource in messages."""
    return f"{plural}.{group}" if group else plural


def _details(group: str, kind: str, name: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    if name:
        out["name"] = name
    if group:
        out["group"] = group
    if kind:
        out["kind"] = kind
    return out


class BadRequest(StatusError):
    code, reason = 400, "BadRequest"


class Unauthorized(StatusError):
    code, reason = 401, "Unauthorized"


class Forbidden(StatusError):
    code, reason = 403, "Forbidden"


class NotFound(StatusError):
    code, reason = 404, "NotFound"

    @classmethod
    def of(cls, group: str, plural: str, name: str) -> NotFound:
        """`pods "x" not found`."""
        return cls(f'{resource_text(group, plural)} "{name}" not found', details=_details(group, plural, name))


class MethodNotAllowed(StatusError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(StatusError):
    code, reason = 406, "NotAcceptable"


class Conflict(StatusError):
    code, reason = 409, "Conflict"

    @classmethod
    def of(cls, group: str, plural: str, name: str, detail: str) -> Conflict:
        """`Operation cannot be fulfilled on pods "x": <detail>`."""
        return cls(
            f'Operation cannot be fulfilled on {resource_text(group, plural)} "{name}": {detail}', details=_details(group, plural, name)
        )

    @classmethod
    def modified(cls, group: str, plural: str, name: str) -> Conflict:
        """The optimistic-lock failure of an update with a stale resourceVersion."""
        return cls.of(group, plural, name, "the object has been modified; please apply your changes to the latest version and try again")


class AlreadyExists(StatusError):
    code, reason = 409, "AlreadyExists"

    @classmethod
    def of(cls, group: str, plural: str, name: str) -> AlreadyExists:
        """`pods "x" already exists`."""
        return cls(f'{resource_text(group, plural)} "{name}" already exists', details=_details(group, plural, name))


class Gone(StatusError):
    code, reason = 410, "Expired"


class RequestEntityTooLarge(StatusError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(StatusError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(StatusError):
    code, reason = 422, "Invalid"

    @classmethod
    def of(cls, group: str, kind: str, name: str, errors: Sequence[FieldError]) -> Invalid:
        """`Pod "x" is invalid: spec.containers: Required value`, with one cause per error (several are bracketed)."""
        texts = list(dict.fromkeys(str(e) for e in errors))
        text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
        details = _details(group, kind, name)
        details["causes"] = [e.status_cause() for e in errors]
        return cls(f'{resource_text(group, kind)} "{name}" is invalid: {text}', details=details)


class TooManyRequests(StatusError):
    code, reason = 429, "TooManyRequests"


class InternalError(StatusError):
    code, reason = 500, "InternalError"

    @classmethod
    def of(cls, detail: str) -> InternalError:
        """`Internal error occurred: <detail>`."""
        return cls(f"Internal error occurred: {detail}", details={"causes": [{"message": detail}]})


class ServiceUnavailable(StatusError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(StatusError):
    code, reason = 504, "Timeout"


_BY_REASON: dict[str, type[StatusError]] = {
    cls.reason: cls
    for cls in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, Conflict, AlreadyExists, Gone,
        RequestEntityTooLarge, UnsupportedMediaType, Invalid, TooManyRequests, InternalError, ServiceUnavailable, Timeout,
    )
}  # fmt: skip
_BY_REASON["Gone"] = Gone
