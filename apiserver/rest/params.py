"""Query parameters of the verbs: ListOptions, CreateOptions, UpdateOptions, PatchOptions, DeleteOptions, with their checks. Pure.

Upstream: apimachinery pkg/apis/meta/v1/validation, pkg/apis/meta/internalversion/validation, pkg/runtime conversion of strings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from apiserver.registry.objectmeta import field_manager_errors
from kubepy.api import errors
from kubepy.api.errors import FieldError

Query = Mapping[str, Sequence[str]]
_META = "meta.k8s.io"
_DRY_RUN = ("All",)
_FIELD_VALIDATION = ("", "Ignore", "Strict", "Warn")
EXACT = "Exact"
NOT_OLDER_THAN = "NotOlderThan"


def parse(query: bytes) -> dict[str, list[str]]:
    """The parameters in order; each name with all its values."""
    out: dict[str, list[str]] = {}
    if not query:
        return out
    for pair in query.decode("latin-1").split("&"):
        if not pair:
            continue
        key, _, value = pair.partition("=")
        if "%" in value or "+" in value:
            value = unquote_plus(value)
        if "%" in key or "+" in key:
            key = unquote_plus(key)
        out.setdefault(key, []).append(value)
    return out


def text(query: Query, name: str) -> str:
    """The first value, or an empty string."""
    values = query.get(name)
    return values[0] if values else ""


def flag(query: Query, name: str) -> bool | None:
    """A boolean; None where the parameter is missing. Anything but "false" and "0" is true, an empty value too."""
    values = query.get(name)
    if not values:
        return None
    return values[0].lower() not in ("false", "0")


def integer(query: Query, name: str) -> int | None:
    """A 64-bit integer, None where the parameter is missing or empty. Raises BadRequest."""
    values = query.get(name)
    if not values or values[0] == "":
        return None
    value = values[0]
    digits = value[1:] if value[:1] in "+-" else value
    if not (digits.isascii() and digits.isdigit()):
        raise errors.BadRequest(f"strconv.ParseInt: parsing {errors.go_value(value)}: invalid syntax")
    number = int(value)
    if not -(1 << 63) <= number < 1 << 63:
        raise errors.BadRequest(f"strconv.ParseInt: parsing {errors.go_value(value)}: value out of range")
    return number


@dataclass(slots=True)
class ListOptions:
    """metav1.ListOptions as parsed; selectors are still text."""

    label_selector: str = ""
    field_selector: str = ""
    watch: bool = False
    bookmarks: bool = False
    version: str = ""
    match: str = ""
    timeout: int | None = None
    limit: int = 0
    token: str = ""
    initial_events: bool | None = None


_NO_OPTIONS = ListOptions()


def list_options(query: Query) -> ListOptions:
    """Parse and check; raises BadRequest, Invalid."""
    if not query:
        return _NO_OPTIONS
    return ListOptions(
        text(query, "labelSelector"),
        text(query, "fieldSelector"),
        flag(query, "watch") or False,
        flag(query, "allowWatchBookmarks") or False,
        text(query, "resourceVersion"),
        text(query, "resourceVersionMatch"),
        integer(query, "timeoutSeconds"),
        integer(query, "limit") or 0,
        text(query, "continue"),
        flag(query, "sendInitialEvents"),
    )


def check_list(o: ListOptions) -> None:
    """ValidateListOptions; for watches as well. Sets the defaults of watches first. Raises Invalid."""
    if o is _NO_OPTIONS:
        return
    found: list[FieldError] = []
    path = "resourceVersionMatch"
    if o.watch:
        if o.initial_events is None and not o.match and o.version in ("", "0"):
            o.initial_events, o.match = True, NOT_OLDER_THAN
        if o.initial_events is not None and o.match != NOT_OLDER_THAN:
            found.append(errors.forbidden_field(path, f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER_THAN}"))
        if o.match:
            if o.initial_events is None:
                text_ = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
                found.append(errors.forbidden_field(path, text_))
            if o.match != NOT_OLDER_THAN:
                found.append(errors.not_supported(path, o.match, (NOT_OLDER_THAN,)))
            if o.token:
                found.append(errors.forbidden_field(path, "resourceVersionMatch is forbidden when continue is provided"))
    else:
        if o.match:
            if not o.version:
                found.append(errors.forbidden_field(path, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
            if o.token:
                found.append(errors.forbidden_field(path, "resourceVersionMatch is forbidden when continue is provided"))
            if o.match not in (EXACT, NOT_OLDER_THAN):
                found.append(errors.not_supported(path, o.match, (EXACT, NOT_OLDER_THAN, "")))
            if o.match == EXACT and o.version == "0":
                found.append(errors.forbidden_field(path, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
        if o.initial_events is not None:
            found.append(errors.forbidden_field("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if found:
        raise errors.Invalid.of(_META, "ListOptions", "", found)


def write_options(query: Query, kind: str, *, apply: bool = False) -> dict[str, Any]:
    """CreateOptions, UpdateOptions or PatchOptions (`kind`) as an object of their own. Raises Invalid."""
    out: dict[str, Any] = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    if not query:
        if apply:
            _check_write(out, kind, apply)
        return out
    for name in ("fieldManager", "fieldValidation"):
        if value := text(query, name):
            out[name] = value
    if "dryRun" in query:
        out["dryRun"] = query["dryRun"]
    if kind == "PatchOptions" and (force := flag(query, "force")) is not None:
        out["force"] = force
    _check_write(out, kind, apply)
    return out


def _check_write(o: Mapping[str, Any], kind: str, apply: bool) -> None:
    found: list[FieldError] = []
    manager = o.get("fieldManager", "")
    if apply and not manager:
        found.append(errors.required("fieldManager", "is required for apply patch"))
    elif not apply and "force" in o:
        found.append(errors.forbidden_field("force", "may not be specified for non-apply patch"))
    found += field_manager_errors("fieldManager", manager)
    found += dry_run_errors(o)
    if (level := o.get("fieldValidation", "")) not in _FIELD_VALIDATION:
        found.append(errors.not_supported("fieldValidation", level, _FIELD_VALIDATION))
    if found:
        raise errors.Invalid.of(_META, kind, "", found)


def dry_run_errors(o: Mapping[str, Any]) -> list[FieldError]:
    """`All` is the only dry run there is."""
    dry_run = o.get("dryRun") or []
    return [] if all(d in _DRY_RUN for d in dry_run) else [errors.not_supported("dryRun", dry_run, _DRY_RUN)]


def delete_options(query: Query) -> dict[str, Any]:
    """DeleteOptions from the query (used when the request has no body). Raises BadRequest."""
    out: dict[str, Any] = {}
    if not query:
        return out
    if (grace := integer(query, "gracePeriodSeconds")) is not None:
        out["gracePeriodSeconds"] = grace
    if (orphan := flag(query, "orphanDependents")) is not None:
        out["orphanDependents"] = orphan
    if policy := text(query, "propagationPolicy"):
        out["propagationPolicy"] = policy
    if "dryRun" in query:
        out["dryRun"] = query["dryRun"]
    return out


def check_delete(o: Mapping[str, Any]) -> None:
    """ValidateDeleteOptions; raises Invalid."""
    found: list[FieldError] = []
    policy = o.get("propagationPolicy")
    if policy is not None and o.get("orphanDependents") is not None:
        found.append(errors.invalid("propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set"))
    if policy not in (None, "Foreground", "Background", "Orphan"):
        found.append(errors.not_supported("propagationPolicy", policy, ("Foreground", "Background", "Orphan", "nil")))
    found += dry_run_errors(o)
    if found:
        raise errors.Invalid.of(_META, "DeleteOptions", "", found)
