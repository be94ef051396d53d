"""A tiny builder of type nodes, for tests that need a type but no Kubernetes definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubepy.api.schema import Node


def node(kind: Any, *, fields: Mapping[str, Node] | None = None, **attributes: Any) -> Node:
    """A node of type `kind` with these attributes."""
    out = Node(type=kind, omit_empty=True, **attributes)
    if fields is not None:
        out.resolve = lambda: fields
    return out


def obj(**fields: Node) -> Node:
    """An object with these fields."""
    return node("object", fields=fields)


STRING = node("string")
INTEGER = node("integer")
STRINGS = node("map", items=STRING)


def keyed(item: Node, *keys: str) -> Node:
    """A list merged by key."""
    return node("list", items=item, list_type="map", list_map_keys=keys, patch_strategy="merge", patch_merge_key=keys[0])


METADATA = obj(
    name=STRING, namespace=STRING, uid=STRING, resourceVersion=STRING, generation=INTEGER, creationTimestamp=node("string", time="seconds"),
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
