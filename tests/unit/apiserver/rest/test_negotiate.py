"""What Accept headers choose."""

from __future__ import annotations

import pytest

from apiserver.rest.negotiate import JSON, PROTOBUF, YAML, for_errors, for_watch, negotiate, wants_pretty
from kubepy.api.errors import NotAcceptable

TABLE = b"application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("header", "media", "transform"),
    [
        (b"", JSON, ""),
        (b"*/*", JSON, ""),
        (b"application/json;charset=utf-8", JSON, ""),
        (b"application/yaml", YAML, ""),
        (b"application/xml, application/json;q=0.5", JSON, ""),
        (b"application/vnd.kubernetes.protobuf;q=0.1,application/json;q=0.9", JSON, ""),
        (b"application/vnd.kubernetes.protobuf,application/json", PROTOBUF, ""),
        (TABLE + b",application/json", JSON, "Table"),
        (b"application/json;as=Chair;v=v1;g=meta.k8s.io,application/json", JSON, ""),
        (b"application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", PROTOBUF, "PartialObjectMetadata"),
    ],
)
def test_choices(header: bytes, media: str, transform: str) -> None:
    accept = negotiate(header)
    assert (accept.media, accept.transform) == (media, transform)


def test_lists_prefer_json_to_protobuf() -> None:
    assert negotiate(b"application/vnd.kubernetes.protobuf,application/json", stream=True).media == JSON
    assert negotiate(b"application/vnd.kubernetes.protobuf", stream=True).media == PROTOBUF


def test_refusals_have_two_texts() -> None:
    with pytest.raises(NotAcceptable, match=r"^406: Not Acceptable\n\nAvailable representations: application/json, application/yaml"):
        negotiate(b"text/html")
    with pytest.raises(NotAcceptable, match=r"^only the following media types are accepted: application/json"):
        negotiate(b"application/json;as=Table;v=v2;g=meta.k8s.io")
    with pytest.raises(NotAcceptable, match=r"application/json;stream=watch"):
        for_watch(b"application/yaml")


def test_custom_resources_have_no_protobuf() -> None:
    assert negotiate(b"application/vnd.kubernetes.protobuf,application/json", routed=False).media == JSON


@pytest.mark.parametrize(
    ("query", "agent", "pretty"),
    [(b"pretty=true", b"", True), (b"pretty=0", b"curl/8", False), (b"", b"curl/8", True), (b"", b"kubectl/v1.36", False)],
)
def test_pretty(query: bytes, agent: bytes, pretty: bool) -> None:
    assert wants_pretty(query, agent) is pretty


def test_errors_have_no_other_form() -> None:
    assert for_errors(TABLE + b",application/json").transform == ""
    for header in (TABLE, b"application/yaml;stream=watch"):
        with pytest.raises(NotAcceptable):
            for_errors(header)
    assert for_errors(b"application/yaml").media == YAML
