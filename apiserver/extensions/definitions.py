"""The kind CustomResourceDefinition: defaults, preparation and validation.

Upstream: apiextensions-apiserver pkg/registry/customresourcedefinition/strategy.go, pkg/apis/apiextensions/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from apiserver.context import Obj
from apiserver.extensions import defaults, structural
from apiserver.extensions.definitionparts import (
    MAX_SELECTABLE,
    REVIEW_VERSIONS,
    check_column,
    check_conversion,
    check_names,
    check_selectable,
    check_subresources,
    one_of,
)
from apiserver.extensions.formats import recognized
from apiserver.extensions.hub import Hub, internal
from apiserver.extensions.keywords import TYPES, Checker, Options, non_atomic_set, wrong_map_keys
from apiserver.extensions.paths import forbidden, invalid, required
from apiserver.registry import objectmeta
from apiserver.registry.strategies.common import status_only
from apiserver.registry.strategy import Strategy
from apiserver.registry.webhookclient import bundle_problem
from kubepy.api import names
from kubepy.api.errors import Cause, FieldError, go_value

GROUP = "apiextensions.k8s.io"
PLURAL = "customresourcedefinitions"
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
Schema = Mapping[str, Any]
_ROOT_FIELDS = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems"
    " UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations"
)
_APPROVED = "api-approved.kubernetes.io"
_IMMUTABLE = "field is immutable"


def spec_of(crd: Obj) -> Obj:
    """The spec, an empty one where there is none."""
    return crd.get("spec") or {}


def condition(crd: Obj, kind: str) -> Obj | None:
    """A status condition by type."""
    return next((c for c in (crd.get("status") or {}).get("conditions") or () if c.get("type") == kind), None)


def is_true(crd: Obj, kind: str) -> bool:
    """Whether a condition is True."""
    found = condition(crd, kind)
    return found is not None and found.get("status") == "True"


def set_condition(status: Obj, kind: str, value: str, reason: str, message: str) -> None:
    """Set a condition in place; its transition time moves only when its status does."""
    conditions = [dict(c) for c in status.get("conditions") or ()]
    status["conditions"] = conditions
    found = next((c for c in conditions if c["type"] == kind), None)
    if found is None:
        found = {"type": kind}
        conditions.append(found)
    if found.get("status") != value:
        found["status"] = value
        found["lastTransitionTime"] = objectmeta.timestamp()
    found["reason"], found["message"] = reason, message


def storage_version(crd: Obj) -> str | None:
    """The name of the version objects are stored in, None when there is none."""
    return next((v.get("name") or "" for v in spec_of(crd).get("versions") or () if v.get("storage")), None)


def _default(crd: Obj) -> None:
    spec = crd.setdefault("spec", {})
    wanted = spec.setdefault("names", {})
    kind = wanted.get("kind") or ""
    if not wanted.get("singular") and kind:
        wanted["singular"] = kind.lower()
    if not wanted.get("listKind") and kind:
        wanted["listKind"] = f"{kind}List"
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", 443)
    _store_version(crd, only_first=True)


def _store_version(crd: Obj, *, only_first: bool = False) -> None:
    """Keep the storage version among status.storedVersions."""
    version = storage_version(crd)
    status = crd.setdefault("status", {})
    stored = status.get("storedVersions") or []
    if version is not None and version not in stored and not (only_first and stored):
        status["storedVersions"] = [*stored, version]


def _empty_status() -> Obj:
    return {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": None}


def _prepare(crd: Obj) -> None:
    crd["status"] = _empty_status()
    _store_version(crd)


def _prepare_update(new: Obj, old: Obj) -> None:
    new["status"] = {**(old.get("status") or _empty_status())}
    _store_version(new)


def terminating(crd: Obj, now: str) -> Obj:
    """The definition with its deletion begun: marked, held by the finalizer, told in its conditions."""
    meta = dict(crd["metadata"])
    meta["deletionTimestamp"] = now
    finalizers = list(meta.get("finalizers") or ())
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)
    meta["finalizers"] = finalizers
    status = dict(crd.get("status") or {})
    text = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    set_condition(status, "Terminating", "True", "InstanceDeletionPending", text)
    return {**crd, "metadata": meta, "status": status}


# Validation.


def validate(crd: Obj) -> list[FieldError]:
    """ValidateCustomResourceDefinition, metadata aside."""
    spec = spec_of(crd)
    out = _spec(spec, _Forgiven())
    out += check_names((crd.get("status") or {}).get("acceptedNames") or {}, "status.acceptedNames")
    out += _stored(crd)
    out += _approval(crd, None)
    if spec.get("preserveUnknownFields"):
        detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        out.append(invalid("spec.preserveUnknownFields", True, detail))
    return out


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    """ValidateCustomResourceDefinitionUpdate, metadata aside."""
    spec, before = spec_of(new), spec_of(old)
    out = _spec(spec, _Forgiven.of(new, old))
    if is_true(old, "Established"):
        out += _immutable(spec, before, "scope")
        out += _immutable(spec, before, "names", "kind")
    out += _immutable(spec, before, "group")
    out += _immutable(spec, before, "names", "plural")
    out += check_names((new.get("status") or {}).get("acceptedNames") or {}, "status.acceptedNames")
    out += _stored(new)
    out += _approval(new, old)
    if spec.get("preserveUnknownFields") and not before.get("preserveUnknownFields"):
        detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        out.append(invalid("spec.preserveUnknownFields", True, detail))
    return out


def _validate_status(new: Obj, old: Obj) -> list[FieldError]:
    return check_names((new.get("status") or {}).get("acceptedNames") or {}, "status.acceptedNames")


def _immutable(new: Schema, old: Schema, *path: str) -> list[FieldError]:
    a: Any = new
    b: Any = old
    for part in path:
        a, b = (a or {}).get(part), (b or {}).get(part)
    return [] if (a or "") == (b or "") else [invalid(".".join(("spec", *path)), a or "", _IMMUTABLE)]


class _Forgiven:
    """What an update may keep although new definitions may not have it."""

    def __init__(self) -> None:
        self.schema_required = True
        self.property_types = True
        self.structural = True
        self.pruned_defaults = True
        self.atomic_sets = True
        self.map_keys = True
        self.review_versions = True
        self.ca_bundle = False
        """Whether the conversion webhook's CA bundle must be valid; a definition that is not established yet waits for that."""
        self.unchanged: frozenset[str] = frozenset()
        self.selectable: frozenset[str] = frozenset()

    @classmethod
    def of(cls, new: Obj, old: Obj) -> _Forgiven:
        out = cls()
        versions = {v["name"]: v for v in spec_of(old).get("versions") or ()}
        schemas = [_schema_of(v) for v in versions.values()]
        present = [s for s in schemas if s is not None]
        out.schema_required = len(present) == len(schemas)
        every = [s for schema in present for s in walk(schema)]
        out.property_types = all(not s.get("type") or s["type"] in TYPES for s in every)
        out.structural = not any(_is_non_structural(s) for s in present)
        out.pruned_defaults = not any(defaults.validate(s, "", pruned=True) for s in present) if out.structural else True
        sets = [s for s in every if s.get("x-kubernetes-list-type") == "set" and isinstance(s.get("items"), Mapping)]
        out.atomic_sets = not any(non_atomic_set(s["items"], "") for s in sets)
        out.map_keys = not any(wrong_map_keys(s, "") for s in every)
        reviewed = ((spec_of(old).get("conversion") or {}).get("webhook") or {}).get("conversionReviewVersions") or []
        out.review_versions = not reviewed or any(v in REVIEW_VERSIONS for v in reviewed)
        out.ca_bundle = is_true(old, "Established") and not bundle_problem(ca_bundle(old))
        now = spec_of(new).get("versions") or ()
        out.unchanged = frozenset(v["name"] for v in now if v["name"] in versions and _schema_of(v) == _schema_of(versions[v["name"]]))
        out.selectable = frozenset(
            v["name"] for v in now
            if v["name"] in versions and len(versions[v["name"]].get("selectableFields") or ()) > MAX_SELECTABLE
            and v.get("selectableFields") == versions[v["name"]].get("selectableFields")
        )  # fmt: skip
        return out


def ca_bundle(crd: Obj) -> str:
    """The CA bundle of the conversion webhook in base64, empty where there is none."""
    client = ((spec_of(crd).get("conversion") or {}).get("webhook") or {}).get("clientConfig") or {}
    return client.get("caBundle") or ""


def _schema_of(version: Schema) -> Schema | None:
    found: Schema | None = (version.get("schema") or {}).get("openAPIV3Schema")
    return found


def walk(schema: Any) -> Iterator[Schema]:
    """A schema and all schemas inside it."""
    if not isinstance(schema, Mapping):
        return
    yield schema
    for word in ("items", "not", "additionalProperties", "additionalItems"):
        found = schema.get(word)
        for child in found if isinstance(found, list) else (found,):
            yield from walk(child)
    for word in ("allOf", "anyOf", "oneOf"):
        for child in schema.get(word) or ():
            yield from walk(child)
    for word in ("properties", "patternProperties", "definitions", "dependencies"):
        for child in (schema.get(word) or {}).values():
            yield from walk(child)


def _is_non_structural(schema: Schema) -> bool:
    try:
        structural.convertible(schema)
    except structural.NotStructural:
        return True
    return bool(structural.validate(schema, ""))


def _spec(spec: Schema, forgiven: _Forgiven) -> list[FieldError]:
    out: list[FieldError] = []
    group = spec.get("group") or ""
    if not group:
        out.append(required("spec.group"))
    elif found := names.dns1123_subdomain(group):
        out.append(invalid("spec.group", group, ",".join(found)))
    elif "." not in group:
        out.append(invalid("spec.group", group, "should be a domain with at least one dot"))
    out += one_of("spec.scope", spec.get("scope") or "", ("Cluster", "Namespaced"))
    hub = Hub.of(spec)
    preserve = bool(spec.get("preserveUnknownFields"))
    if hub.schema is None or _schema_of({"schema": hub.schema}) is None:
        for i, v in enumerate(hub.versions):
            at = f"spec.versions[{i}].schema.openAPIV3Schema"
            if _schema_of(v) is None:
                if forgiven.schema_required:
                    out.append(required(at))
                elif not preserve and v.get("served"):
                    out.append(required(at, "because otherwise all fields are pruned"))
    seen: set[str] = set()
    for i, v in enumerate(hub.versions):
        name = v.get("name") or ""
        seen.add(name)
        if found := names.dns1035_label(name):
            out.append(invalid(f"spec.versions[{i}].name", name, ",".join(found)))
        out += _version(v, f"spec.versions[{i}]", hub, forgiven)
    shown = [internal(v, "version") for v in hub.versions] or None
    if len(seen) != len(hub.versions):
        out.append(invalid("spec.versions", shown, "must contain unique version names"))
    if sum(bool(v.get("storage")) for v in hub.versions) != 1:
        out.append(invalid("spec.versions", shown, "must have exactly one version marked as storage version"))
    first = hub.versions[0].get("name", "") if hub.versions else ""
    if first and (found := names.dns1035_label(first)):
        out.append(invalid("spec.version", first, ",".join(found)))
    wanted = spec.get("names") or {}
    out += [required(f"spec.names.{n}") for n in ("plural", "singular", "kind", "listKind") if not wanted.get(n)]
    out += check_names(wanted, "spec.names")
    suppress = first in forgiven.unchanged
    out += _validation(hub.schema, "spec.validation", _any_status(hub), forgiven, suppress)
    out += check_subresources(hub.subresources, "spec.subresources")
    for i, column in enumerate(hub.columns or ()):
        out += check_column(column, f"spec.additionalPrinterColumns[{i}]")
    if hub.selectable:
        schema = _schema_of({"schema": hub.schema}) if hub.schema else None
        if schema is None:
            out.append(invalid("spec.selectableFields", "", "may only be set when validations.schema is included"))
        else:
            out += check_selectable(hub.selectable, schema, "spec.selectableFields", first in forgiven.selectable)
    out += check_conversion(hub.conversion, preserve, ca_bundle=forgiven.ca_bundle, review_versions=forgiven.review_versions)
    return out


def _version(v: Schema, path: str, hub: Hub, forgiven: _Forgiven) -> list[FieldError]:
    out: list[FieldError] = []
    warning = v.get("deprecationWarning")
    out += [invalid(f"{path}.deprecationWarning", warning, text) for text in _warning(bool(v.get("deprecated")), warning)]
    status = (hub.subresources_of(v) or {}).get("status") is not None
    out += _validation(v.get("schema"), f"{path}.schema", status, forgiven, v.get("name") in forgiven.unchanged)
    out += check_subresources(v.get("subresources"), f"{path}.subresources")
    for i, column in enumerate(v.get("additionalPrinterColumns") or ()):
        out += check_column(column, f"{path}.additionalPrinterColumns[{i}]")
    if v.get("selectableFields"):
        schema = _schema_of(v)
        at = f"{path}.selectableFields"
        if schema is None:
            out.append(invalid(at, "", "may only be set when `version.schema.openAPIV3Schema` is not included"))
        else:
            out += check_selectable(v["selectableFields"], schema, at, v.get("name") in forgiven.selectable)
    return out


def _warning(deprecated: bool, text: str | None) -> list[str]:
    if text is None:
        return []
    if not deprecated:
        return ["can only be set for deprecated versions"]
    out = []
    if len(text.encode()) > 256:
        out.append("must be <= 256 characters long")
    if not text:
        out.append("must not be an empty string")
    at = 0
    for c in text:
        if not c.isprintable():
            out.append(f"must only contain printable UTF-8 characters; non-printable character found at index {at}")
            break
        at += len(c.encode())
    return out


def _any_status(hub: Hub) -> bool:
    every = [hub.subresources, *(v.get("subresources") for v in hub.versions)]
    return any((s or {}).get("status") is not None for s in every)


_GO_NAMES = {
    "id": "ID", "$schema": "Schema", "$ref": "Ref", "x-kubernetes-preserve-unknown-fields": "XPreserveUnknownFields",
    "x-kubernetes-embedded-resource": "XEmbeddedResource", "x-kubernetes-int-or-string": "XIntOrString",
    "x-kubernetes-list-map-keys": "XListMapKeys", "x-kubernetes-list-type": "XListType", "x-kubernetes-map-type": "XMapType",
    "x-kubernetes-validations": "XValidations",
}  # fmt: skip


def _validation(holder: Schema | None, path: str, status: bool, forgiven: _Forgiven, suppress: bool) -> list[FieldError]:
    """One version's schema: what stands at its root, its structure, its defaults, its words and its rules."""
    schema = (holder or {}).get("openAPIV3Schema")
    if schema is None:
        return []
    at = f"{path}.openAPIV3Schema"
    out: list[FieldError] = []
    if status:
        out += _root_with_status(schema, at)
    if schema.get("nullable"):
        out.append(forbidden(f"{at}.nullable", "nullable cannot be true at the root"))
    unconvertible = ""
    rules = False
    # Without preserveUnknownFields, and that is all there is now, schemas are always structural.
    try:
        structural.convertible(schema)
        found = structural.validate(schema, at) or defaults.validate(schema, at, pruned=forgiven.pruned_defaults)
        out += found
        rules = not found
    except structural.NotStructural as e:
        unconvertible = str(e)
    options = Options(
        atomic_sets=forgiven.atomic_sets, map_keys=forgiven.map_keys, property_types=forgiven.property_types, suppress_costs=suppress
    )
    checker = Checker(options, rules=rules, schema=schema)
    out += checker.run(schema, at)
    if not out and unconvertible:
        out.append(invalid(at, "", unconvertible))
    if rules:
        out += checker.costs.errors(at)
    return out


def _root_with_status(schema: Schema, at: str) -> list[FieldError]:
    for word, value in schema.items():
        if value in (None, False, "", [], {}):
            continue
        go = _GO_NAMES.get(word, word[0].upper() + word[1:])
        if go == "Type":
            if value != "object":
                detail = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
                return [invalid(f"{at}.type", value, detail)]
        elif go not in _ROOT_FIELDS.split():
            detail = f"only [{_ROOT_FIELDS}] fields are allowed at the root of the schema if the status subresource is enabled"
            return [invalid(at, internal(schema, "schema"), detail)]
    return []


def _stored(crd: Obj) -> list[FieldError]:
    stored = (crd.get("status") or {}).get("storedVersions") or []
    path = "status.storedVersions"
    if not stored:
        return [invalid(path, stored or None, "must have at least one stored version")]
    out: list[FieldError] = []
    known: set[str] = set()
    for version in spec_of(crd).get("versions") or ():
        name = version.get("name") or ""
        if version.get("storage") and (name not in stored or name in known):
            out.append(invalid(path, stored, f"must have the storage version {name}"))
        known.add(name)
    for i, v in enumerate(stored):
        if v not in known:
            detail = (
                f"missing from spec.versions; {v} was previously a storage version, and must remain in spec.versions until a storage"
                f" migration ensures no data remains persisted in {v} and removes {v} from status.storedVersions"
            )
            out.append(invalid(f"{path}[{i}]", v, detail))
    return out


def approval_state(crd: Obj) -> tuple[str, str]:
    """(approved, bypassed, missing or invalid; why) for the groups that the community protects."""
    text = (crd["metadata"].get("annotations") or {}).get(_APPROVED, "")
    if not text:
        why = "protected groups must have approval annotation"
        return "missing", f'{why} "{_APPROVED}", see https://github.com/kubernetes/enhancements/pull/1111'
    if text.startswith("unapproved"):
        return "bypassed", f'not approved: "{text}"'
    parts = urlsplit(text)
    if parts.scheme and parts.netloc:
        return "approved", f"approved in {text}"
    why = "protected groups must have approval annotation"
    return "invalid", (
        f'{why} "{_APPROVED}" with either a URL or a reason starting with "unapproved",'
        " see https://github.com/kubernetes/enhancements/pull/1111"
    )


def is_protected(group: str) -> bool:
    """Groups that belong to the Kubernetes community."""
    return group in ("k8s.io", "kubernetes.io") or group.endswith((".k8s.io", ".kubernetes.io"))


def _approval(new: Obj, old: Obj | None) -> list[FieldError]:
    if not is_protected(spec_of(new).get("group") or ""):
        return []
    state, why = approval_state(new)
    if state in ("approved", "bypassed") or (old is not None and approval_state(old)[0] == state):
        return []
    path = f"metadata.annotations[{_APPROVED}]"
    if state == "missing":
        return [required(path, why)]
    return [invalid(path, (new["metadata"].get("annotations") or {}).get(_APPROVED), why)]


def _name_check(crd: Obj) -> list[FieldError]:
    spec = spec_of(crd)
    name = crd["metadata"].get("name") or ""
    wanted = f"{(spec.get('names') or {}).get('plural') or ''}.{spec.get('group') or ''}"
    if name and name != wanted:
        return [FieldError(Cause.INVALID, "metadata.name", f'Invalid value: {go_value(name)}: must be spec.names.plural+"."+spec.group')]
    return []


# Warnings.


def _unknown_formats(crd: Obj) -> list[str]:
    found = [s for s in _shown_schemas(crd) if s.get("format") and not recognized(s.get("type") or "", s["format"])]
    return [f'unrecognized format "{s["format"]}"' for s in found]


def _shown_schemas(crd: Obj) -> Iterator[Schema]:
    hub = Hub.of(spec_of(crd))
    for holder in (hub.schema, *(v.get("schema") for v in hub.versions)):
        yield from walk((holder or {}).get("openAPIV3Schema"))


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    known = set(_unknown_formats(old)) if old is not None else set()
    return [w for w in _unknown_formats(new) if w not in known]


STRATEGY = Strategy(
    default=_default,
    prepare=_prepare,
    prepare_update=_prepare_update,
    validate=lambda crd: _name_check(crd) + validate(crd),
    validate_update=validate_update,
    status_prepare_update=status_only(),
    status_validate_update=_validate_status,
    warnings=_warnings,
    allow_unconditional_update=False,
    reset_fields=("status",),
    terminate=terminating,
)
"""The strategy of customresourcedefinitions.apiextensions.k8s.io."""
