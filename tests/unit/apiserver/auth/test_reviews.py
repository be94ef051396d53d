"""Reviews and token requests: answers, refusals, and the words upstream uses."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from apiserver.auth.reviews import Reviews
from apiserver.auth.tokens import TokenOptions, TokenRequests
from apiserver.bootstrap import roles
from apiserver.context import Context, RequestInfo, User
from apiserver.middleware.authn.authenticator import Authenticator
from apiserver.middleware.authn.serviceaccount import TokenIssuer
from apiserver.middleware.authz import build_authorizer
from kubepy import pki
from kubepy.api.errors import BadRequest, Conflict, Invalid, NotFound
from tests.support.lister import FakeLister

ISSUER = "https://kubernetes.default.svc"
ALICE = User("alice", "u1", ("dev", "system:authenticated"))


def context(user: User = ALICE) -> Context:
    return Context(user, RequestInfo(True, "", "create"))


def obj(kind: str, spec: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": "x/v1", "metadata": meta, "spec": spec or {}}


@pytest.fixture
def lister() -> FakeLister:
    lister = FakeLister()
    for role in roles.cluster_roles():
        lister.put("rbac.authorization.k8s.io", "clusterroles", role)
    for binding in roles.cluster_role_bindings():
        lister.put("rbac.authorization.k8s.io", "clusterrolebindings", binding)
    account = {"metadata": {"name": "robot", "namespace": "ns", "uid": "u-robot"}}
    pod = {"metadata": {"name": "web", "namespace": "ns", "uid": "u-web"}, "spec": {"serviceAccountName": "robot", "nodeName": "n1"}}
    lister.put("", "serviceaccounts", account)
    lister.put("", "pods", pod)
    lister.put("", "secrets", {"metadata": {"name": "s", "namespace": "ns", "uid": "u-s"}})
    lister.put("", "nodes", {"metadata": {"name": "n1", "uid": "u-n1"}})
    return lister


@pytest.fixture
def reviews(lister: FakeLister) -> Reviews:
    authn = Authenticator(static={"t": ALICE}, api_audiences=[ISSUER])
    return Reviews(authn, build_authorizer(["Node", "RBAC"], lister), lister, TokenIssuer(ISSUER, pki.new_key()))


async def test_token_review(reviews: Reviews) -> None:
    good = await reviews.token_review(context(), "", "", obj("TokenReview", {"token": "t"}))
    user = {"username": "alice", "uid": "u1", "groups": ["dev", "system:authenticated"]}
    assert good["status"] == {"authenticated": True, "user": user, "audiences": [ISSUER]}
    bad = await reviews.token_review(context(), "", "", obj("TokenReview", {"token": "no"}))
    assert bad["status"] == {"user": {}, "error": "invalid bearer token"}
    with pytest.raises(BadRequest, match="token is required for TokenReview in authentication"):
        await reviews.token_review(context(), "", "", obj("TokenReview"))


async def test_self_subject_review(reviews: Reviews) -> None:
    answer = await reviews.self_subject_review(context(), "", "", obj("SelfSubjectReview"))
    assert answer["status"]["userInfo"]["username"] == "alice"


async def test_access_reviews(reviews: Reviews) -> None:
    may = {"resourceAttributes": {"verb": "create", "group": "authorization.k8s.io", "resource": "selfsubjectaccessreviews"}}
    own = await reviews.self_subject_access_review(context(), "", "", obj("SelfSubjectAccessReview", may))
    assert own["status"]["allowed"] is True
    assert own["status"]["reason"].startswith('RBAC: allowed by ClusterRoleBinding "system:basic-user"')
    other = {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}, "user": "bob"}
    answer = await reviews.subject_access_review(context(), "", "", obj("SubjectAccessReview", other))
    assert answer["status"] == {"allowed": False}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"user": "x"}, "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be"),
        ({"resourceAttributes": {"namespace": "ns"}}, 'spec.user: Invalid value: "": at least one of user or group must be specified'),
        ({"user": "x", "resourceAttributes": {"namespace": "other"}}, 'Invalid value: "other": must match metadata.namespace'),
        ({"user": "x", "nonResourceAttributes": {"path": "/x", "verb": "get"}}, 'Invalid value: {"Path":"/x","Verb":"get"}: disallowed on'),
    ],
)
async def test_local_review_is_checked(reviews: Reviews, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as caught:
        await reviews.local_subject_access_review(context(), "ns", "", obj("LocalSubjectAccessReview", spec, namespace="ns"))
    assert message in caught.value.message
    assert caught.value.message.startswith('.authorization.k8s.io "" is invalid: ')


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({"fieldSelector": {"rawSelector": "a=b"}}, None),
        ({"labelSelector": {"rawSelector": "!!"}}, "spec.resourceAttributes.labelSelector ignored due to parse error"),
        (
            {"fieldSelector": {"requirements": [{"key": "a", "operator": "In", "values": ["b", "c"]}]}},
            "spec.resourceAttributes.fieldSelector ignored due to parse error",
        ),
        (
            {"fieldSelector": {"requirements": [{"key": "a", "operator": "In", "values": ["b"]}, {"key": "a", "operator": "Exists"}]}},
            "spec.resourceAttributes.fieldSelector partially ignored due to parse error",
        ),
    ],
)
async def test_selectors_that_cannot_be_read_are_ignored_aloud(reviews: Reviews, attributes: dict[str, Any], error: str | None) -> None:
    spec = {"user": "x", "resourceAttributes": {"verb": "list", "resource": "pods", **attributes}}
    answer = await reviews.subject_access_review(context(), "", "", obj("SubjectAccessReview", spec))
    assert answer["status"].get("evaluationError") == error


async def test_rules_review(reviews: Reviews) -> None:
    answer = await reviews.self_subject_rules_review(context(), "", "", obj("SelfSubjectRulesReview", {"namespace": "ns"}))
    assert answer["spec"] == {}
    assert answer["status"]["incomplete"] is False
    reviews_rule = {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]}
    assert reviews_rule in answer["status"]["resourceRules"]
    with pytest.raises(BadRequest, match="no namespace on request"):
        await reviews.self_subject_rules_review(context(), "", "", obj("SelfSubjectRulesReview"))


@pytest.fixture
def requests(lister: FakeLister) -> TokenRequests:
    return TokenRequests(TokenIssuer(ISSUER, pki.new_key()), lister, TokenOptions((ISSUER,)), clock=lambda: 1e9)


def claims(answer: dict[str, Any]) -> dict[str, Any]:
    return jwt.decode(answer["status"]["token"], options={"verify_signature": False})


async def test_token_request(requests: TokenRequests) -> None:
    answer = await requests.create(context(), "ns", "robot", obj("TokenRequest", {"expirationSeconds": 600}))
    assert answer["spec"] == {"audiences": [ISSUER], "expirationSeconds": 600, "boundObjectRef": None}
    assert answer["status"]["expirationTimestamp"] == "2001-09-09T01:56:40Z"
    assert claims(answer)["sub"] == "system:serviceaccount:ns:robot"
    assert claims(answer)["exp"] == 1e9 + 600


async def test_the_token_of_a_pod_outlives_what_it_says(requests: TokenRequests) -> None:
    ref = {"kind": "Pod", "apiVersion": "v1", "name": "web", "uid": "u-web"}
    answer = await requests.create(context(), "ns", "robot", obj("TokenRequest", {"expirationSeconds": 3607, "boundObjectRef": ref}))
    private = claims(answer)["kubernetes.io"]
    assert private["pod"] == {"name": "web", "uid": "u-web"}
    assert private["node"] == {"name": "n1", "uid": "u-n1"}
    assert private["warnafter"] == 1e9 + 3607
    assert claims(answer)["exp"] == 1e9 + 365 * 24 * 3600
    assert answer["spec"]["expirationSeconds"] == 3607


@pytest.mark.parametrize(
    ("spec", "name", "error", "message"),
    [
        ({}, "nobody", NotFound, 'serviceaccounts "nobody" not found'),
        ({"expirationSeconds": 60}, "robot", Invalid, "Invalid value: 60: may not specify a duration less than 10 minutes"),
        ({"expirationSeconds": 1 << 33}, "robot", Invalid, "may not specify a duration larger than 2^32 seconds"),
        ({"boundObjectRef": {"kind": "ConfigMap", "apiVersion": "v1", "name": "x"}}, "robot", BadRequest,
         "cannot bind token to object of type /v1, Kind=ConfigMap"),
        ({"boundObjectRef": {"kind": "Secret", "apiVersion": "v1"}}, "robot", BadRequest, "Name parameter required."),
        ({"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "x"}}, "robot", NotFound, 'secrets "x" not found'),
        ({"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "s", "uid": "no"}}, "robot", Conflict,
         'Operation cannot be fulfilled on Secret "s": the UID in the bound object reference (no) does not match'),
    ],
)  # fmt: skip
async def test_bad_token_requests(requests: TokenRequests, spec: dict[str, Any], name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        await requests.create(context(), "ns", name, obj("TokenRequest", spec))
    assert message in str(caught.value)
