"""A definition as upstream validates it: what all versions have in common is moved up to the spec, and errors name it there.

Upstream: apiextensions pkg/apis/apiextensions/v1/conversion.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.context import Obj

_SHARED = ("subresources", "schema", "additionalPrinterColumns", "selectableFields")


@dataclass(frozen=True)
class Hub:
    """`versions` lack what is in the other fields, which are None where versions differ (or have none)."""

    spec: Mapping[str, Any]
    versions: Sequence[Obj]
    subresources: Obj | None
    schema: Obj | None
    columns: Sequence[Obj] | None
    selectable: Sequence[Obj] | None
    conversion: Obj | None

    @staticmethod
    def of(spec: Mapping[str, Any]) -> Hub:
        """The internal form of a v1 spec."""
        versions = [dict(v) for v in spec.get("versions") or ()]
        shared: dict[str, Any] = dict.fromkeys(_SHARED)
        for name in _SHARED if versions else ():
            first = versions[0].get(name)
            if all(v.get(name) == first for v in versions):
                shared[name] = first
                for v in versions:
                    v.pop(name, None)
        return Hub(
            spec, versions, shared["subresources"], shared["schema"], shared["additionalPrinterColumns"], shared["selectableFields"],
            _conversion(spec.get("conversion")),
        )  # fmt: skip

    def subresources_of(self, version: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The subresources that apply to a version."""
        if any(v.get("subresources") is not None for v in self.versions):
            return version.get("subresources")
        return self.subresources


def _conversion(conversion: Mapping[str, Any] | None) -> Obj | None:
    if conversion is None:
        return None
    webhook = conversion.get("webhook") or {}
    return {
        "strategy": conversion.get("strategy", ""),
        "webhookClientConfig": webhook.get("clientConfig"),
        "conversionReviewVersions": webhook.get("conversionReviewVersions") or [],
    }


_FIELDS: dict[str, tuple[tuple[str, str, Any], ...]] = {
    "version": (
        ("Name", "name", ""), ("Served", "served", False), ("Storage", "storage", False), ("Deprecated", "deprecated", False),
        ("DeprecationWarning", "deprecationWarning", None), ("Schema", "schema", None), ("Subresources", "subresources", None),
        ("AdditionalPrinterColumns", "additionalPrinterColumns", None), ("SelectableFields", "selectableFields", None),
    ),
    "rule": (
        ("Rule", "rule", ""), ("Message", "message", ""), ("MessageExpression", "messageExpression", ""), ("Reason", "reason", None),
        ("FieldPath", "fieldPath", ""), ("OptionalOldSelf", "optionalOldSelf", None),
    ),
    "schema": (
        ("ID", "id", ""), ("Schema", "$schema", ""), ("Ref", "$ref", None), ("Description", "description", ""), ("Type", "type", ""),
        ("Nullable", "nullable", False), ("Format", "format", ""), ("Title", "title", ""), ("Default", "default", None),
        ("Maximum", "maximum", None), ("ExclusiveMaximum", "exclusiveMaximum", False), ("Minimum", "minimum", None),
        ("ExclusiveMinimum", "exclusiveMinimum", False), ("MaxLength", "maxLength", None), ("MinLength", "minLength", None),
        ("Pattern", "pattern", ""), ("MaxItems", "maxItems", None), ("MinItems", "minItems", None), ("UniqueItems", "uniqueItems", False),
        ("MultipleOf", "multipleOf", None), ("Enum", "enum", None), ("MaxProperties", "maxProperties", None),
        ("MinProperties", "minProperties", None), ("Required", "required", None), ("Items", "items", None), ("AllOf", "allOf", None),
        ("OneOf", "oneOf", None), ("AnyOf", "anyOf", None), ("Not", "not", None), ("Properties", "properties", None),
        ("AdditionalProperties", "additionalProperties", None), ("PatternProperties", "patternProperties", None),
        ("Dependencies", "dependencies", None), ("AdditionalItems", "additionalItems", None), ("Definitions", "definitions", None),
        ("ExternalDocs", "externalDocs", None), ("Example", "example", None),
        ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", None),
        ("XEmbeddedResource", "x-kubernetes-embedded-resource", False), ("XIntOrString", "x-kubernetes-int-or-string", False),
        ("XListMapKeys", "x-kubernetes-list-map-keys", None), ("XListType", "x-kubernetes-list-type", None),
        ("XMapType", "x-kubernetes-map-type", None), ("XValidations", "x-kubernetes-validations", None),
    ),
    "subresources": (("Status", "status", None), ("Scale", "scale", None)),
    "scale": (("SpecReplicasPath", "specReplicasPath", ""), ("StatusReplicasPath", "statusReplicasPath", ""),
        ("LabelSelectorPath", "labelSelectorPath", None)),
    "column": (
        ("Name", "name", ""), ("Type", "type", ""), ("Format", "format", ""), ("Description", "description", ""),
        ("Priority", "priority", 0),
        ("JSONPath", "jsonPath", ""),
    ),
    "selectable": (("JSONPath", "jsonPath", ""),),
}  # fmt: skip
"""The internal Go types: field name, JSON name, zero value. Their values are printed in errors."""

_NESTED: dict[str, tuple[str, str]] = {
    "Schema": ("validation", "one"), "Subresources": ("subresources", "one"), "AdditionalPrinterColumns": ("column", "list"),
    "SelectableFields": ("selectable", "list"), "Scale": ("scale", "one"), "XValidations": ("rule", "list"),
    "Properties": ("schema", "map"),
    "PatternProperties": ("schema", "map"), "Definitions": ("schema", "map"), "AllOf": ("schema", "list"), "OneOf": ("schema", "list"),
    "AnyOf": ("schema", "list"), "Not": ("schema", "one"),
}  # fmt: skip


def internal(value: Any, kind: str) -> Any:
    """A value as JSON of the internal Go type `kind` (version, rule, schema)."""
    if value is None:
        return None
    if kind == "validation":
        return {"OpenAPIV3Schema": internal(value.get("openAPIV3Schema"), "schema")}
    out: Obj = {}
    for go, name, zero in _FIELDS[kind]:
        found = value.get(name, zero)
        if found is not None and go == "Items":
            many = isinstance(found, list)
            found = {
                "Schema": None if many else internal(found, "schema"),
                "JSONSchemas": [internal(s, "schema") for s in found] if many else None,
            }
        elif found is not None and go in ("AdditionalProperties", "AdditionalItems"):
            schema = internal(found, "schema") if isinstance(found, Mapping) else None
            found = {"Allows": bool(found) or schema is not None, "Schema": schema}
        elif found is not None and go in _NESTED and not (kind == "schema" and go == "Schema"):
            nested, shape = _NESTED[go]
            if shape == "list":
                found = [internal(v, nested) for v in found]
            elif shape == "map":
                found = {k: internal(v, nested) for k, v in found.items()}
            else:
                found = internal(found, nested)
        out[go] = found
    return out
