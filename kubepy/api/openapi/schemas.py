"""Schemas of the OpenAPI documents, from the published definitions and from CRDs. Pure.

Upstream: kube-openapi's generated definitions; apiextensions-apiserver pkg/controller/openapi (custom resources).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from kubepy.api.openapi import enums
from kubepy.api.resource import Resource, Subresource
from kubepy.api.schema.definitions import definition_name, definitions, json_type, node_for_definition, reference
from kubepy.api.schema.node import Node

Obj = dict[str, Any]
V3 = "#/components/schemas/"

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_POD = "io.k8s.api.core.v1.Pod"
PATCH = _META + "Patch"
STATUS = _META + "Status"
DELETE_OPTIONS = _META + "DeleteOptions"
WATCH_EVENT = _META + "WatchEvent"
API_RESOURCE_LIST = _META + "APIResourceList"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"

_PATCH_SCHEMA: Obj = {
    "description": "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body.",
    "type": "object",
}

MARKED_DEFAULTS: dict[str, dict[str, Any]] = {
    "io.k8s.api.autoscaling.v1.ScaleSpec": {"replicas": 0},
    "io.k8s.api.core.v1.AzureDiskVolumeSource": {"cachingMode": "ReadWrite", "fsType": "ext4", "kind": "Shared", "readOnly": False},
    "io.k8s.api.core.v1.ConfigMapEnvSource": {"name": ""},
    "io.k8s.api.core.v1.ConfigMapProjection": {"name": ""},
    "io.k8s.api.core.v1.ConfigMapVolumeSource": {"name": ""},
    "io.k8s.api.core.v1.FileKeySelector": {"optional": False},
    "io.k8s.api.core.v1.RBDPersistentVolumeSource": {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"},
    "io.k8s.api.core.v1.RBDVolumeSource": {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"},
    "io.k8s.api.core.v1.ScaleIOPersistentVolumeSource": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
    "io.k8s.api.core.v1.ScaleIOVolumeSource": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
    "io.k8s.api.core.v1.SecretEnvSource": {"name": ""},
    "io.k8s.api.core.v1.SecretProjection": {"name": ""},
    "io.k8s.api.core.v1.ContainerPort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.GRPCAction": {"service": ""},
    "io.k8s.api.core.v1.ServicePort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.LocalObjectReference": {"name": ""},
    "io.k8s.api.core.v1.ISCSIVolumeSource": {"iscsiInterface": "default"},
    "io.k8s.api.core.v1.ISCSIPersistentVolumeSource": {"iscsiInterface": "default"},
    "io.k8s.api.core.v1.ConfigMapKeySelector": {"name": ""},
    "io.k8s.api.core.v1.SecretKeySelector": {"name": ""},
    "io.k8s.api.core.v1.ReplicationControllerSpec": {"replicas": 1, "minReadySeconds": 0},
    "io.k8s.api.resource.v1.DeviceToleration": {"operator": "Equal"},
}
"""Defaults that upstream's types declare (`+default=`), which server-side apply needs where they are keys of list maps."""

_ZERO = {"string": "", "integer": 0, "number": 0, "boolean": False}


@lru_cache(maxsize=2048)
def definition(name: str) -> Obj:
    """One built-in definition as OpenAPI v3. Shared: do not change. KeyError for unknown names."""
    if name == PATCH:
        return _PATCH_SCHEMA
    schema = definitions()[name]
    if name == _QUANTITY:
        return {"description": schema.get("description", ""), "oneOf": [{"type": "string"}, {"type": "number"}]}
    if name == _INT_OR_STRING:
        return {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}
    out = _schema(schema)
    if "properties" in schema:
        node = node_for_definition(name)
        marked = MARKED_DEFAULTS.get(name, {})
        for field, child in node.fields.items():
            _enumerate(name, child, out["properties"][field])
            default = marked.get(field, _implied_default(child))
            if default is not None:
                out["properties"][field] = out["properties"][field] | {"default": default}
    return out


def _enumerate(name: str, node: Node, schema: Obj) -> None:
    """Add the values of an enumeration to a field's schema, or to its items'."""
    if node.type == "list" and node.items is not None and "items" in schema:
        _enumerate(name, node.items, schema["items"])
    elif node.type == "string" and node.go_type != "string" and (found := enums.values(name, node.go_type)):
        schema["enum"] = found


def _implied_default(node: Node) -> Any:
    """What Go holds in an unset field: structs are {}, scalars that are always written zero."""
    if node.pointer:
        return None
    if node.type == "object" and node.fields:
        return {}
    if not node.omit_empty and not node.quantity and not node.time and node.format != "byte":
        return _ZERO.get(node.type)
    return None


def _schema(schema: Mapping[str, Any]) -> Obj:
    out: Obj = {k: v for k, v in schema.items() if k == "description" or k.startswith("x-kubernetes-")}
    if name := reference(schema):
        if not out:
            return {"$ref": V3 + name}
        return out | {"allOf": [{"$ref": V3 + name}]}
    kind = json_type(schema) if "type" in schema else ""
    if kind:
        out["type"] = kind
    for key in ("format", "required"):
        if key in schema:
            out[key] = schema[key]
    if "properties" in schema:
        out["properties"] = {k: _schema(v) for k, v in schema["properties"].items()}
    if isinstance(schema.get("items"), dict):
        out["items"] = _schema(schema["items"])
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        out["additionalProperties"] = _schema(extra)
    return out


def of_group(schema: Obj, group: str, version: str) -> Obj:
    """A schema as one group version's document has it: kinds that every group has are said of this one and the core alone."""
    kinds = schema.get("x-kubernetes-group-version-kind") or ()
    if len(kinds) < 2:
        return schema
    kept = [k for k in kinds if not k["group"] or (k["group"], k["version"]) == (group, version)]
    return schema | {"x-kubernetes-group-version-kind": kept}


def model_name(resource: Resource, kind: str) -> str:
    """The schema's name: the definition's, or for custom resources the reversed group, version and kind."""
    if not resource.custom:
        found = definition_name(resource.api_version, kind)
        if found is not None:
            return found
    return ".".join((*reversed(resource.group.split(".")), resource.version, kind))


def gvk(group: str, version: str, kind: str) -> Obj:
    """The value of x-kubernetes-group-version-kind."""
    return {"group": group, "version": version, "kind": kind}


def references(value: Any) -> Iterable[str]:
    """The names of all schemas that a piece of a document refers to."""
    if isinstance(value, dict):
        ref = value.get("$ref")
        if isinstance(ref, str):
            yield ref.rpartition("/")[2]
        for child in value.values():
            yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


def closure(roots: Iterable[str], own: Mapping[str, Obj]) -> dict[str, Obj]:
    """The named schemas and all they refer to, `own` before the built-in ones; in the order of names."""
    out: dict[str, Obj] = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in out:
            out[name] = own[name] if name in own else definition(name)
            todo += references(out[name])
    return dict(sorted(out.items()))


@cache
def _said(definition: str, field: str) -> str:
    """What the published definitions say of a field."""
    return str(definitions()[definition]["properties"][field]["description"])


@cache
def _conventions() -> str:
    """The page that the definitions' descriptions lead to."""
    return _said(_POD, "metadata").partition("More info: ")[2].partition("#")[0]


def _type_meta() -> Obj:
    return {field: {"type": "string", "description": _said(_POD, field)} for field in ("apiVersion", "kind")}


def _embedded_type_meta() -> Obj:
    first = _said(_POD, "apiVersion").partition(". ")[0].removeprefix("APIVersion")
    texts = {
        "apiVersion": f"apiVersion{first}. More info: {_conventions()}#resources",
        "kind": f"kind is a string value representing the type of this object. In CamelCase. More info: {_conventions()}#types-kinds",
    }
    return {field: {"type": "string", "description": text} for field, text in texts.items()}


def _metadata() -> Obj:
    return _ref(_META + "ObjectMeta", _said(_POD, "metadata"))


_NOT_IN_V2 = {"oneOf", "anyOf", "allOf", "not", "nullable", "default"}


def custom_schemas(resource: Resource, schema: Mapping[str, Any] | None, *, v2: bool = False) -> dict[str, Obj]:
    """The schemas of a custom resource and of its list, by name. `schema` is the version's openAPIV3Schema."""
    kind_name, list_name = model_name(resource, resource.kind), model_name(resource, resource.list_kind)
    if schema is None or (v2 and schema.get("x-kubernetes-preserve-unknown-fields")):
        # Clients take listed properties for all there are: with unknown fields allowed there must be none.
        own: Obj = {"type": "object"}
    else:
        own = _plain(schema, v2)
        own["properties"] = own.get("properties", {}) | _type_meta() | {"metadata": _metadata()}
    own["x-kubernetes-group-version-kind"] = [gvk(resource.group, resource.version, resource.kind)]
    if resource.selectable_fields and not v2:
        own["x-kubernetes-selectable-fields"] = [{"fieldPath": f} for f in resource.selectable_fields]
    listing: Obj = {
        "description": f"{resource.list_kind} is a list of {resource.kind}",
        "type": "object",
        "required": ["items"],
        "properties": _type_meta()
        | {
            "metadata": _ref(_META + "ListMeta", _said(_POD + "List", "metadata")),
            "items": {
                "description": f"List of {resource.plural}. More info: {_conventions()}",
                "type": "array",
                "items": {"$ref": V3 + kind_name},
            },
        },
        "x-kubernetes-group-version-kind": [gvk(resource.group, resource.version, resource.list_kind)],
    }
    if "x-kubernetes-selectable-fields" in own:
        listing["x-kubernetes-selectable-fields"] = own["x-kubernetes-selectable-fields"]
    return {kind_name: own, list_name: listing}


def _ref(name: str, description: str) -> Obj:
    return {"allOf": [{"$ref": V3 + name}], "description": description}


def _plain(schema: Mapping[str, Any], v2: bool) -> Obj:
    """A CRD's schema as it is published: embedded resources get their metadata; v2 loses what it cannot say."""
    out: Obj = {k: v for k, v in schema.items() if not (v2 and k in _NOT_IN_V2)}
    if not v2 and schema.get("x-kubernetes-int-or-string") and not (schema.get("anyOf") or schema.get("allOf")):
        out["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if v2 and (schema.get("nullable") or schema.get("x-kubernetes-int-or-string")):
        out.pop("type", None)
    if "properties" in schema:
        out["properties"] = {k: _plain(v, v2) for k, v in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            out[key] = _plain(schema[key], v2)
    if schema.get("x-kubernetes-embedded-resource") and not (v2 and schema.get("x-kubernetes-preserve-unknown-fields")):
        out["properties"] = out.get("properties", {}) | _embedded_type_meta() | {"metadata": _metadata()}
        out["required"] = [*out.get("required", ()), *(k for k in ("kind", "apiVersion") if k not in out.get("required", ()))]
    return out


def gvk_of(resource: Resource) -> Obj:
    """The x-kubernetes-group-version-kind of a resource."""
    return gvk(resource.group, resource.version, resource.kind)


def subresource_model(resource: Resource, subresource: Subresource) -> str:
    """The name of the schema that a subresource reads and writes."""
    if subresource.version is not None:
        found = definition_name(f"{subresource.group}/{subresource.version}", subresource.kind)
        if found is not None:
            return found
    return model_name(resource, subresource.kind)
