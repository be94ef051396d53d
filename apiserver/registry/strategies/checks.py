"""Checks that many kinds share. Each appends what it finds to `out`; paths are complete field paths. No kind of its own.

Upstream: apimachinery pkg/api/validation, pkg/apis/meta/v1/validation, pkg/util/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from apiserver.context import Obj
from kubepy.api import names
from kubepy.api.errors import Cause, FieldError, duplicate, forbidden_field, go_value, invalid, not_supported, required

Errors = list[FieldError]

NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than zero"
IMMUTABLE = "field is immutable"


def non_negative(out: Errors, obj: Mapping[str, Any], key: str, path: str) -> None:
    """An absent or non-negative number at `path`.`key`."""
    value = obj.get(key)
    if value is not None and value < 0:
        out.append(invalid(f"{path}.{key}" if path else key, value, NEGATIVE))


def enum(out: Errors, value: Any, path: str, supported: Sequence[str], need: bool = True) -> None:
    """One of `supported` (in the order upstream prints); absent or empty is an error where `need`."""
    if not value:
        if need:
            out.append(required(path))
    elif value not in supported:
        out.append(not_supported(path, value, supported))


def named(out: Errors, value: str, path: str, rule: Callable[[str], list[str]]) -> None:
    """A string that satisfies one of the rules of kubepy.api.names."""
    for m in rule(value):
        out.append(invalid(path, value, m))


def required_name(out: Errors, value: str | None, path: str, rule: Callable[[str], list[str]] = names.dns1123_subdomain) -> None:
    """As `named`, but absence has its own message."""
    if not value:
        out.append(required(path))
    else:
        named(out, value, path, rule)


def need(out: Errors, obj: Mapping[str, Any], path: str, *keys: str) -> None:
    """Each key is there and not empty."""
    for key in keys:
        if not obj.get(key):
            out.append(required(f"{path}.{key}" if path else key))


def immutable(out: Errors, new: Any, old: Any, path: str, shown: Any = ...) -> None:
    """The value did not change; `shown` is what the message prints instead of the new value."""
    if new != old:
        out.append(invalid(path, new if shown is ... else shown, IMMUTABLE))


def labels(out: Errors, value: Mapping[str, str] | None, path: str) -> None:
    """A set of labels (ValidateLabels)."""
    if value:
        for k, v in value.items():
            for m in names.qualified_name(k):
                out.append(invalid(path, k, m))
            for m in names.label_value(v):
                out.append(invalid(path, v, m))


def annotation_set(out: Errors, value: Mapping[str, str] | None, path: str) -> None:
    """A set of annotations (ValidateAnnotations); their total size is limited."""
    if value:
        size = 0
        for k, v in value.items():
            size += len(k.encode()) + len(v.encode())
            for m in names.qualified_name(k.lower()):
                out.append(invalid(path, k, m))
        if size > 256 * 1024:
            out.append(FieldError(Cause.TOO_LONG, path, "Too long: may not be more than 262144 bytes"))


def label_name(out: Errors, value: str, path: str) -> None:
    """A label key (ValidateLabelName)."""
    for m in names.qualified_name(value):
        out.append(invalid(path, value, m))


def label_selector(out: Errors, selector: Obj | None, path: str, any_value: bool = False) -> None:
    """A metav1.LabelSelector (ValidateLabelSelector); `any_value` tolerates values that are no label values."""
    if not selector:
        return
    labels(out, selector.get("matchLabels"), f"{path}.matchLabels")
    for i, req in enumerate(selector.get("matchExpressions") or ()):
        at = f"{path}.matchExpressions[{i}]"
        operator, values = req.get("operator") or "", req.get("values") or ()
        if operator in ("In", "NotIn"):
            if not values:
                out.append(required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                out.append(forbidden_field(f"{at}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
        else:
            out.append(invalid(f"{at}.operator", operator, "not a valid selector operator"))
        label_name(out, req.get("key") or "", f"{at}.key")
        if not any_value:
            for j, v in enumerate(values):
                for m in names.label_value(v):
                    out.append(invalid(f"{at}.values[{j}]", v, m))


def port_or_name(out: Errors, value: Any, path: str) -> None:
    """An int-or-string port (ValidatePortNumOrName); absent is number 0."""
    if isinstance(value, str):
        named(out, value, path, names.port_name)
    else:
        value = value or 0
        if not 1 <= value <= 65535:
            out.append(invalid(path, value, "must be between 1 and 65535, inclusive"))


def port(out: Errors, value: int | None, path: str) -> None:
    """A port number from 1 to 65535."""
    value = value or 0
    if not 1 <= value <= 65535:
        out.append(invalid(path, value, "must be between 1 and 65535, inclusive"))


def percent_value(value: Any) -> int | None:
    """The number of a percentage such as `25%`, None for anything else (getPercentValue)."""
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdigit():
        return int(value[:-1])
    return None


def int_or_percent(out: Errors, value: Any, path: str) -> None:
    """A non-negative number or a percentage (ValidatePositiveIntOrPercent)."""
    if isinstance(value, str):
        named(out, value, path, names.percent)
    elif value is not None and value < 0:
        out.append(invalid(path, value, NEGATIVE))


def at_most_hundred_percent(out: Errors, value: Any, path: str) -> None:
    """IsNotMoreThan100Percent."""
    number = percent_value(value)
    if number is not None and number > 100:
        out.append(invalid(path, value, "must not be greater than 100%"))


def at_least(old: Any, new: Any) -> bool:
    """Whether two optional numbers do not decrease."""
    return (new or 0) >= (old or 0)


def not_found(path: str, value: Any, detail: str = "") -> FieldError:
    """`Not found: <value>: <detail>`."""
    text = f"Not found: {go_value(value)}"
    return FieldError(Cause.NOT_FOUND, path, f"{text}: {detail}" if detail else text)


def duplicate_because(path: str, value: str, detail: str) -> FieldError:
    """`Duplicate value: <value>: <detail>`; `value` is JSON already."""
    return FieldError(Cause.DUPLICATE, path, f"Duplicate value: {value}: {detail}")


def unique(out: Errors, values: Iterable[Any], path: str) -> None:
    """No value twice; each repetition is reported at its index."""
    seen = set()
    for i, value in enumerate(values):
        if value in seen:
            out.append(duplicate(f"{path}[{i}]", value))
        seen.add(value)


_CONDITION_STATUSES = ("False", "True", "Unknown")


def conditions(out: Errors, value: Sequence[Obj] | None, path: str) -> None:
    """A list of metav1.Condition (ValidateConditions)."""
    seen: set[str] = set()
    for i, c in enumerate(value or ()):
        at = f"{path}[{i}]"
        kind = c.get("type") or ""
        if kind in seen:
            out.append(duplicate(f"{at}.type", kind))
        seen.add(kind)
        label_name(out, kind, f"{at}.type")
        status = c.get("status") or ""
        if status not in _CONDITION_STATUSES:
            out.append(not_supported(f"{at}.status", status, _CONDITION_STATUSES))
        if (generation := c.get("observedGeneration") or 0) < 0:
            out.append(invalid(f"{at}.observedGeneration", generation, "must be greater than or equal to zero"))
        if not c.get("lastTransitionTime"):
            out.append(required(f"{at}.lastTransitionTime"))
        reason = c.get("reason") or ""
        if not reason:
            out.append(required(f"{at}.reason"))
        else:
            for m in condition_reason(reason):
                out.append(invalid(f"{at}.reason", reason, m))
            if len(reason) > 1024:
                out.append(FieldError(Cause.TOO_LONG, f"{at}.reason", "Too long: may not be more than 1024 bytes"))
        if len((c.get("message") or "").encode()) > 32768:
            out.append(FieldError(Cause.TOO_LONG, f"{at}.message", "Too long: may not be more than 32768 bytes"))


_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON_MATCH = re.compile(_REASON).fullmatch
_REASON_MESSAGE = names.regex_error(
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', "
    "and must end with an alphanumeric character or '_'",
    _REASON,
    "my_name",
    "MY_NAME",
    "MyName",
    "ReasonA,ReasonB",
    "ReasonA:ReasonB",
)


def condition_reason(value: str) -> list[str]:
    """What is wrong with the reason of a condition (isValidConditionReason)."""
    return [] if _REASON_MATCH(value) else [_REASON_MESSAGE]


def domain_prefixed_path(path: str, value: str) -> list[FieldError]:
    """IsDomainPrefixedPath: a domain, a slash and a path."""
    if not value:
        return [required(path)]
    domain, slash, rest = value.partition("/")
    if not slash or not domain:
        return [invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    out = [invalid(path, domain, m) for m in names.dns1123_subdomain(domain)]
    if not rest:
        out.append(invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")'))
    return out
