"""What a definition makes the server serve: one `Served` per version.

Upstream: apiextensions-apiserver pkg/apiserver/customresource_handler.go, pkg/registry/customresource.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apiserver.context import Obj
from apiserver.extensions import paths, structure, values
from apiserver.extensions.columns import CustomTable
from apiserver.extensions.conversion import Converter
from apiserver.extensions.definitions import spec_of, storage_version
from apiserver.extensions.rules import Evaluation, Tree, tree_of
from apiserver.registry.catalog import Served
from apiserver.registry.strategy import Strategy
from apiserver.rest.subresources.scale import ScalePaths
from kubepy.api import names
from kubepy.api.errors import Cause, FieldError
from kubepy.api.patch.errors import go_print
from kubepy.api.resource import Resource, Subresource
from kubepy.api.schema.structural import StructuralDecoder, node_of

Schema = Mapping[str, Any]
_BLOCKING = frozenset({Cause.NOT_SUPPORTED, Cause.REQUIRED, Cause.TOO_LONG, Cause.TOO_MANY, Cause.TYPE_INVALID})
_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_SUB_VERBS = ("get", "patch", "update")
_STANDARD_FINALIZERS = frozenset({"orphan", "foregroundDeletion", "kubernetes"})
_MAX_INT32 = 2**31 - 1


class Findings(list[FieldError]):
    """Errors of an update, and warnings about what was let pass because it was wrong before."""

    warnings: Sequence[str] = ()


class Version:
    """One version of a definition, compiled on first use."""

    def __init__(self, crd: Obj, version: Schema) -> None:
        self.name: str = version["name"]
        self.schema: Schema | None = (version.get("schema") or {}).get("openAPIV3Schema")
        self.preserve = bool(spec_of(crd).get("preserveUnknownFields"))
        self.node = node_of(self.schema)
        self.decoder = StructuralDecoder(self.node, preserve_unknown=self.preserve)
        self._pruner: StructuralDecoder | None = None
        self._check: values.Check | None = None
        self._status_check: values.Check | None = None
        self._tree: Tree | None = None
        self._compiled = False

    def prune(self, obj: Obj) -> Obj:
        """The object without what this version does not know, no defaults added."""
        if self._pruner is None:
            self._pruner = StructuralDecoder(node_of(_without_defaults(self.schema)), preserve_unknown=self.preserve)
        return self._pruner.complete(obj)

    def _compile(self) -> None:
        if not self._compiled:
            self._compiled = True
            schema = self.schema or {}
            self._check = values.compile_schema(schema)
            status = (schema.get("properties") or {}).get("status")
            self._status_check = values.compile_schema(status) if status is not None else None
            self._tree = tree_of(schema)

    def value_errors(self, obj: Obj, old: Any = values.NO_OLD) -> list[FieldError]:
        """Violations of the schema's constraints."""
        self._compile()
        assert self._check is not None
        return values.validate(self._check, obj, old)

    def status_errors(self, obj: Obj, old: Obj) -> list[FieldError]:
        """Violations in the status alone."""
        self._compile()
        if self._status_check is None or "status" not in obj:
            return []
        return values.validate(self._status_check, obj["status"], old.get("status", values.NO_OLD), "status")

    def rule_errors(self, found: list[FieldError], obj: Obj, old: Any = values.NO_OLD) -> tuple[list[FieldError], list[str]]:
        """(errors, warnings) of the rules, which do not run on objects that are wrong in other ways."""
        self._compile()
        if self._tree is None:
            return [], []
        if any(e.cause in _BLOCKING for e in found):
            text = (
                "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
            )
            return [paths.invalid("", None, text)], []
        run = Evaluation(ratchet=old is not values.NO_OLD)
        run.run(self._tree, obj, old)
        return run.errors, run.warnings


def _without_defaults(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        out = {}
        for key, value in schema.items():
            if key == "properties":
                out[key] = {name: _without_defaults(child) for name, child in value.items()}
            elif key in ("items", "additionalProperties"):
                out[key] = _without_defaults(value)
            elif key != "default":
                out[key] = value
        return out
    return schema


class Custom(Served):
    """A custom resource in one version; `schema` is what OpenAPI publishes, `scale` where replicas are."""

    schema: Schema | None = None
    scale: ScalePaths | None = None


class _Behaviour:
    """The strategy of one version: what customresource/strategy.go does."""

    def __init__(self, version: Version, kind: str, api_version: str, status: bool, scale: Schema | None) -> None:
        self._version = version
        self._kind = kind
        self._api_version = api_version
        self._status = status
        self._scale = scale

    def strategy(self) -> Strategy:
        base = Strategy(
            prepare=self._prepare, prepare_update=self._prepare_update, validate=self._validate, validate_update=self._validate_update,
            status_validate_update=self._validate_status, status_prepare_update=self._prepare_status, warnings=_warnings,
            name_check=names.name_is_subdomain, allow_unconditional_update=False, has_generation=False,
            reset_fields=("status",) if self._status else (),
        )  # fmt: skip
        if not self._status:
            return base
        return base.with_(subresources={"status": base.with_(reset_fields=("metadata", "spec"))})

    def _prepare(self, obj: Obj) -> None:
        if self._status:
            obj.pop("status", None)
        obj["metadata"]["generation"] = 1

    def _prepare_update(self, new: Obj, old: Obj) -> None:
        if self._status:
            if "status" in old:
                new["status"] = old["status"]
            else:
                new.pop("status", None)
        if any(new.get(k, ...) != old.get(k, ...) for k in new.keys() | old.keys() if k != "metadata"):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    @staticmethod
    def _prepare_status(new: Obj, old: Obj) -> None:
        status, sent = new.get("status", ...), new["metadata"]
        meta = {k: v for k, v in old["metadata"].items() if k != "managedFields"}
        meta["resourceVersion"] = sent.get("resourceVersion", meta.get("resourceVersion"))
        if sent.get("managedFields"):
            meta["managedFields"] = sent["managedFields"]
        new.clear()
        new.update(old)
        new["metadata"] = meta
        new.pop("status", None)
        if status is not ...:
            new["status"] = status

    def _types(self, obj: Obj) -> list[FieldError]:
        out = []
        if obj.get("kind") != self._kind:
            out.append(paths.invalid("kind", obj.get("kind"), f"must be {self._kind}"))
        if obj.get("apiVersion") != self._api_version:
            out.append(paths.invalid("apiVersion", obj.get("apiVersion"), f"must be {self._api_version}"))
        return out

    def _validate(self, obj: Obj) -> list[FieldError]:
        if found := self._types(obj):
            return found
        version = self._version
        out = version.value_errors(obj) + self._scale_errors(obj, ("specReplicasPath", "statusReplicasPath"))
        out += structure.embedded_errors(obj, version.schema, root=True)
        out += structure.list_errors(obj, version.schema)
        return out + version.rule_errors(out, obj)[0]

    def _validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        if found := self._types(new):
            return found
        version = self._version
        out = version.value_errors(new, old) + self._scale_errors(new, ("specReplicasPath", "statusReplicasPath"))
        out += structure.embedded_errors(new, version.schema, root=True)
        return self._finish(out, new, old)

    def _validate_status(self, new: Obj, old: Obj) -> list[FieldError]:
        if found := self._types(new):
            return found
        return self._finish(self._version.status_errors(new, old) + self._scale_errors(new, ("statusReplicasPath",)), new, old)

    def _finish(self, out: list[FieldError], new: Obj, old: Obj) -> Findings:
        schema = self._version.schema
        found = structure.list_errors(new, schema)
        if found and not structure.list_errors(old, schema):
            out += found
        errors, warnings = self._version.rule_errors(out, new, old)
        findings = Findings(out + errors)
        findings.warnings = warnings
        return findings

    def _scale_errors(self, obj: Obj, which: Sequence[str]) -> list[FieldError]:
        out: list[FieldError] = []
        for name in which if self._scale is not None else ():
            path = (self._scale or {}).get(name) or ""
            value = _at(obj, path)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                go = {str: "string", bool: "bool", float: "float64", list: "[]interface {}"}.get(type(value), "map[string]interface {}")
                detail = f"{path} accessor error: {go_print(value)} is of the type {go}, expected int64"
                out.append(paths.invalid(path, 0, detail))
            elif value < 0:
                out.append(paths.invalid(path, value, "should be a non-negative integer"))
            elif value > _MAX_INT32:
                out.append(paths.invalid(path, value, f"should be less than or equal to {_MAX_INT32}"))
        return out


def _at(obj: Any, path: str) -> Any:
    for part in path.removeprefix(".").split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    """Finalizers that others may clash with."""
    known = set((old or {}).get("metadata", {}).get("finalizers") or ())
    out: list[str] = []
    for name in sorted(set(new["metadata"].get("finalizers") or ()) - known):
        shown = f'metadata.finalizers: "{name}": '
        out += [shown + text for text in names.qualified_name(name)]
        if "/" not in name and name not in _STANDARD_FINALIZERS:
            path = " including a path (/)" if "." in name else ""
            out.append(f"{shown}prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers")
    return out


def build(crd: Obj, converter: Converter) -> dict[str, Custom]:
    """Every version of an accepted definition, by name, the unserved ones included (their objects must be deletable)."""
    spec = spec_of(crd)
    versions = {v["name"]: Version(crd, v) for v in spec.get("versions") or ()}
    return {v["name"]: _served(crd, v, versions, converter) for v in spec.get("versions") or ()}


def _served(crd: Obj, raw: Schema, versions: Mapping[str, Version], converter: Converter) -> Custom:
    spec = spec_of(crd)
    group, name = spec["group"], raw["name"]
    accepted = (crd.get("status") or {}).get("acceptedNames") or {}
    version = versions[name]
    subs = raw.get("subresources") or {}
    kind, stored = accepted["kind"], storage_version(crd) or ""
    subresources = []
    if subs.get("status") is not None:
        subresources.append(Subresource("status", kind, _SUB_VERBS))
    if subs.get("scale") is not None:
        subresources.append(Subresource("scale", "Scale", _SUB_VERBS, "autoscaling", "v1"))
    resource = Resource(
        group, name, accepted["plural"], kind, accepted.get("singular") or kind.lower(), spec.get("scope") == "Namespaced", _VERBS,
        tuple(accepted.get("shortNames") or ()), tuple(accepted.get("categories") or ()), tuple(subresources), storage_version=stored,
        selectable_fields=tuple(f["jsonPath"].removeprefix(".") for f in raw.get("selectableFields") or ()), custom=True,
    )  # fmt: skip
    if accepted.get("listKind"):
        # The one thing about a resource that its kind does not determine.
        resource.__dict__["list_kind"] = accepted["listKind"]
    api_version = resource.api_version
    behaviour = _Behaviour(version, kind, api_version, subs.get("status") is not None, subs.get("scale"))
    served = Custom(
        resource, version.node, version.decoder, behaviour.strategy(),
        to_storage=None if name == stored else _to_storage(versions[stored], f"{group}/{stored}", converter),
        from_storage=_from_storage(version, versions, api_version, converter), reads_raw=_reads_raw(crd, kind, api_version),
        table=CustomTable(raw.get("additionalPrinterColumns") or ()), warning=_deprecation(spec, raw, kind),
    )  # fmt: skip
    served.schema = version.schema
    if subs.get("scale") is not None:
        scale = subs["scale"]
        served.scale = ScalePaths(
            *((scale.get(p) or "").removeprefix(".") for p in ("specReplicasPath", "statusReplicasPath", "labelSelectorPath"))
        )
    return served


def _to_storage(target: Version, api_version: str, converter: Converter) -> Callable[[Obj], Any]:
    async def convert(obj: Obj) -> Obj:
        (converted,) = await converter.convert([obj], api_version)
        return target.prune(converted)

    return convert


def _from_storage(
    version: Version, versions: Mapping[str, Version], api_version: str, converter: Converter
) -> Callable[[Sequence[Obj]], Any]:
    async def convert(objs: Sequence[Obj]) -> list[Obj]:
        """Defaults are those of the version an object is stored in; what the served one does not know is pruned."""
        completed = []
        for obj in objs:
            at = versions.get(obj.get("apiVersion", "").rpartition("/")[2])
            completed.append(at.decoder.complete(obj) if at is not None else obj)
        converted = await converter.convert(completed, api_version)
        return [new if new is old else version.prune(new) for new, old in zip(converted, completed, strict=True)]

    return convert


def _reads_raw(crd: Obj, kind: str, api_version: str) -> Callable[[bytes], bool]:
    """Bytes that were written in this version under this state of the definition need neither pruning nor defaults."""
    since = int(crd["metadata"]["resourceVersion"])
    prefix = f'{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{{"resourceVersion":"'.encode()
    start = len(prefix)

    def test(raw: bytes) -> bool:
        return raw.startswith(prefix) and int(raw[start : raw.index(b'"', start)]) > since

    return test


_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


def version_priority(version: str) -> tuple[int, int, int, str]:
    """Sorts versions by preference: stable before beta before alpha, higher before lower, other names last."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return 3, 0, 0, version
    return {None: 0, "beta": 1, "alpha": 2}[found[2]], -int(found[1]), -int(found[3] or 0), ""


def _deprecation(spec: Schema, raw: Schema, kind: str) -> str:
    """The warning of a deprecated version: its own, or what to use instead."""
    if not raw.get("deprecated"):
        return ""
    if raw.get("deprecationWarning"):
        return str(raw["deprecationWarning"])
    group, name = spec["group"], raw["name"]
    out = f"{group}/{name} {kind} is deprecated"
    current = [v["name"] for v in spec["versions"] if v.get("served") and not v.get("deprecated")]
    better = sorted((v for v in current if version_priority(v) < version_priority(name)), key=version_priority)
    return f"{out}; use {group}/{better[0]} {kind}" if better else out
