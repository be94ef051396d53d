"""Files of the volumes that show API objects."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from kubelet import env
from kubelet.volumes import payload
from kubelet.volumes.atomic import File

Obj = dict[str, Any]

OBJECTS: dict[tuple[str, str], Obj] = {
    ("configmaps", "c"): {"data": {"a": "1"}, "binaryData": {"b": base64.b64encode(b"\x00").decode()}},
    ("secrets", "s"): {"data": {"p": base64.b64encode(b"pw").decode()}},
}


def field(path: str) -> str:
    if path != "metadata.name":
        raise env.ConfigError(f"unsupported fieldPath: {path}")
    return "pod-1"


SOURCES = payload.Sources(lambda plural, name: OBJECTS.get((plural, name)), field, lambda ref: "64", lambda source: b"token")


@pytest.mark.parametrize(
    ("volume", "files"),
    [
        ({"configMap": {"name": "c"}}, {"a": File(b"1", 0o644), "b": File(b"\x00", 0o644)}),
        ({"configMap": {"name": "c", "items": [{"key": "a", "path": "x/y", "mode": 256}]}}, {"x/y": File(b"1", 0o400)}),
        ({"configMap": {"name": "none", "optional": True}}, {}),
        ({"secret": {"secretName": "s", "defaultMode": 288}}, {"p": File(b"pw", 0o440)}),
        ({"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}}, {"n": File(b"pod-1", 0o644)}),
        (
            {"projected": {"sources": [
                {"serviceAccountToken": {"path": "token"}}, {"configMap": {"name": "c", "items": [{"key": "a", "path": "ca"}]}},
            ]}},
            {"token": File(b"token", 0o644), "ca": File(b"1", 0o644)},
        ),
        ({"emptyDir": {}}, None),
    ],
)  # fmt: skip
def test_files(volume: Obj, files: dict[str, File] | None) -> None:
    assert payload.files({"name": "v", **volume}, "n", SOURCES, None) == files


def test_a_token_belongs_to_the_pods_user() -> None:
    volume = {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    assert payload.files(volume, "n", SOURCES, 1000) == {"token": File(b"token", 0o600, 1000)}


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        ({"secret": {"secretName": "none"}}, 'secret "none" not found'),
        ({"configMap": {"name": "c", "items": [{"key": "z", "path": "z"}]}}, "configmap references non-existent configmap key: z"),
        ({"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "spec.x"}}]}}, "unsupported fieldPath: spec.x"),
    ],
)
def test_what_is_missing_is_named(volume: Obj, message: str) -> None:
    with pytest.raises(payload.VolumeError) as raised:
        payload.files(volume, "n", SOURCES, None)
    assert str(raised.value) == message


def test_everything_referred_to_is_found() -> None:
    pod = {
        "spec": {
            "volumes": [
                {"configMap": {"name": "a"}}, {"secret": {"secretName": "b"}}, {"projected": {"sources": [{"secret": {"name": "c"}}]}},
            ],
            "imagePullSecrets": [{"name": "d"}],
            "containers": [
                {
                    "envFrom": [{"configMapRef": {"name": "e"}}],
                    "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "f", "key": "k"}}}],
                }
            ],
        }
    }  # fmt: skip
    expected = {("configmaps", "a"), ("secrets", "b"), ("secrets", "c"), ("secrets", "d"), ("configmaps", "e"), ("secrets", "f")}
    assert payload.references(pod) == expected
