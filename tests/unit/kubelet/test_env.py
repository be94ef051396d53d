"""Environments and the downward API."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from kubelet import env

Obj = dict[str, Any]

OBJECTS: dict[tuple[str, str], Obj] = {
    ("configmaps", "c"): {"data": {"A": "1", "B": "2"}},
    ("secrets", "s"): {"data": {"P": base64.b64encode(b"pass").decode()}},
}


def lookup(plural: str, name: str) -> Obj | None:
    return OBJECTS.get((plural, name))


def made(container: Obj, services: dict[str, str] | None = None) -> dict[str, str]:
    pod = {
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"b": "2", "a": '"q"'}, "annotations": {"k/x": "v"}},
        "spec": {"containers": [container], "serviceAccountName": "sa"},
    }
    ips = {"status.podIP": "10.0.0.2", "status.hostIP": "192.0.2.1"}
    return env.environment(
        pod, container, lookup=lookup, services=services or {}, node_name="node", ips=ips, allocatable={"memory": "1Gi", "cpu": "2"}
    )


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)-$(B)", "1-$(B)"), ("$$(A)", "$(A)"), ("$A", "$A"), ("$(", "$("), ("x$", "x$"), ("$$$(A)", "$1"), ("$(A", "$(A"),
    ],
)  # fmt: skip
def test_expansion(text: str, expanded: str) -> None:
    assert env.expand(text, {"A": "1"}) == expanded


def test_variables_see_those_before_them_and_services() -> None:
    container = {"name": "c", "env": [{"name": "X", "value": "$(S)/$(Y)"}, {"name": "Y", "value": "$(X)!"}]}
    assert made(container, {"S": "svc"}) == {"S": "svc", "X": "svc/$(Y)", "Y": "svc/$(Y)!"}


def test_sources_and_references() -> None:
    container = {
        "name": "c",
        "envFrom": [{"configMapRef": {"name": "c"}, "prefix": "C_"}, {"secretRef": {"name": "none", "optional": True}}],
        "env": [
            {"name": "K", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "A"}}},
            {"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "P"}}},
            {"name": "O", "valueFrom": {"secretKeyRef": {"name": "s", "key": "none", "optional": True}}},
            {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['k/x']"}}},
            {"name": "I", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "L", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "Q", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}},
        ],
        "resources": {"requests": {"cpu": "250m"}},
    }
    assert made(container) == {
        "C_A": "1", "C_B": "2", "K": "1", "P": "pass", "N": "v", "I": "10.0.0.2", "L": "1024", "Q": "250",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "none", "key": "A"}}, 'configmap "none" not found'),
        ({"secretKeyRef": {"name": "none", "key": "A"}}, 'secret "none" not found'),
        ({"configMapKeyRef": {"name": "c", "key": "Z"}}, "couldn't find key Z in ConfigMap n/c"),
    ],
)
def test_what_is_missing_is_named(source: Obj, message: str) -> None:
    with pytest.raises(env.ConfigError) as raised:
        made({"name": "c", "env": [{"name": "X", "valueFrom": source}]})
    assert str(raised.value) == message


def test_maps_are_written_sorted_and_quoted() -> None:
    assert env.format_map({"b": "2", "a": 'x"\n'}) == 'a="x\\"\\n"\nb="2"'


def test_service_variables() -> None:
    service = {
        "metadata": {"name": "my-db"},
        "spec": {"clusterIP": "10.96.0.7", "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}, {"name": "m", "port": 9}]},
    }
    headless = {"metadata": {"name": "h"}, "spec": {"clusterIP": "None", "ports": [{"port": 1}]}}
    assert env.service_variables([service, headless]) == {
        "MY_DB_SERVICE_HOST": "10.96.0.7", "MY_DB_SERVICE_PORT": "5432", "MY_DB_SERVICE_PORT_SQL": "5432", "MY_DB_SERVICE_PORT_M": "9",
        "MY_DB_PORT": "tcp://10.96.0.7:5432", "MY_DB_PORT_5432_TCP": "tcp://10.96.0.7:5432", "MY_DB_PORT_5432_TCP_PROTO": "tcp",
        "MY_DB_PORT_5432_TCP_PORT": "5432", "MY_DB_PORT_5432_TCP_ADDR": "10.96.0.7", "MY_DB_PORT_9_TCP": "tcp://10.96.0.7:9",
        "MY_DB_PORT_9_TCP_PROTO": "tcp", "MY_DB_PORT_9_TCP_PORT": "9", "MY_DB_PORT_9_TCP_ADDR": "10.96.0.7",
    }  # fmt: skip
