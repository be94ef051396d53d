"""The protobuf form of /openapi/v2, read back field by field."""

from __future__ import annotations

from typing import Any

from kubepy.api import kinds
from kubepy.api.openapi import v2proto
from kubepy.api.openapi.documents import Documents, Source
from kubepy.api.protobuf.wire import fields


def messages(data: bytes, number: int) -> list[bytes]:
    return [v for n, _, v in fields(data) if n == number and isinstance(v, bytes)]


def named(data: bytes, number: int) -> dict[str, bytes]:
    return {messages(pair, 1)[0].decode(): messages(pair, 2)[0] for pair in messages(data, number)}


def test_a_schema_with_everything_we_publish() -> None:
    value: dict[str, Any] = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"$ref": "#/definitions/A"}, "b": {"type": "array", "items": {"type": "string", "enum": ["x"]}}},
        "additionalProperties": True,
        "x-kubernetes-list-type": "map",
    }
    data = v2proto.schema(value)
    assert messages(messages(data, 22)[0], 1) == [b"object"] and messages(data, 19) == [b"a"]
    properties = named(messages(data, 25)[0], 1)
    assert messages(properties["a"], 1) == [b"#/definitions/A"]
    items = messages(messages(properties["b"], 23)[0], 1)[0]
    assert messages(messages(items, 20)[0], 2) == [b'"x"']
    assert list(fields(messages(data, 21)[0])) == [(2, 0, 1)]
    assert messages(named(data, 31)["x-kubernetes-list-type"], 2) == [b'"map"']


def test_the_document_has_every_path_and_definition_of_its_json() -> None:
    documents = Documents("v1.36.2", [Source(r) for r in kinds.RESOURCES if r.group in ("", "apps")])
    status, media, data, _ = documents.answer("/openapi/v2", {"accept": "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}, "")
    assert (status, media) == (200, v2proto.MEDIA_TYPE)
    import json

    want = json.loads(documents.v2())
    assert set(named(messages(data, 8)[0], 2)) == set(want["paths"])
    assert set(named(messages(data, 9)[0], 1)) == set(want["definitions"])
