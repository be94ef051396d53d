"""The node authorizer: what a node's pods refer to opens to it, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.context import RequestInfo, User
from apiserver.middleware.authz.node import NodeAuthorizer
from tests.support.lister import FakeLister

NODE = User("system:node:n1", groups=("system:nodes", "system:authenticated"))
NONE = "no relationship found between node 'n1' and this object"


def pod(name: str, node: str = "n1", annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "ns", "annotations": annotations or {}}
    return {"metadata": meta, "spec": {"nodeName": node, "serviceAccountName": "robot", **spec}}


VOLUMES = [
    {"name": "a", "secret": {"secretName": "volume"}},
    {"name": "b", "configMap": {"name": "settings"}},
    {"name": "c", "projected": {"sources": [{"secret": {"name": "projected"}}]}},
    {"name": "d", "persistentVolumeClaim": {"claimName": "claim"}},
    {"name": "e", "ephemeral": {}},
]
ENV = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "env", "key": "k"}}}]


@pytest.fixture
def lister() -> FakeLister:
    containers = [{"name": "c", "env": ENV, "envFrom": [{"configMapRef": {"name": "bulk"}}]}]
    volume = {"metadata": {"name": "pv"}, "spec": {"claimRef": {"namespace": "ns", "name": "claim"}, "csi": {
        "nodePublishSecretRef": {"namespace": "vault", "name": "csi"}}}}  # fmt: skip
    return FakeLister(
        ("", "pods", pod("web", volumes=VOLUMES, containers=containers, imagePullSecrets=[{"name": "pull"}])),
        ("", "pods", pod("other", "n2", volumes=[{"name": "a", "secret": {"secretName": "theirs"}}])),
        (
            "",
            "pods",
            pod("mirror", "n1", {"kubernetes.io/config.mirror": "x"}, volumes=[{"name": "a", "secret": {"secretName": "stolen"}}]),
        ),
        ("", "persistentvolumes", volume),
        ("storage.k8s.io", "volumeattachments", {"metadata": {"name": "va"}, "spec": {"nodeName": "n1"}}),
    )


def ask(
    verb: str, resource: str, name: str = "", *, namespace: str = "ns", group: str = "", sub: str = "", fields: str = ""
) -> RequestInfo:
    return RequestInfo(True, "", verb, group, "v1", resource, sub, namespace, name, field_selector=fields)


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        *((ask("get", "secrets", name), None) for name in ("volume", "projected", "env", "pull")),
        *((ask("get", "configmaps", name), None) for name in ("settings", "bulk")),
        (ask("watch", "secrets", "volume"), None),
        (ask("get", "secrets", "theirs"), NONE),
        (ask("get", "secrets", "stolen"), NONE),
        (ask("get", "secrets", "csi", namespace="vault"), None),
        (ask("list", "secrets"), "No Object name found"),
        (ask("update", "secrets", "volume"), "can only read resources of this type"),
        (ask("get", "persistentvolumeclaims", "claim"), None),
        (ask("get", "persistentvolumeclaims", "web-e"), None),
        (ask("patch", "persistentvolumeclaims", "claim", sub="status"), None),
        (ask("list", "persistentvolumeclaims"), "can only get individual resources of this type"),
        (ask("get", "persistentvolumes", "pv", namespace=""), None),
        (ask("get", "volumeattachments", "va", namespace="", group="storage.k8s.io"), None),
        (ask("create", "serviceaccounts", "robot", sub="token"), None),
        (ask("create", "serviceaccounts", "stranger", sub="token"), NONE),
        (ask("get", "serviceaccounts", "robot"), None),
        (ask("get", "serviceaccounts", "stranger"), NONE),
        (ask("list", "serviceaccounts", "robot"), "can only create tokens for individual service accounts"),
        (ask("get", "nodes", "n1", namespace=""), None),
        (ask("get", "nodes", "n2", namespace=""), "node 'n1' cannot read 'n2', only its own Node object"),
        (ask("list", "nodes", namespace=""), "node 'n1' cannot read all nodes, only its own Node object"),
        (ask("update", "leases", "n1", namespace="kube-node-lease", group="coordination.k8s.io"), None),
        (ask("update", "leases", "n1", group="coordination.k8s.io"), 'can only access leases in the "kube-node-lease" system namespace'),
        (ask("list", "pods", namespace="", fields="spec.nodeName=n1"), None),
        (ask("list", "pods", namespace="", fields="spec.nodeName=n2"), "can only list/watch pods with spec.nodeName field selector"),
        (ask("get", "pods", "web"), None),
        (ask("get", "pods", "other"), NONE),
        (ask("patch", "pods", "web", sub="status"), None),
        (ask("list", "services", namespace=""), None),
        (ask("delete", "services", "s"), ""),
    ],
)
def test_what_a_node_may_do(lister: FakeLister, info: RequestInfo, reason: str | None) -> None:
    assert NodeAuthorizer(lister).authorize(NODE, info) == (reason is None, reason or "")


def test_others_are_not_its_business(lister: FakeLister) -> None:
    for user in (User("bob"), User("system:node:n1"), User("x", groups=("system:nodes",))):
        assert NodeAuthorizer(lister).authorize(user, ask("get", "secrets", "volume")) == (False, "")


def test_what_a_deleted_pod_opened_is_closed_again(lister: FakeLister) -> None:
    node = NodeAuthorizer(lister)
    assert node.authorize(NODE, ask("get", "secrets", "volume"))[0]
    lister.remove("", "pods", "ns", "web")
    assert not node.authorize(NODE, ask("get", "secrets", "volume"))[0]
