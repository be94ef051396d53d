"""The protobuf encoding: bytes as Go writes them, and everything back again."""

from __future__ import annotations

from typing import Any

import pytest

from kubepy.api import protobuf

POD: dict[str, Any] = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {
        "name": "a",
        "labels": {"x": "y", "z": ""},
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {".": {}}}}],
    },
    "spec": {
        "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}],
        "containers": [
            {
                "name": "c",
                "image": "i",
                "command": ["sh", "-c"],
                "resources": {"limits": {"cpu": "100m"}},
                "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "n", "key": "k", "optional": False}}}],
                "livenessProbe": {"httpGet": {"port": "web", "path": "/"}, "periodSeconds": -3},
                "readinessProbe": {"tcpSocket": {"port": 80}},
            }
        ],
        "terminationGracePeriodSeconds": -1,
    },
}


def test_round_trip() -> None:
    assert protobuf.unpack(protobuf.pack(POD)) == POD


def test_bytes_of_a_small_object() -> None:
    obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "v"}, "immutable": True}
    # As encoded by k8s.io/api: Unknown{typeMeta{v1, ConfigMap}, raw{metadata 1, data 2, immutable 4}}.
    body = b"\x0a\x03\x0a\x01a" + b"\x12\x06\x0a\x01k\x12\x01v" + b"\x20\x01"
    wanted = b"k8s\x00" + b"\x0a\x0f\x0a\x02v1\x12\x09ConfigMap" + b"\x12" + bytes((len(body),)) + body + b"\x1a\x00\x22\x00"
    assert protobuf.pack(obj) == wanted


@pytest.mark.parametrize(
    "obj",
    [
        {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "spec": {"renewTime": "2026-01-02T03:04:05.000006Z"}},
        {"kind": "Secret", "apiVersion": "v1", "data": {"k": "AAEC"}},
        {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {"extra": {"a": ["b", "c"]}}},
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "details": {"name": "x"}},
        {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "a"}}]},
        {"kind": "ControllerRevision", "apiVersion": "apps/v1", "data": {"spec": [1, {"a": None}]}, "revision": 3},
        {
            "kind": "CustomResourceDefinition",
            "apiVersion": "apiextensions.k8s.io/v1",
            "spec": {
                "group": "g",
                "versions": [
                    {
                        "name": "v1",
                        "schema": {
                            "openAPIV3Schema": {
                                "properties": {
                                    "a": {"type": "array", "items": {"type": "string"}, "maximum": 1.5},
                                    "b": {"additionalProperties": False, "default": {"x": 1}, "enum": ["p", 2]},
                                    "c": {"additionalProperties": {"type": "integer"}},
                                }
                            }
                        },
                    }
                ],
            },
        },
    ],
)
def test_special_types(obj: dict[str, Any]) -> None:
    assert protobuf.unpack(protobuf.pack(obj)) == obj


def test_unknown_fields_and_kinds() -> None:
    packed = protobuf.pack({"kind": "ConfigMap", "apiVersion": "v1", "nonsense": 1})
    assert protobuf.unpack(packed) == {"kind": "ConfigMap", "apiVersion": "v1"}
    with pytest.raises(protobuf.Unencodable):
        protobuf.pack({"kind": "Table", "apiVersion": "meta.k8s.io/v1"})


@pytest.mark.parametrize("data", [b"", b"garbage", b"k8s\x00\x0a\xff", b"k8s\x00\x0f"])
def test_rubbish(data: bytes) -> None:
    with pytest.raises(protobuf.NotProtobuf):
        protobuf.unpack(data)


def test_times_of_the_first_year_are_times_but_for_the_very_first_second() -> None:
    lease = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": {"name": "a"}}
    early = {**lease, "spec": {"renewTime": "0001-01-01T00:00:02.000000Z"}}
    assert protobuf.unpack(protobuf.pack(early)) == early
    zero = {**lease, "spec": {"holderIdentity": "h", "renewTime": "0001-01-01T00:00:00.000000Z"}}
    assert protobuf.unpack(protobuf.pack(zero))["spec"].get("renewTime") is None
