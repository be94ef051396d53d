"""Structural schemas: every place has a type, and logic only restricts (pkg/apiserver/schema/{structural,validation}.go)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.extensions.paths import forbidden, invalid, required
from kubepy.api.cel.lib.standard import regex
from kubepy.api.cel.values import CelError
from kubepy.api.errors import FieldError

Schema = Mapping[str, Any]
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_EMPTY = {"root": "at the root", "item": "for specified array items", "field": "for specified object fields"}
_VALUE_KEYS = frozenset(
    [
        "format",
        "maximum",
        "exclusiveMaximum",
        "minimum",
        "exclusiveMinimum",
        "maxLength",
        "minLength",
        "pattern",
        "maxItems",
        "minItems",
        "uniqueItems",
        "multipleOf",
        "enum",
        "maxProperties",
        "minProperties",
        "required",
        "not",
        "allOf",
        "anyOf",
        "oneOf",
    ]
)


class NotStructural(ValueError):
    """A schema that has no structural form at all."""


def convertible(schema: Schema | None) -> None:
    """Raise NotStructural where upstream cannot even make the structural form."""
    if not isinstance(schema, Mapping):
        return
    for word in ("id", "$schema", "$ref", "patternProperties", "dependencies", "additionalItems", "definitions"):
        if schema.get(word):
            raise NotStructural(f"OpenAPIV3Schema '{'schema' if word == '$schema' else word}' is not supported")
    items = schema.get("items")
    if isinstance(items, list):
        raise NotStructural(
            "OpenAPIV3Schema 'items' must be a schema, but is an array" if items else "OpenAPIV3Schema 'items' must be a schema"
        )
    convertible(items)
    convertible(schema.get("additionalProperties"))
    for child in (schema.get("properties") or {}).values():
        convertible(child)


def validate(schema: Schema, path: str) -> list[FieldError]:
    """All violations, sorted as upstream sorts them."""
    out: list[FieldError] = []
    _invariants(schema, "root", path, out)
    _complete(schema, path, out)
    return sorted(out, key=str)


def _is_schema(value: Any) -> bool:
    return isinstance(value, Mapping)


def _invariants(s: Schema, level: str, path: str, out: list[FieldError]) -> None:
    kind = s.get("type") or ""
    items, properties, extra = s.get("items"), s.get("properties") or {}, s.get("additionalProperties")
    if kind == "array" and items is None:
        out.append(required(f"{path}.items", "must be specified"))
    if _is_schema(items):
        _invariants(items, "item", f"{path}.items", out)  # type: ignore[arg-type]
    for name, child in properties.items():
        _invariants(child, "field", f"{path}.properties[{name}]", out)
    if extra is not None:
        if level == "root":
            out.append(forbidden(f"{path}.additionalProperties", "must not be used at the root"))
        if _is_schema(extra):
            _invariants(extra, "field", f"{path}.additionalProperties", out)
    int_or_string = bool(s.get("x-kubernetes-int-or-string"))
    preserve, embedded = bool(s.get("x-kubernetes-preserve-unknown-fields")), bool(s.get("x-kubernetes-embedded-resource"))
    for flag, name in ((preserve, "preserve-unknown-fields"), (embedded, "embedded-resource")):
        if int_or_string and flag:
            out.append(invalid(f"{path}.x-kubernetes-{name}", True, "must be false if x-kubernetes-int-or-string is true"))
    _values(s, path, out, skip_any=s.get("anyOf") == _INT_OR_STRING, skip_first_all=_first_all_of(s) == _INT_OR_STRING)
    if embedded and kind != "object":
        detail = "must be object if x-kubernetes-embedded-resource is true"
        out.append(invalid(f"{path}.type", kind, detail) if kind else required(f"{path}.type", detail))
    elif not kind and not int_or_string and not preserve:
        out.append(required(f"{path}.type", f"must not be empty {_EMPTY[level]}"))
    if embedded and extra is not None:
        out.append(forbidden(f"{path}.additionalProperties", "must not be used if x-kubernetes-embedded-resource is set"))
    if level == "root" and kind and kind != "object":
        out.append(invalid(f"{path}.type", kind, "must be object at the root"))
    is_resource = level == "root" or embedded
    types = {n: properties[n].get("type") or "" for n in ("kind", "apiVersion") if is_resource and n in properties}
    out += [invalid(f"{path}.properties[{n}].type", t, "must be string") for n, t in types.items() if t != "string"]
    if "metadata" in properties:
        _metadata(properties["metadata"], is_resource, level, f"{path}.properties[metadata]", out)
    if embedded and not preserve and not properties:
        detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        out.append(required(f"{path}.properties", detail))


def _first_all_of(s: Schema) -> Any:
    branches = s.get("allOf") or []
    return branches[0].get("anyOf") if branches else None


def _metadata(s: Schema, is_resource: bool, level: str, path: str, out: list[FieldError]) -> None:
    if is_resource and s.get("type") != "object":
        out.append(invalid(f"{path}.type", s.get("type") or "", "must be object"))
    if level != "root":
        return
    names = set(s.get("properties") or {})
    rest = {k: v for k, v in s.items() if k not in ("type", "default") and v not in (None, False, "", [], {})}
    if names and names <= {"name", "generateName"}:
        rest.pop("properties", None)
    if rest:
        out.append(forbidden(path, "must not specify anything other than name and generateName, but metadata is implicitly specified"))


def _values(s: Schema, path: str, out: list[FieldError], *, skip_any: bool = False, skip_first_all: bool = False) -> None:
    if not skip_any:
        for i, branch in enumerate(s.get("anyOf") or ()):
            _nested(branch, f"{path}.anyOf[{i}]", out)
    for i, branch in enumerate(s.get("allOf") or ()):
        _nested(branch, f"{path}.allOf[{i}]", out, skip_any=skip_first_all and i == 0)
    for i, branch in enumerate(s.get("oneOf") or ()):
        _nested(branch, f"{path}.oneOf[{i}]", out)
    if s.get("not") is not None:
        _nested(s["not"], f"{path}.not", out)
    if s.get("pattern"):
        try:
            regex(s["pattern"])
        except CelError as e:
            out.append(invalid(f"{path}.pattern", s["pattern"], f"must be a valid regular expression, but isn't: {e}"))


_FORBIDDEN = (
    ("type", "empty"), ("additionalProperties", "undefined"), ("default", "undefined"), ("title", "empty"), ("description", "empty"),
    ("nullable", "false"), ("x-kubernetes-preserve-unknown-fields", "false"), ("x-kubernetes-embedded-resource", "false"),
    ("x-kubernetes-int-or-string", "false"), ("x-kubernetes-list-map-keys", "empty"), ("x-kubernetes-list-type", "undefined"),
    ("x-kubernetes-map-type", "undefined"), ("x-kubernetes-validations", "empty"),
)  # fmt: skip


def _nested(s: Schema, path: str, out: list[FieldError], *, skip_any: bool = False) -> None:
    _values(s, path, out, skip_any=skip_any)
    if _is_schema(s.get("items")):
        _nested(s["items"], f"{path}.items", out)
    for name, child in (s.get("properties") or {}).items():
        _nested(child, f"{path}.properties[{name}]", out)
    for word, state in _FORBIDDEN:
        if s.get(word) or (word in ("default",) and s.get(word) is not None):
            out.append(forbidden(f"{path}.{word}", f"must be {state} to be structural"))
    if "metadata" in (s.get("properties") or {}):
        out.append(forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context"))


def _complete(s: Schema, path: str, out: list[FieldError]) -> None:
    """What the root's logic mentions must be specified outside of logic (complete.go)."""
    for word in ("anyOf", "allOf", "oneOf"):
        for i, branch in enumerate(s.get(word) or ()):
            _covers(branch, s, f"{path}.{word}[{i}]", path, out)
    if s.get("not") is not None:
        _covers(s["not"], s, f"{path}.not", path, out)


def _covers(branch: Schema, s: Schema, path: str, outer: str, out: list[FieldError]) -> None:
    for word in ("anyOf", "allOf", "oneOf"):
        for i, nested in enumerate(branch.get(word) or ()):
            _covers(nested, s, f"{path}.{word}[{i}]", outer, out)
    if branch.get("not") is not None:
        _covers(branch["not"], s, f"{path}.not", outer, out)
    parts = [(branch.get("items"), s.get("items"), "items")]
    parts += [
        (child, (s.get("properties") or {}).get(name), f"properties[{name}]") for name, child in (branch.get("properties") or {}).items()
    ]
    for child, found, at in parts:
        if isinstance(child, Mapping):
            if isinstance(found, Mapping):
                _covers(child, found, f"{path}.{at}", f"{outer}.{at}", out)
            else:
                out.append(required(f"{outer}.{at}", f"because it is defined in {path}.{at}"))
