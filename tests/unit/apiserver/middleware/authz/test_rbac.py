"""RBAC: what bindings open, what the reasons say, and that a change is seen."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.bootstrap import roles
from apiserver.bootstrap.grammar import parse_rule
from apiserver.context import RequestInfo, User
from apiserver.middleware.authz import build_authorizer, forbidden
from apiserver.middleware.authz.rbac import GROUP, RBAC
from apiserver.middleware.authz.rules import covers
from tests.support.lister import FakeLister

ALICE = User("alice", groups=("dev", "system:authenticated"))
ROBOT = User("system:serviceaccount:ns:robot", groups=("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"))


def ask(verb: str, resource: str, name: str = "", namespace: str = "", group: str = "", subresource: str = "") -> RequestInfo:
    return RequestInfo(True, "", verb, group, "v1", resource, subresource, namespace, name)


def role(name: str, namespace: str, **rule: Any) -> dict[str, Any]:
    return {"kind": "Role", "metadata": {"name": name, "namespace": namespace}, "rules": [{"apiGroups": [""], **rule}]}


def bind(name: str, namespace: str, ref: dict[str, Any], *subjects: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "subjects": list(subjects), "roleRef": ref}


@pytest.fixture
def lister() -> FakeLister:
    lister = FakeLister()
    for plural, objects in (
        ("clusterroles", roles.cluster_roles()),
        ("clusterrolebindings", roles.cluster_role_bindings()),
        ("roles", roles.roles()),
        ("rolebindings", roles.role_bindings()),
    ):
        for obj in objects:
            lister.put(GROUP, plural, obj)
    return lister


def test_default_roles_open_discovery_and_self_reviews(lister: FakeLister) -> None:
    rbac = RBAC(lister)
    assert rbac.authorize(ALICE, RequestInfo(False, "/apis/apps/v1", "get"))[0]
    assert not rbac.authorize(ALICE, RequestInfo(False, "/metrics", "get"))[0]
    assert not rbac.authorize(ALICE, RequestInfo(False, "/apis", "post"))[0]
    allowed, reason = rbac.authorize(ALICE, ask("create", "selfsubjectaccessreviews", group="authorization.k8s.io"))
    assert allowed
    assert reason == (
        'RBAC: allowed by ClusterRoleBinding "system:basic-user" of ClusterRole "system:basic-user" to Group "system:authenticated"'
    )


def test_a_role_counts_in_its_namespace_only_and_from_its_creation_on(lister: FakeLister) -> None:
    rbac = RBAC(lister)
    assert rbac.authorize(ALICE, ask("get", "pods", "x", "ns")) == (False, "")
    lister.put(GROUP, "roles", role("r", "ns", resources=["pods"], verbs=["get"]))
    ref = {"apiGroup": GROUP, "kind": "Role", "name": "r"}
    lister.put(GROUP, "rolebindings", bind("b", "ns", ref, {"kind": "User", "name": "alice"}))
    assert rbac.authorize(ALICE, ask("get", "pods", "x", "ns")) == (True, 'RBAC: allowed by RoleBinding "b/ns" of Role "r" to User "alice"')
    assert not rbac.authorize(ALICE, ask("get", "pods", "x", "other"))[0]
    assert not rbac.authorize(ALICE, ask("get", "pods", "x"))[0]
    assert not rbac.authorize(ALICE, ask("get", "pods", "x", "ns", subresource="log"))[0]
    lister.remove(GROUP, "rolebindings", "ns", "b")
    assert rbac.authorize(ALICE, ask("get", "pods", "x", "ns")) == (False, "")


def test_resource_names_limit_a_rule(lister: FakeLister) -> None:
    lister.put(GROUP, "roles", role("r", "ns", resources=["configmaps"], verbs=["*"], resourceNames=["mine"]))
    ref = {"apiGroup": GROUP, "kind": "Role", "name": "r"}
    lister.put(GROUP, "rolebindings", bind("b", "ns", ref, {"kind": "Group", "name": "dev"}))
    rbac = RBAC(lister)
    assert rbac.authorize(ALICE, ask("list", "configmaps", "mine", "ns"))[0]
    assert not rbac.authorize(ALICE, ask("list", "configmaps", "", "ns"))[0]
    assert not rbac.authorize(ALICE, ask("get", "configmaps", "other", "ns"))[0]


def test_service_account_subject_and_missing_role(lister: FakeLister) -> None:
    ref = {"apiGroup": GROUP, "kind": "ClusterRole", "name": "none"}
    account = {"kind": "ServiceAccount", "name": "robot"}
    lister.put(GROUP, "rolebindings", bind("b", "ns", ref, account))
    rbac = RBAC(lister)
    refusal = (False, 'RBAC: clusterrole.rbac.authorization.k8s.io "none" not found')
    assert rbac.authorize(ROBOT, ask("get", "pods", "x", "ns")) == refusal
    logs = {"apiGroups": ["*"], "resources": ["*/log"], "verbs": ["get"]}
    lister.put(GROUP, "clusterroles", {"metadata": {"name": "none"}, "rules": [logs]})
    reason = 'RBAC: allowed by RoleBinding "b/ns" of ClusterRole "none" to ServiceAccount "robot/ns"'
    assert rbac.authorize(ROBOT, ask("get", "pods", "x", "ns", subresource="log")) == (True, reason)
    assert not rbac.authorize(ROBOT, ask("get", "pods", "x", "ns"))[0]


def test_masters_may_do_all_and_modes_are_checked(lister: FakeLister) -> None:
    chain = build_authorizer(["Node", "RBAC"], lister)
    assert chain.authorize(User("root", groups=("system:masters",)), ask("delete", "nodes", "n")) == (True, "")
    assert build_authorizer(["AlwaysDeny"], lister).authorize(ALICE, ask("get", "pods")) == (False, "Everything is forbidden.")
    for modes in (["Other"], [], ["RBAC", "RBAC"]):
        with pytest.raises(ValueError, match="authorization-mode"):
            build_authorizer(modes, lister)


def test_forbidden_reads_as_upstream() -> None:
    error = forbidden(ALICE, ask("update", "deployments", "d", "ns", "apps", "scale"))
    assert error.message == (
        'deployments.apps "d" is forbidden: User "alice" cannot update resource "deployments/scale" in API group "apps" '
        'in the namespace "ns"'
    )
    assert error.details == {"name": "d", "group": "apps", "kind": "deployments"}
    assert forbidden(ALICE, RequestInfo(False, "/x", "get")).message == 'forbidden: User "alice" cannot get path "/x"'


@pytest.mark.parametrize(
    ("owner", "servant", "missing"),
    [
        ("* * *", "get - pods/log", 0),
        ("get - pods", "get,list - pods", 1),
        ("get - */log", "get - pods/log", 0),
        ("get - pods a", "get - pods", 1),
        ("get - pods a", "get - pods a", 0),
        ("get /a/*", "get /a/b,/b", 1),
    ],
)
def test_covers(owner: str, servant: str, missing: int) -> None:
    assert len(covers([parse_rule(owner)], [parse_rule(servant)])) == missing
