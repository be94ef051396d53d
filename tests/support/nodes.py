"""A tiny builder of type nodes, for tests that need a type but no Kubernetes definition."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

_DEFAULTS: dict[str, Any] = {
    "fields": None, "required": frozenset(), "items": None, "list_type": None, "map_type": None, "list_map_keys": None,
    "patch_strategy": None, "patch_merge_key": None, "format": None, "int_or_string": False, "quantity": False, "time": False,
    "preserve_unknown": False, "embedded_resource": False, "nullable": False, "default": None, "description": None, "ref": None,
}  # fmt: skip


def node(kind: str, **attributes: Any) -> Any:
    """A node of type `kind` with the attributes of kubepy.api.schema.Node."""
    return SimpleNamespace(type=kind, **{**_DEFAULTS, **attributes})


def obj(**fields: Any) -> Any:
    """An object with these fields."""
    return node("object", fields=fields)


STRING = node("string")
INTEGER = node("integer")
STRINGS = node("map", items=STRING)


def keyed(item: Any, *keys: str) -> Any:
    """A list merged by key."""
    return node("list", items=item, list_type="map", list_map_keys=keys, patch_strategy="merge", patch_merge_key=keys[0])


METADATA = obj(
    name=STRING, namespace=STRING, uid=STRING, resourceVersion=STRING, generation=INTEGER, creationTimestamp=node("string", time=True),
    labels=STRINGS, annotations=STRINGS, finalizers=node("list", items=STRING, list_type="set", patch_strategy="merge"),
    managedFields=node("list", items=node("any")),
)  # fmt: skip

PORT = obj(containerPort=INTEGER, protocol=node("string", default="TCP"), name=STRING)
CONTAINER = obj(
    name=STRING, image=STRING, args=node("list", items=STRING, list_type="atomic"),
    ports=keyed(PORT, "containerPort", "protocol"), env=keyed(obj(name=STRING, value=STRING), "name"),
    resources=obj(limits=node("map", items=node("string", quantity=True))),
)  # fmt: skip
POD = obj(
    apiVersion=STRING, kind=STRING, metadata=METADATA,
    spec=obj(
        containers=keyed(CONTAINER, "name"), nodeSelector=node("map", items=STRING, map_type="atomic"),
        tolerations=node("list", items=obj(key=STRING), list_type="atomic"), replicas=INTEGER,
        strategy=node("object", fields={"type": STRING, "rollingUpdate": obj(maxSurge=INTEGER)}, patch_strategy="retainKeys"),
    ),
    status=obj(phase=STRING),
)  # fmt: skip
CONFIG_MAP = obj(apiVersion=STRING, kind=STRING, metadata=METADATA, data=STRINGS)
