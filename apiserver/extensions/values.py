"""Values against a schema: the constraints of OpenAPI, with kube-openapi's errors and order (pkg/validation/validate).

A schema is compiled to one closure: (value, old value, path, errors). On updates an error in a part that equals the old one is
dropped (ratcheting, KEP-4008); parts of atomic lists and of sets have no old one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.extensions.formats import check_of, recognized
from apiserver.extensions.paths import shown
from kubepy.api.cel.lib.standard import regex
from kubepy.api.cel.values import CelError
from kubepy.api.errors import Cause, FieldError, go_value
from kubepy.api.gotext import number_text

Schema = Mapping[str, Any]
Check = Callable[[Any, Any, str, list[FieldError]], int]
"""Appends errors; returns how many checks were made, by which the best of several failing alternatives is chosen."""

NO_OLD: Any = object()
"""There is no old value to compare with."""
_RANGES = {"int32": (-(2**31), 2**31 - 1)}


def _kind(value: Any) -> str:
    """The JSON type as OpenAPI names it."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return "integer" if _is_int64(value) else "number"
    return "array" if isinstance(value, list) else "object"


def _is_int64(value: float) -> bool:
    """Whether Go holds a number as an int64: what is beyond is a float64."""
    return isinstance(value, int) and -(2**63) <= value < 2**63


def _bad(errors: list[FieldError], path: str, value: Any, detail: str, cause: Cause = Cause.INVALID) -> None:
    errors.append(FieldError(cause, shown(path), f"Invalid value: {go_value(value)}: {path or '.'} in body {detail}"))


def compile_schema(schema: Schema) -> Check:
    """The check of a schema."""
    checks = [c for c in (_type(schema), _logic(schema), _string(schema), _format(schema), _numeric(schema), _array(schema)) if c]
    checks += [c for c in (_enum(schema), _object(schema)) if c]
    typed = _type(schema)
    enum = _enum(schema)
    nullable = [c for c in (typed, enum) if c]

    def check(value: Any, old: Any, path: str, errors: list[FieldError]) -> int:
        count = 0
        for c in nullable if value is None else checks:
            count += c(value, old, path, errors) + 1
        return count

    return check


def _ratcheted(check: Check, value: Any, old: Any, path: str, errors: list[FieldError]) -> int:
    """A check of a part: what has not changed since it was accepted stays accepted."""
    before = len(errors)
    count = check(value, old, path, errors)
    if len(errors) > before and old is not NO_OLD and _same(value, old):
        del errors[before:]
    return count


def _same(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def validate(check: Check, value: Any, old: Any = NO_OLD, path: str = "") -> list[FieldError]:
    """All errors of a value; with `old`, ratcheted."""
    errors: list[FieldError] = []
    _ratcheted(check, value, old, path, errors)
    return errors


def _type(schema: Schema) -> Check | None:
    types: tuple[str, ...] = (schema["type"],) if schema.get("type") else ()
    if schema.get("x-kubernetes-int-or-string"):
        types = ("integer", "string")
    form = _format_of(schema)
    if not types and not form:
        return None
    nullable = bool(schema.get("nullable"))
    wanted = ",".join(types)

    def check(value: Any, old: Any, path: str, errors: list[FieldError]) -> int:
        if value is None:
            if types and not nullable:
                _bad(errors, path, "null", f'must be of type {wanted}: "null"', Cause.TYPE_INVALID)
            return 1
        kind = _kind(value)
        if not types or kind in types:
            return 1
        if (kind == "integer" and "number" in types) or (kind == "number" and "integer" in types and _whole(value)):
            return 1
        if form and kind in ("string", "array") and not {"number", "integer"} & set(types):
            return 1
        text = form if form and kind not in ("string", "array") else wanted
        shown = "float64" if kind == "number" and text in ("int32", "int64") else kind
        _bad(errors, path, shown, f'must be of type {text}: "{shown}"', Cause.TYPE_INVALID)
        return 0

    return check


def _whole(value: float) -> bool:
    """Whether a number can be an integer: what is beyond 64 bits cannot."""
    return abs(value) < 2**63 and value == int(value)


def _format_of(schema: Schema) -> str:
    form = schema.get("format") or ""
    return form if form and recognized(schema.get("type") or "", form) else ""


def _format(schema: Schema) -> Check | None:
    form = _format_of(schema)
    test = check_of(form) if form and schema.get("type", "string") == "string" else None
    if test is None:
        return None
    passes = test

    def check(value: Any, old: Any, path: str, errors: list[FieldError]) -> int:
        if isinstance(value, str) and not passes(value):
            _bad(errors, path, value, f"must be of type {form}: {go_value(value)}", Cause.TYPE_INVALID)
            return 0
        return 1

    return check


def _string(schema: Schema) -> Check | None:
    longest, shortest, pattern = schema.get("maxLength"), schema.get("minLength"), schema.get("pattern")
    if longest is None and shortest is None and not pattern:
        return None
    try:
        compiled = regex(pattern) if pattern else None
    except CelError:
        compiled = None

    def check(value: Any, old: Any, path: str, errors: list[FieldError]) -> int:
        if not isinstance(value, str):
            return 0
        if longest is not None and len(value) > longest:
            unit = "byte" if longest == 1 else "bytes"
            errors.append(FieldError(Cause.TOO_LONG, shown(path), f"Too long: may not be more than {longest} {unit}"))
            return 0
        if shortest is not None and len(value) < shortest:
            _bad(errors, path, value, f"should be at least {shortest} chars long")
            return 0
        if compiled is not None and compiled.search(value) is None:
            _bad(errors, path, value, f"should match '{pattern}'")
            return 0
        return 1

    return check


def _numeric(schema: Schema) -> Check | None:
    multiple, high, low = schema.get("multipleOf"), schema.get("maximum"), schema.get("minimum")
    over, under = bool(schema.get("exclusiveMaximum")), bool(schema.get("exclusiveMinimum"))
    kind, form = schema.get("type", ""), _format_of(schema)
    integral = kind == "integer" or bool(schema.get("x-kubernetes-int-or-string"))
    bottom, top = _RANGES.get(form, (-(2**63), 2**63 - 1))
    if multiple is None and high is None and low is None and not integral:
        return None

    def check(value: Any, old: Any, path: str, errors: list[FieldError]) -> int:
        if isinstance(value, (bool, str, list, dict)):
            return 0
        if integral and (not bottom <= value <= top or (kind == "integer" and value != int(value))):
            text = f"with format {form}" if form else "(default format)"
            detail = f"Checked value must be of type {kind or 'integer'} {text} in {path}"
            errors.append(FieldError(Cause.INVALID, shown(""), f'Invalid value: "": {detail}'))
        # A bound is of the type of the value: integers are held against what is whole of it.
        bound: Callable[[float], float] = int if _is_int64(value) else float
        if multiple is not None:
            factor = bound(multiple)
            if factor <= 0:
                detail = f"factor MultipleOf declared for {path} must be positive: {number_text(factor)}"
                errors.append(FieldError(Cause.INVALID, shown(path), f"Invalid value: {number_text(factor)}: {detail}"))
            elif not _divides(value, factor):
                _bad(errors, path, value, f"should be a multiple of {number_text(factor)}")
        if high is not None and (value > bound(high) or (over and value == bound(high))):
            _bad(errors, path, value, f"should be less than {'' if over else 'or equal to '}{number_text(bound(high))}")
        if low is not None and (value < bound(low) or (under and value == bound(low))):
            _bad(errors, path, value, f"should be greater than {'' if under else 'or equal to '}{number_text(bound(low))}")
        return 1

    return check


def _divides(value: float, by: float) -> bool:
    """Whether value is a multiple, within the tolerance of go-openapi/swag's IsFloat64AJSONInteger."""
    if _is_int64(value):
        return value % by == 0
    times = 1 / by * value if by < 1 else value / by
    if not abs(times) < 2**53:
        return False
    whole = float(round(times))
    return times == whole or abs(times - whole) < 1e-9 * abs(whole)


def _array(schema: Schema) -> Check | None:
    items, shortest, longest = schema.get("items"), schema.get("minItems"), schema.get("maxItems")
    element = compile_schema(items) if isinstance(items, Mapping) else None
    unique = bool(schema.get("uniqueItems"))
    keyed = schema.get("x-kubernetes-list-type") == "map"
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    if element is None and shortest is None and longest is None and not unique:
        return None

    def check(value: Any, old: Any, path: str, errors: list[FieldError]) -> int:
        if not isinstance(value, list):
            return 0
        count = 1
        if element is not None:
            olds = by_keys(old, keys) if keyed and isinstance(old, list) else {}
            for i, item in enumerate(value):
                before = olds.get(item_key(item, keys), NO_OLD) if olds else NO_OLD
                count += _ratcheted(element, item, before, f"{path}[{i}]", errors)
        if shortest is not None and len(value) < shortest:
            _bad(errors, path, len(value), f"should have at least {shortest} items")
        if longest is not None and len(value) > longest:
            unit = "item" if longest == 1 else "items"
            errors.append(FieldError(Cause.TOO_MANY, shown(path), f"Too many: {len(value)}: must have at most {longest} {unit}"))
        if unique and any(v in value[:i] for i, v in enumerate(value)):
            _bad(errors, path, value, "shouldn't contain duplicates")
        return count

    return check


def item_key(item: Any, keys: tuple[str, ...]) -> Any:
    """What tells an item of a keyed list from the others."""
    return tuple(go_value(item.get(k)) for k in keys) if isinstance(item, dict) else None


def by_keys(values: list[Any], keys: tuple[str, ...]) -> dict[Any, Any]:
    """The items of a keyed list by their keys, without those whose keys repeat."""
    out: dict[Any, Any] = {}
    repeated = set()
    for item in values:
        k = item_key(item, keys)
        if k in out:
            repeated.add(k)
        out[k] = item
    for k in repeated:
        del out[k]
    return out


def _enum(schema: Schema) -> Check | None:
    allowed = schema.get("enum")
    if not allowed:
        return None
    text = ", ".join(go_value(v if isinstance(v, str) else go_value(v)) for v in allowed)

    def check(value: Any, old: Any, path: str, errors: list[FieldError]) -> int:
        if any(_same(value, v) for v in allowed):
            return 1
        errors.append(FieldError(Cause.NOT_SUPPORTED, shown(path), f"Unsupported value: {go_value(value)}: supported values: {text}"))
        return 0

    return check


def _object(schema: Schema) -> Check | None:
    properties = {name: compile_schema(s) for name, s in (schema.get("properties") or {}).items()}
    defaulted = {name for name, s in (schema.get("properties") or {}).items() if "default" in s}
    extra = schema.get("additionalProperties")
    others = compile_schema(extra) if isinstance(extra, Mapping) else None
    needed = tuple(schema.get("required") or ())
    fewest, most = schema.get("minProperties"), schema.get("maxProperties")
    atomic = schema.get("x-kubernetes-map-type") == "atomic"
    if not properties and others is None and extra is not False and not needed and fewest is None and most is None:
        return None

    def check(value: Any, old: Any, path: str, errors: list[FieldError]) -> int:
        if not isinstance(value, dict):
            return 0
        if fewest is not None and len(value) < fewest:
            _bad(errors, path, len(value), f"should have at least {fewest} properties")
            return 0
        if most is not None and len(value) > most:
            unit = "item" if most == 1 else "items"
            errors.append(FieldError(Cause.TOO_MANY, shown(path), f"Too many: {len(value)}: must have at most {most} {unit}"))
            return 0
        count = 1
        olds = old if isinstance(old, dict) and not atomic else {}
        if extra is False:
            for name in value:
                if name not in properties:
                    text = f'Invalid value: "": {path}.{name} in body is a forbidden property'
                    errors.append(FieldError(Cause.INVALID, shown(f"{path}.{name}" if path else name), text))
        elif others is not None:
            for name, v in value.items():
                if name not in properties:
                    at = f"{path}.{name}" if path else name
                    count += _ratcheted(others, v, olds.get(name, NO_OLD), at, errors)
        for name, c in properties.items():
            if name in value:
                before = NO_OLD if not path and name in ("apiVersion", "kind") else olds.get(name, NO_OLD)
                count += _ratcheted(c, value[name], before, f"{path}.{name}" if path else name, errors)
        missing = [name for name in needed if name not in value and name not in defaulted]
        errors += [FieldError(Cause.REQUIRED, f"{path}.{name}" if path else name, "Required value") for name in missing]
        return count

    return check


def _alternatives(schemas: Any) -> list[Check]:
    return [compile_schema(s) for s in schemas or ()]


def _logic(schema: Schema) -> Check | None:
    any_of, one_of = _alternatives(schema.get("anyOf")), _alternatives(schema.get("oneOf"))
    all_of = _alternatives(schema.get("allOf"))
    unwanted = compile_schema(schema["not"]) if schema.get("not") is not None else None
    if not (any_of or one_of or all_of or unwanted):
        return None

    def fail(errors: list[FieldError], path: str, text: str) -> None:
        errors.append(FieldError(Cause.INVALID, shown(""), f'Invalid value: "": {go_value(path)} {text}'))

    def try_all(checks: list[Check], value: Any, old: Any, path: str) -> tuple[int, list[FieldError]]:
        """(how many hold, the errors of the best failing one while none holds)."""
        held, best_count = 0, -1
        best: list[FieldError] = []
        for c in checks:
            found: list[FieldError] = []
            count = c(value, old, path, found)
            if not found:
                held += 1
                best = []
            elif not held and count > best_count:
                best_count, best = count, found
        return held, best

    def check(value: Any, old: Any, path: str, errors: list[FieldError]) -> int:
        if any_of:
            held, best = try_all(any_of, value, old, path)
            if not held:
                fail(errors, path, "must validate at least one schema (anyOf)")
                errors += best
        if one_of:
            held, best = try_all(one_of, value, old, path)
            if held != 1:
                found = f"Found {held} valid alternatives" if held else "Found none valid"
                fail(errors, path, f"must validate one and only one schema (oneOf). {found}")
                errors += best
        if all_of:
            held = 0
            for c in all_of:
                found_here: list[FieldError] = []
                c(value, old, path, found_here)
                held += not found_here
                errors += found_here
            if held != len(all_of):
                fail(errors, path, f"must validate all the schemas (allOf){'' if held else '. None validated'}")
        if unwanted is not None:
            found_any: list[FieldError] = []
            unwanted(value, old, path, found_any)
            if not found_any:
                fail(errors, path, "must not validate the schema (not)")
        return 1

    return check
