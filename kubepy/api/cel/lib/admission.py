"""What admission policies and match conditions may say of a request and its namespace: declared types, and what mutations construct.

Upstream: apiserver pkg/admission/plugin/cel/compile.go, pkg/cel/mutation.
"""

from __future__ import annotations

from kubepy.api.cel import types as t
from kubepy.api.cel.lib.authorizer import PREFIX


def _object(kind: str, /, **fields: t.Type) -> t.Type:
    return t.object_type(f"kubernetes.{kind}", {k: t.Field(v, k) for k, v in fields.items()})


_S, _STRINGS = t.STRING, t.list_of(t.STRING)
_PAIRS = t.map_of(t.STRING, t.STRING)
_KIND = _object("GroupVersionKind", group=_S, version=_S, kind=_S)
_RESOURCE = _object("GroupVersionResource", group=_S, version=_S, resource=_S)
_USER = _object("UserInfo", username=_S, uid=_S, groups=_STRINGS, extra=t.map_of(_S, _STRINGS))
REQUEST = _object(
    "AdmissionRequest", kind=_KIND, resource=_RESOURCE, subResource=_S, requestKind=_KIND, requestResource=_RESOURCE,
    requestSubResource=_S, name=_S, namespace=_S, operation=_S, userInfo=_USER, dryRun=t.BOOL, options=t.DYN,
)  # fmt: skip
"""`request`."""

_CONDITION = _object("NamespaceCondition", status=_S, type=_S, lastTransitionTime=t.TIMESTAMP, message=_S, reason=_S)
_METADATA = _object(
    "NamespaceMetadata", name=_S, generateName=_S, namespace=_S, labels=_PAIRS, annotations=_PAIRS, UID=_S,
    creationTimestamp=t.TIMESTAMP, deletionGracePeriodSeconds=t.INT, deletionTimestamp=t.TIMESTAMP, generation=t.INT, resourceVersion=_S,
    finalizers=_STRINGS,
)  # fmt: skip
NAMESPACE = _object(
    "Namespace", metadata=_METADATA, spec=_object("NamespaceSpec", finalizers=_STRINGS),
    status=_object("NamespaceStatus", conditions=t.list_of(_CONDITION), phase=_S),
)  # fmt: skip
"""`namespaceObject`."""

AUTHORIZER: dict[str, t.Type] = {
    "authorizer": t.opaque(PREFIX + "Authorizer"),
    "authorizer.requestResource": t.opaque(PREFIX + "ResourceCheck"),
}

JSON_PATCH = t.object_type(
    "JSONPatch", {**{name: t.Field(t.STRING, name) for name in ("op", "path", "from")}, "value": t.Field(t.DYN, "value")}
)
APPLY_CONFIGURATION = t.object_type("Object", {}, open_fields=True)


def mutation_types(name: str) -> t.Type | None:
    """Types that mutations construct: JSONPatch, and `Object` with whatever lies under it."""
    if name == "JSONPatch":
        return JSON_PATCH
    if name == "Object":
        return APPLY_CONFIGURATION
    return t.object_type(name, {}, open_fields=True) if name.startswith("Object.") else None


MUTATION_FUNCTIONS = frozenset(("jsonpatch.escapeKey",))
"""Functions that only mutations have."""


def variable_type(type_: t.Type) -> t.Type:
    """The type of a policy's variable: objects and library types become dynamic (plugin/cel/composition.go)."""
    if type_.kind == "list":
        return t.list_of(variable_type(type_.params[0]))
    if type_.kind == "map":
        return t.map_of(variable_type(type_.params[0]), variable_type(type_.params[1]))
    return type_ if type_.kind in t.SCALARS else t.DYN
