"""What a schema of a definition may say, place by place, and whether its rules compile and are cheap enough.

Upstream: apiextensions pkg/apis/apiextensions/validation/{validation,cel_validation}.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apiserver.extensions.fieldpath import PathError, resolve
from apiserver.extensions.hub import internal
from apiserver.extensions.paths import forbidden, invalid, required
from apiserver.extensions.rules import Rule, compile_rules
from kubepy.api.cel import types as t
from kubepy.api.cel.cost import STATIC_LIMIT, STATIC_TOTAL_LIMIT
from kubepy.api.cel.schema import MAX_REQUEST, declare, escape
from kubepy.api.errors import FieldError, not_supported

Schema = Mapping[str, Any]
TYPES = ("array", "boolean", "integer", "number", "object", "string")
REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_META = ("metadata", "kind", "apiVersion")
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_LIST_TYPES, _MAP_TYPES = ("atomic", "set", "map"), ("atomic", "granular")
_NEWLINE = re.compile(r"[\n\r]")
_MAX = (1 << 64) - 1
_TRY = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"


def _multiply(a: int, b: int) -> int:
    return min(a * b, _MAX)


def _too_costly(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    text = "more than 100x" if factor > 100 else f"{factor:.6f}x" if factor < 1.5 else f"{factor:.1f}x"
    return f"{what} exceeds budget by factor of {text} {_TRY}"


@dataclass
class Costs:
    """The estimated cost of all rules of one schema."""

    total: int = 0
    expensive: list[tuple[int, str]] = field(default_factory=list)

    def add(self, path: str, cost: int) -> None:
        self.total = min(self.total + cost, _MAX)
        if cost >= STATIC_TOTAL_LIMIT // 100:
            self.expensive = sorted([*self.expensive, (cost, path)], key=lambda c: -c[0])[:4]

    def errors(self, path: str) -> list[FieldError]:
        if self.total <= STATIC_TOTAL_LIMIT:
            return []
        text = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        return [forbidden(p, text) for _, p in self.expensive] + [forbidden(path, _too_costly(what, self.total, STATIC_TOTAL_LIMIT))]


@dataclass(frozen=True)
class Place:
    """Where in the schema we are, as far as rules are concerned; None of it applies inside logic.

    `cardinality` is how often the place can occur in one object, None when unbounded.
    """

    type: t.Type | None
    cardinality: int | None
    root: bool = False

    def below(self, schema: Schema, type_: t.Type | None) -> Place:
        """The place of a child, whose type is known where that of `schema` is."""
        most = _most(schema)
        return Place(type_, None if self.cardinality is None or most is None else _multiply(self.cardinality, most))


def _most(schema: Schema) -> int | None:
    kind = schema.get("type")
    if kind == "object" and schema.get("additionalProperties") is not None:
        found = schema.get("maxProperties")
        return None if found is None else max(int(found), 0)
    if kind == "array":
        found = schema.get("maxItems")
        return None if found is None else max(int(found), 0)
    return 1


@dataclass(frozen=True)
class Options:
    """What an update forgives because the stored definition has it already."""

    forbid_defaults: str | None = None
    """Why defaults may not stand here, None: they may."""
    inside_meta: bool = False
    uncorrelatable: str | None = None
    """The path above which objects cannot be followed from old to new, so that oldSelf has no meaning."""
    atomic_sets: bool = True
    map_keys: bool = True
    property_types: bool = True
    suppress_costs: bool = False


class Checker:
    """One check of one version's schema."""

    def __init__(self, options: Options, *, rules: bool, schema: Schema) -> None:
        self.schema_errors: list[FieldError] = []
        self.rule_errors: list[FieldError] = []
        self.costs = Costs()
        self._options = options
        self._place = Place(declare(schema, root=True) if schema.get("x-kubernetes-validations") else None, 1, True) if rules else None

    def run(self, schema: Schema, path: str) -> list[FieldError]:
        """All errors, those of rules last."""
        self._visit(schema, path, self._options, self._place, True)
        return self.schema_errors + self.rule_errors

    def _visit(self, s: Any, path: str, options: Options, place: Place | None, root: bool = False) -> int:
        """Check one schema; returns how many schema errors it and what is below have."""
        if not isinstance(s, Mapping):
            return 0
        before = len(self.schema_errors)
        out = self.schema_errors
        _standard(s, path, options, out)
        if s.get("uniqueItems"):
            out.append(forbidden(f"{path}.uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"))
        extra, properties, items = s.get("additionalProperties"), s.get("properties") or {}, s.get("items")
        if extra is not None:
            if properties and extra is not True:
                out.append(forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive"))
            sub = (
                replace(options, forbid_defaults="inside additionalProperties applying to object metadata")
                if options.inside_meta
                else options
            )
            if isinstance(extra, Mapping):
                below = place and place.below(s, _param(place, "map", 1))
                self._visit(extra, f"{path}.additionalProperties", sub, below)
        for name, child in properties.items():
            sub = options
            if s.get("x-kubernetes-map-type") == "atomic" and sub.uncorrelatable is None:
                sub = replace(sub, uncorrelatable=path)
            if (root or s.get("x-kubernetes-embedded-resource")) and name in _META:
                sub = replace(sub, inside_meta=True)
                if root:
                    sub = replace(sub, forbid_defaults=f"in top-level {name}")
            below = place and place.below(s, _member(place, name))
            self._visit(child, f"{path}.properties[{name}]", sub, below)
        self._visit(s.get("not"), f"{path}.not", options, None)
        for word in ("allOf", "oneOf", "anyOf"):
            for i, branch in enumerate(s.get(word) or ()):
                self._visit(branch, f"{path}.{word}[{i}]", options, None)
        for name, child in (s.get("definitions") or {}).items():
            self._visit(child, f"{path}.definitions[{name}]", options, None)
        sub = options
        if s.get("x-kubernetes-list-type") != "map" and sub.uncorrelatable is None:
            sub = replace(sub, uncorrelatable=path)
        for i, child in enumerate(items) if isinstance(items, list) else ():
            self._visit(child, f"{path}.items[{i}]", sub, place and place.below(s, None))
        if isinstance(items, Mapping):
            self._visit(items, f"{path}.items", sub, place and place.below(s, _param(place, "list", 0)))
        for name, child in (s.get("dependencies") or {}).items():
            self._visit(child, f"{path}.dependencies[{name}]", options, None)
        _extensions(s, path, options, out)
        raws = s.get("x-kubernetes-validations") or ()
        if raws:
            _rule_texts(s, path, raws, out)
            if len(out) == before and place is not None:
                type_ = place.type or declare(s, root=place.root or bool(s.get("x-kubernetes-embedded-resource")))
                self._rules(s, path, options, replace(place, type=type_), compile_rules(s, type_))
        return len(out) - before

    def _rules(self, s: Schema, path: str, options: Options, place: Place, rules: list[Rule]) -> None:
        out = self.rule_errors
        most = MAX_REQUEST // ((place.type.min_size if place.type is not None else 0) + 1)
        for i, rule in enumerate(rules):
            at = f"{path}.x-kubernetes-validations[{i}]"
            cost = _multiply(rule.program.cost.high, place.cardinality if place.cardinality is not None else most) if rule.program else 0
            if not options.suppress_costs and cost > STATIC_LIMIT:
                out.append(forbidden(f"{at}.rule", _too_costly("estimated rule cost", cost, STATIC_LIMIT)))
            self.costs.add(f"{at}.rule", cost)
            if rule.error:
                out.append(_about_rule(f"{at}.rule", rule, rule.error))
            if rule.message_error:
                out.append(_about_rule(f"{at}.messageExpression", rule, rule.message_error))
            elif rule.message is not None:
                cost = rule.message.cost.high
                if not options.suppress_costs and cost > STATIC_LIMIT:
                    out.append(forbidden(f"{at}.messageExpression", _too_costly("estimated messageExpression cost", cost, STATIC_LIMIT)))
                self.costs.add(f"{at}.messageExpression", cost)
            if rule.uses_old:
                if options.uncorrelatable is not None:
                    text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {options.uncorrelatable}"
                    out.append(invalid(f"{at}.rule", rule.raw["rule"], text))
            elif rule.raw.get("optionalOldSelf") is not None:
                out.append(invalid(f"{at}.optionalOldSelf", rule.raw["optionalOldSelf"], "may not be set if oldSelf is not used in rule"))


def _about_rule(path: str, rule: Rule, detail: str) -> FieldError:
    return invalid(path, internal(rule.raw, "rule"), detail)


def _param(place: Place, kind: str, index: int) -> t.Type | None:
    return place.type.params[index] if place.type is not None and place.type.kind == kind else None


def _member(place: Place, name: str) -> t.Type | None:
    spelled = escape(name)
    found = place.type.fields.get(spelled) if place.type is not None and spelled is not None else None
    return found.type if found is not None else None


def _standard(s: Schema, path: str, options: Options, out: list[FieldError]) -> None:
    kind = s.get("type") or ""
    if options.property_types and kind and kind not in TYPES:
        out.append(not_supported(f"{path}.type", kind, TYPES))
    if s.get("default") is not None and options.forbid_defaults is not None:
        out.append(forbidden(f"{path}.default", f"must not be set {options.forbid_defaults}".rstrip()))
    set_ = [w for w in _UNSUPPORTED if s.get(w) not in (None, "") and (s[w] != {} or w in ("dependencies", "additionalItems"))]
    out += [forbidden(f"{path}.{word}", f"{word} is not supported") for word in set_]
    if kind == "null":
        out.append(forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative"))
    if isinstance(s.get("items"), list) and s["items"]:
        out.append(forbidden(f"{path}.items", "items must be a schema object and not an array"))
    if options.inside_meta and s.get("x-kubernetes-embedded-resource"):
        out.append(forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta"))


def _needs_type(s: Schema, path: str, wanted: str, extension: str, out: list[FieldError]) -> None:
    kind = s.get("type") or ""
    detail = f"must be {wanted} if {extension} is specified"
    out.append(invalid(f"{path}.type", kind, detail) if kind else required(f"{path}.type", detail))


def _extensions(s: Schema, path: str, options: Options, out: list[FieldError]) -> None:
    kind = s.get("type") or ""
    list_type, map_type = s.get("x-kubernetes-list-type"), s.get("x-kubernetes-map-type")
    keys = list(s.get("x-kubernetes-list-map-keys") or ())
    items = s.get("items")
    if s.get("x-kubernetes-preserve-unknown-fields") is False:
        out.append(invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined"))
    if map_type is not None and kind != "object":
        _needs_type(s, path, "object", "x-kubernetes-map-type", out)
    if map_type is not None and map_type not in _MAP_TYPES:
        out.append(not_supported(f"{path}.x-kubernetes-map-type", map_type, _MAP_TYPES))
    if list_type is not None and kind != "array":
        _needs_type(s, path, "array", "x-kubernetes-list-type", out)
    elif options.atomic_sets and list_type == "set" and isinstance(items, Mapping):
        out += non_atomic_set(items, path)
    if list_type is not None and list_type not in _LIST_TYPES:
        out.append(not_supported(f"{path}.x-kubernetes-list-type", list_type, _LIST_TYPES))
    if keys and list_type != "map":
        detail = "must be map if x-kubernetes-list-map-keys is non-empty"
        at = f"{path}.x-kubernetes-list-type"
        out.append(required(at, detail) if list_type is None else invalid(at, list_type, detail))
    if list_type == "map":
        _keyed(s, path, keys, out)
    if options.map_keys:
        out += wrong_map_keys(s, path)


def non_atomic_set(items: Schema, path: str) -> list[FieldError]:
    """Items of a set are compared whole, so they must be atomic."""
    detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if items.get("type") == "array" and items.get("x-kubernetes-list-type") not in (None, "atomic"):
        return [invalid(f"{path}.items.x-kubernetes-list-type", items.get("x-kubernetes-list-type"), detail)]
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        return [invalid(f"{path}.items.x-kubernetes-map-type", items.get("x-kubernetes-list-type"), detail)]
    return []


def _keyed(s: Schema, path: str, keys: list[str], out: list[FieldError]) -> None:
    items = s.get("items")
    at = f"{path}.x-kubernetes-list-map-keys"
    if not keys:
        out.append(required(at, "must not be empty if x-kubernetes-list-type is map"))
    if items is None:
        out.append(required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map"))
    elif not isinstance(items, Mapping):
        out.append(invalid(f"{path}.items", items, "must only have a single schema if x-kubernetes-list-type is map"))
    elif items.get("type") != "object":
        detail = "must be object if parent array's x-kubernetes-list-type is map"
        out.append(invalid(f"{path}.items.type", items.get("type") or "", detail))
    else:
        properties = items.get("properties") or {}
        for i, k in enumerate(keys):
            if k not in properties:
                out.append(invalid(at, keys, "entries must all be names of item properties"))
            elif properties[k].get("type") in ("array", "object"):
                detail = "must be a scalar type if parent array's x-kubernetes-list-type is map"
                out.append(invalid(f"{path}.items.properties[{k}].type", items.get("type"), detail))
            if k in keys[:i]:
                out.append(invalid(at, keys, "must not contain duplicate entries"))


def wrong_map_keys(s: Schema, path: str) -> list[FieldError]:
    """Items of sets and keyed lists may not be null, and keys must always have a value."""
    items, list_type = s.get("items"), s.get("x-kubernetes-list-type")
    out: list[FieldError] = []
    if not isinstance(items, Mapping) or list_type not in ("set", "map"):
        return out
    if items.get("nullable"):
        out.append(forbidden(f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {list_type}"))
    for k in (s.get("x-kubernetes-list-map-keys") or ()) if list_type == "map" else ():
        found = (items.get("properties") or {}).get(k)
        if found is None:
            continue
        at = f"{path}.items.properties[{k}]"
        if k not in (items.get("required") or ()) and found.get("default") is None:
            detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            out.append(required(f"{at}.default", detail))
        if found.get("nullable"):
            out.append(forbidden(f"{at}.nullable", "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"))
    return out


def _rule_texts(s: Schema, path: str, raws: Any, out: list[FieldError]) -> None:
    for i, raw in enumerate(raws):
        at = f"{path}.x-kubernetes-validations[{i}]"
        rule, message = (raw.get("rule") or "").strip(), raw.get("message") or ""
        expression, where, reason = raw.get("messageExpression") or "", raw.get("fieldPath") or "", raw.get("reason")
        if not rule:
            out.append(required(f"{at}.rule", "rule is not specified"))
        elif message and not message.strip():
            out.append(invalid(f"{at}.message", message, "must be non-empty if specified"))
        elif _NEWLINE.search(message.strip()):
            out.append(invalid(f"{at}.message", message, "must not contain line breaks"))
        elif _NEWLINE.search(rule) and not message.strip():
            out.append(required(f"{at}.message", "message must be specified if rule contains line breaks"))
        if expression and not expression.strip():
            out.append(required(f"{at}.messageExpression", "messageExpression must be non-empty if specified"))
        if reason is not None and reason not in REASONS:
            out.append(not_supported(f"{at}.reason", reason, REASONS))
        if where and not where.strip():
            out.append(invalid(f"{at}.fieldPath", where, "must be non-empty if specified"))
        if _NEWLINE.search(where):
            out.append(invalid(f"{at}.fieldPath", where, "must not contain line breaks"))
        if where and not _leads_somewhere(where, s):
            out.append(invalid(f"{at}.fieldPath", where, "must be a valid path"))


def _leads_somewhere(path: str, schema: Schema) -> bool:
    try:
        resolve(path, schema)
    except PathError:
        return False
    return True
