"""The envelope around a Kubernetes protobuf object: four magic bytes, then runtime.Unknown with the kind and the message. Pure.

Upstream: apimachinery pkg/runtime/serializer/protobuf, pkg/runtime (Unknown).
"""

from __future__ import annotations

from typing import Any

from kubepy.api.meta import group_version
from kubepy.api.protobuf import messages, wire

MAGIC = b"k8s\x00"
_META_KINDS = frozenset(
    ("DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions", "ListOptions", "GetOptions", "Status", "WatchEvent")
)
_DISCOVERY = frozenset(("APIVersions", "APIGroup", "APIGroupList", "APIResourceList"))


class NotProtobuf(ValueError):
    """The bytes are not a Kubernetes protobuf object."""


class Unencodable(ValueError):
    """There is no message for this kind: it is only served as JSON."""


def _message(api_version: str, kind: str) -> str:
    if kind in _META_KINDS or (kind in _DISCOVERY and api_version == "v1"):
        return f"meta.v1.{kind}"
    group, version = group_version(api_version)
    if group == "meta.k8s.io":
        version = "v1"
    return f"{group.split('.')[0] or 'core'}.{version}.{kind}"


def unpack(data: bytes) -> dict[str, Any]:
    """An object, with its kind and apiVersion where the envelope names them. Raises NotProtobuf."""
    if not data.startswith(MAGIC):
        raise NotProtobuf("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    api_version = kind = ""
    raw = b""
    try:
        for number, _, value in wire.fields(data[4:]):
            if number == 1 and isinstance(value, bytes):
                for n, _, text in wire.fields(value):
                    if n == 1 and isinstance(text, bytes):
                        api_version = text.decode("utf-8", "replace")
                    elif n == 2 and isinstance(text, bytes):
                        kind = text.decode("utf-8", "replace")
            elif number == 2 and isinstance(value, bytes):
                raw = value
        message = _message(api_version, kind)
        if not messages.known(message):
            return {"kind": kind, "apiVersion": api_version}
        body = messages.decode(raw, message)
    except wire.WireError as e:
        raise NotProtobuf(str(e)) from None
    return {"kind": kind, "apiVersion": api_version, **body}


def pack(obj: dict[str, Any]) -> bytes:
    """An object in its envelope. Raises Unencodable."""
    api_version, kind = obj.get("apiVersion") or "v1", obj.get("kind", "")
    message = _message(api_version, kind)
    if not messages.known(message):
        raise Unencodable(f"{api_version} {kind}")
    described = wire.part(1, api_version.encode()) + wire.part(2, kind.encode())
    return MAGIC + wire.part(1, described) + wire.part(2, messages.encode(obj, message)) + wire.part(3, b"") + wire.part(4, b"")


def watch_frame(kind: str, obj: dict[str, Any]) -> bytes:
    """One event of a watch: a length of four bytes, then a WatchEvent without envelope around an object with one."""
    event = wire.part(1, kind.encode()) + wire.part(2, wire.part(1, pack(obj)))
    return len(event).to_bytes(4, "big") + event
