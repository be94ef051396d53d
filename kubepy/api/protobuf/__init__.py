"""Kubernetes' protobuf encoding of built-in kinds, to and from plain dicts. Pure.

`numbers.json` holds, for every message, its fields as [number, JSON name, type]: an empty name means that the message's fields are
inlined, `*` a repeated field, `map:` a map with string keys. Messages are named group.version.Kind.
"""

from kubepy.api.protobuf.envelope import MAGIC, NotProtobuf, Unencodable, pack, unpack, watch_frame

__all__ = ["MAGIC", "NotProtobuf", "Unencodable", "pack", "unpack", "watch_frame"]
