"""Parts of a CustomResourceDefinition's spec that are checked by themselves: names, subresources, columns, selectable fields, conversion.

Upstream: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.extensions.fieldpath import PathError, resolve
from apiserver.extensions.paths import forbidden, invalid, required
from apiserver.registry.webhookclient import bundle_problem, check_service, check_url
from kubepy.api import names
from kubepy.api.errors import FieldError, duplicate, not_supported, too_many

MAX_SELECTABLE = 8
REVIEW_VERSIONS = ("v1", "v1beta1")
Schema = Mapping[str, Any]
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")


def one_of(path: str, value: str, accepted: Sequence[str]) -> list[FieldError]:
    """An enumeration that must be set."""
    if not value:
        return [required(path)]
    return [] if value in accepted else [not_supported(path, value, accepted)]


def check_names(given: Schema, path: str) -> list[FieldError]:
    """CustomResourceDefinitionNames."""
    out: list[FieldError] = []
    for name in ("plural", "singular"):
        value = given.get(name)
        if value and (found := names.dns1035_label(value)):
            out.append(invalid(f"{path}.{name}", value, ",".join(found)))
    for name in ("kind", "listKind"):
        value = given.get(name)
        if value and (found := names.dns1035_label(value.lower())):
            out.append(invalid(f"{path}.{name}", value, "may have mixed case, but should otherwise match: " + ",".join(found)))
    for i, short in enumerate(given.get("shortNames") or ()):
        if found := names.dns1035_label(short):
            out.append(invalid(f"{path}.shortNames[{i}]", short, ",".join(found)))
    if given.get("kind") and given.get("kind") == given.get("listKind"):
        out.append(invalid(f"{path}.listKind", given["listKind"], "kind and listKind may not be the same"))
    for i, category in enumerate(given.get("categories") or ()):
        if found := names.dns1035_label(category):
            out.append(invalid(f"{path}.categories[{i}]", category, ",".join(found)))
    return out


def _simple_path(text: str, path: str) -> list[FieldError]:
    return [] if text.startswith(".") else [invalid(path, text, "must be a simple json path starting with .")]


def check_subresources(given: Schema | None, path: str) -> list[FieldError]:
    """CustomResourceSubresources."""
    scale = (given or {}).get("scale")
    if scale is None:
        return []
    out: list[FieldError] = []
    for name, under in (
        ("specReplicasPath", (".spec.",)),
        ("statusReplicasPath", (".status.",)),
        ("labelSelectorPath", (".spec.", ".status.")),
    ):
        text, at = scale.get(name) or "", f"{path}.scale.{name}"
        if not text:
            if name != "labelSelectorPath":
                out.append(required(at))
        elif found := _simple_path(text, at):
            out += found
        elif not text.startswith(under):
            where = "either .spec or .status" if len(under) > 1 else under[0].rstrip(".")
            out.append(invalid(at, text, f"should be a json path under {where}"))
    return out


def check_column(column: Schema, path: str) -> list[FieldError]:
    """One of additionalPrinterColumns."""
    out: list[FieldError] = []
    kind, form, where = column.get("type") or "", column.get("format") or "", column.get("jsonPath") or ""
    if not column.get("name"):
        out.append(required(f"{path}.name"))
    if kind not in _COLUMN_TYPES:
        detail = f"must be one of {','.join(_COLUMN_TYPES)}"
        out.append(invalid(f"{path}.type", kind, detail) if kind else required(f"{path}.type", detail))
    if form and form not in _COLUMN_FORMATS:
        out.append(invalid(f"{path}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}"))
    out += _simple_path(where, f"{path}.JSONPath") if where else [required(f"{path}.JSONPath")]
    return out


def check_selectable(fields: Sequence[Schema], schema: Schema, path: str, too_many_allowed: bool) -> list[FieldError]:
    """selectableFields, which resolve in `schema`; more than the maximum stay where an update does not touch them."""
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, entry in enumerate(fields):
        at, text = f"{path}[{i}].jsonPath", entry.get("jsonPath") or ""
        if not text:
            out.append(required(at))
            continue
        try:
            parts, shown, target = resolve(text, schema, brackets=False)
        except PathError as e:
            out.append(invalid(at, text, f"is an invalid path: {e}"))
            continue
        if parts and parts[0] == "metadata":
            out.append(invalid(at, text, "must not point to fields in metadata"))
        if target.get("type") not in ("string", "boolean", "integer"):
            detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
            out.append(invalid(at, text, detail))
        if shown in seen:
            out.append(duplicate(at, text))
        seen.add(shown)
    if len(seen) > MAX_SELECTABLE and not too_many_allowed:
        out.append(too_many(path, len(seen), MAX_SELECTABLE))
    return out


def check_conversion(conversion: Schema | None, preserve: bool, *, ca_bundle: bool, review_versions: bool) -> list[FieldError]:
    """CustomResourceConversion. `ca_bundle`: the webhook's must be valid; `review_versions`: one of them must be known here."""
    if conversion is None:
        return []
    out: list[FieldError] = []
    strategy, client = conversion["strategy"], conversion["webhookClientConfig"]
    reviewed = conversion["conversionReviewVersions"]
    if strategy != "None" and preserve:
        out.append(invalid("spec.conversion.strategy", strategy, "must be None if spec.preserveUnknownFields is true"))
    out += one_of("spec.conversion.strategy", strategy, ("None", "Webhook"))
    at = "spec.conversion.webhookClientConfig"
    if strategy == "Webhook":
        if client is None:
            out.append(required(at, "required when strategy is set to Webhook"))
        elif bool(client.get("url")) == (client.get("service") is not None):
            out.append(required(at, "exactly one of url or service is required"))
        elif client.get("url"):
            out += check_url(f"{at}.url", client["url"])
        else:
            out += check_service(f"{at}.service", client["service"])
        if ca_bundle and client is not None and (problem := bundle_problem(client.get("caBundle") or "")):
            out.append(invalid(f"{at}.caBundle", client["caBundle"], problem))
        out += _review_versions(reviewed, review_versions)
        return out
    detail = "should not be set when strategy is not set to Webhook"
    if client is not None:
        out.append(forbidden(at, detail))
    if reviewed:
        out.append(forbidden("spec.conversion.conversionReviewVersions", detail))
    return out


def _review_versions(versions: Sequence[str], known: bool) -> list[FieldError]:
    path = "spec.conversion.conversionReviewVersions"
    if not versions:
        return [required(path)]
    out: list[FieldError] = []
    for i, v in enumerate(versions):
        if v in versions[:i]:
            out.append(invalid(f"{path}[{i}]", v, "duplicate version"))
        else:
            out += [invalid(f"{path}[{i}]", v, text) for text in names.dns1035_label(v)]
    if known and not any(v in REVIEW_VERSIONS for v in versions):
        out.append(invalid(path, list(versions), f"must include at least one of {', '.join(REVIEW_VERSIONS)}"))
    return out
