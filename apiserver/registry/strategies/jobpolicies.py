"""podFailurePolicy and successPolicy of Jobs.

Upstream: validatePodFailurePolicy, validateSuccessPolicy.
"""

from __future__ import annotations

import re

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors, label_name
from kubepy.api.errors import Cause, FieldError, duplicate, invalid, not_supported, required, too_long, too_many

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_STATUSES = ("False", "True", "Unknown")
_NUMBER = re.compile(r"[+-]?[0-9]+").fullmatch


def bare(path: str, text: str) -> FieldError:
    """An Invalid error whose value is omitted from its message (field.OmitValueType)."""
    return FieldError(Cause.INVALID, path, f"Invalid value: {text}")


def failure(out: Errors, policy: Obj, spec: Obj, path: str) -> None:
    """podFailurePolicy: rules on exit codes or on pod conditions."""
    rules = policy.get("rules") or []
    pod = (spec.get("template") or {}).get("spec") or {}
    known = {c.get("name") for key in ("containers", "initContainers") for c in pod.get(key) or ()}
    if len(rules) > 20:
        out.append(too_many(f"{path}.rules", len(rules), 20))
    for i, rule in enumerate(rules):
        at, action = f"{path}.rules[{i}]", rule.get("action", "")
        if not action:
            out.append(required(f"{at}.action", 'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'))
        elif action not in _ACTIONS:
            out.append(not_supported(f"{at}.action", action, _ACTIONS))
        elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
            out.append(invalid(f"{at}.action", action, "requires the backoffLimitPerIndex to be set"))
        codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions") or []
        if codes is not None:
            _exit_codes(out, codes, known, f"{at}.onExitCodes")
        if patterns:
            _conditions(out, patterns, f"{at}.onPodConditions")
        if codes is not None and patterns:
            out.append(bare(at, "specifying both OnExitCodes and OnPodConditions is not supported"))
        if codes is None and not patterns:
            out.append(bare(at, "specifying one of OnExitCodes and OnPodConditions is required"))


def _exit_codes(out: Errors, codes: Obj, known: set[str | None], path: str) -> None:
    operator, values, name = codes.get("operator", ""), codes.get("values") or [], codes.get("containerName")
    if not operator:
        out.append(required(f"{path}.operator", 'valid values: ["In" "NotIn"]'))
    elif operator not in ("In", "NotIn"):
        out.append(not_supported(f"{path}.operator", operator, ("In", "NotIn")))
    if name is not None and name not in known:
        out.append(invalid(f"{path}.containerName", name, "must be one of the container or initContainer names in the pod template"))
    at = f"{path}.values"
    if not values:
        out.append(invalid(at, values, "at least one value is required"))
    elif len(values) > 255:
        out.append(too_many(at, len(values), 255))
    ordered = True
    for j, value in enumerate(values):
        if value == 0 and operator == "In":
            out.append(invalid(f"{at}[{j}]", value, "must not be 0 for the In operator"))
        if value in values[:j]:
            out.append(duplicate(f"{at}[{j}]", value))
        if j and values[j - 1] > value:
            ordered = False
    if not ordered:
        out.append(invalid(at, values, "must be ordered"))


def _conditions(out: Errors, patterns: list[Obj], path: str) -> None:
    if len(patterns) > 20:
        out.append(too_many(path, len(patterns), 20))
    for j, pattern in enumerate(patterns):
        label_name(out, pattern.get("type", ""), f"{path}[{j}].type")
        status = pattern.get("status", "")
        if not status:
            out.append(required(f"{path}[{j}].status", 'valid values: ["False" "True" "Unknown"]'))
        elif status not in _STATUSES:
            out.append(not_supported(f"{path}[{j}].status", status, _STATUSES))


def success(out: Errors, policy: Obj, completions: int | None, path: str) -> None:
    """successPolicy: which indexes, or how many of them, make the Job complete."""
    rules = policy.get("rules") or []
    if not rules:
        out.append(required(f"{path}.rules", "at least one rules must be specified when the successPolicy is specified"))
    if len(rules) > 20:
        out.append(too_many(f"{path}.rules", len(rules), 20))
    for i, rule in enumerate(rules):
        at = f"{path}.rules[{i}]"
        count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
        if count is None and indexes is None:
            out.append(required(at, "at least one of succeededCount or succeededIndexes must be specified"))
        total = 0
        if indexes is not None:
            if len(indexes) > 64 * 1024:
                out.append(too_long(f"{at}.succeededIndexes", 64 * 1024))
            try:
                total = index_count(indexes, completions or 0)
            except ValueError as e:
                out.append(invalid(f"{at}.succeededIndexes", indexes, f"error parsing succeededIndexes: {e}"))
                total = 0
        if count is not None:
            here, most = f"{at}.succeededCount", "must be less than or equal to"
            if count < 0:
                out.append(invalid(here, count, "must be greater than or equal to 0"))
            if completions is not None and count > completions:
                out.append(invalid(here, count, f"{most} {completions} (the number of specified completions)"))
            if indexes is not None and count > total:
                out.append(invalid(here, count, f"{most} {total} (the number of indexes in the specified succeededIndexes field)"))


def index_count(text: str, completions: int) -> int:
    """How many indexes `1,3-5` names; ValueError with upstream's message when it is malformed."""
    if not text:
        return 0
    total, last = 0, None
    for part in text.split(","):
        pieces = part.split("-")
        if len(pieces) > 2:
            rule = "violates the requirement that an index interval can have at most two parts separated by '-'"
            raise ValueError(f'the fragment "{part}" {rule}')
        first = _index(pieces[0])
        if last is not None and first <= last:
            raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
        end = first
        if first >= completions:
            raise ValueError(f'too large index: "{pieces[0]}"')
        if len(pieces) == 2:
            end = _index(pieces[1])
            if end >= completions:
                raise ValueError(f'too large index: "{pieces[1]}"')
            if first >= end:
                raise ValueError(f"non-increasing order, previous: {first}, current: {end}")
        total += end - first + 1
        last = end
    return total


def _index(text: str) -> int:
    if not _NUMBER(text):
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    return int(text)
