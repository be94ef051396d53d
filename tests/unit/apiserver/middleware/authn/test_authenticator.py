"""Credentials and who they make: certificates, static, service-account and bootstrap tokens, anonymity."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from apiserver.context import User
from apiserver.middleware.authn.authenticator import Authenticator, bearer_token
from apiserver.middleware.authn.bootstraptoken import BootstrapTokens
from apiserver.middleware.authn.certificates import ClientCertificates
from apiserver.middleware.authn.frontproxy import FrontProxy
from apiserver.middleware.authn.serviceaccount import ServiceAccountTokens, TokenError, TokenIssuer
from apiserver.middleware.authn.tokenfile import load_token_file
from kubepy import pki
from kubepy.api.errors import Unauthorized
from tests.support.lister import FakeLister

ISSUER = "https://kubernetes.default.svc"


class Clock:
    """Seconds that tests set."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def bearer(token: str) -> dict[bytes, bytes]:
    return {b"authorization": f"Bearer {token}".encode()}


def obj(name: str, namespace: str = "ns", uid: str = "", **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, "uid": uid or f"uid-{name}"}, **more}


def der(pair: pki.KeyPair) -> bytes:
    return pair.cert.public_bytes(serialization.Encoding.DER)


def test_static_tokens_with_quoted_groups(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text('t1,admin,uid1,"system:masters,ops"\n,empty,x\nt2,bob,uid2\n')
    users = load_token_file(file)
    assert users == {"t1": User("admin", "uid1", ("system:masters", "ops")), "t2": User("bob", "uid2")}
    authn = Authenticator(static=users)
    assert authn.authenticate(bearer("t1"), None).groups == ("system:masters", "ops", "system:authenticated")
    assert authn.authenticate({b"authorization": b"bearer  t2"}, None).name == "system:anonymous"
    assert authn.authenticate({b"authorization": b"bearer t2"}, None).name == "bob"
    file.write_text("t1,admin\n")
    with pytest.raises(ValueError, match="at least 3 columns"):
        load_token_file(file)


def test_nobody_is_anonymous_and_a_bad_token_is_refused() -> None:
    authn = Authenticator()
    assert authn.authenticate({}, None) == User("system:anonymous", groups=("system:unauthenticated",))
    assert authn.authenticate({b"authorization": b"Basic YTpi"}, None).name == "system:anonymous"
    for token in ("nope", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0."):
        with pytest.raises(Unauthorized):
            authn.authenticate(bearer(token), None)
    with pytest.raises(Unauthorized):
        Authenticator(anonymous=False).authenticate({}, None)
    assert bearer_token(b"Bearer ") == ""


def test_a_websocket_carries_its_token_in_a_subprotocol() -> None:
    authn = Authenticator(static={"secret": User("bob")})
    encoded = base64.urlsafe_b64encode(b"secret").rstrip(b"=")
    headers = {b"sec-websocket-protocol": b"v5.channel.k8s.io, base64url.bearer.authorization.k8s.io." + encoded}
    assert authn.authenticate(headers, None).name == "bob"


def test_client_certificates() -> None:
    ca, other = pki.new_ca("ca"), pki.new_ca("ca")
    alice = pki.issue(ca, "alice", ["dev", "ops"])
    certificates = ClientCertificates(ca.cert_pem)
    authn = Authenticator(certificates=certificates)
    user = authn.authenticate({}, der(alice))
    assert (user.name, user.groups) == ("alice", ("dev", "ops", "system:authenticated"))
    assert user.extra["authentication.kubernetes.io/credential-id"][0].startswith("X509SHA256=")
    assert authn.authenticate({}, der(alice)) is user
    for bad in (pki.issue(other, "alice"), pki.issue(ca, "server", server=True, client=False)):
        with pytest.raises(Unauthorized):
            authn.authenticate({}, der(bad))
    with pytest.raises(Unauthorized):
        authn.authenticate({}, b"not a certificate")
    # A good token counts although the certificate does not.
    assert Authenticator(certificates=certificates, static={"t": User("bob")}).authenticate(bearer("t"), b"junk").name == "bob"


def test_a_front_proxy_names_the_user_in_headers() -> None:
    front, ca = pki.new_ca("front"), pki.new_ca("ca")
    proxy = FrontProxy(ClientCertificates(front.cert_pem), ["aggregator"])
    authn = Authenticator(certificates=ClientCertificates(ca.cert_pem), front_proxy=proxy)
    raw = [(b"x-remote-user", b"bob"), (b"x-remote-group", b"a"), (b"x-remote-group", b"b"), (b"x-remote-extra-scopes", b"x")]
    user = authn.authenticate(dict(raw), der(pki.issue(front, "aggregator")), raw)
    assert user == User("bob", "", ("a", "b", "system:authenticated"), {"scopes": ("x",)})
    for impostor in (pki.issue(front, "other"), pki.issue(pki.new_ca("front"), "aggregator")):
        with pytest.raises(Unauthorized):
            authn.authenticate(dict(raw), der(impostor), raw)
    assert authn.authenticate(dict(raw), der(pki.issue(ca, "alice")), raw).name == "alice"


def test_a_certificate_is_good_for_its_time_only() -> None:
    ca = pki.new_ca("ca")
    leaf = pki.issue(ca, "alice")
    clock = Clock(leaf.cert.not_valid_after_utc.timestamp() - 1)
    authn = Authenticator(certificates=ClientCertificates(ca.cert_pem, now=clock))
    assert authn.authenticate({}, der(leaf)).name == "alice"
    clock.now += 2
    with pytest.raises(Unauthorized):
        authn.authenticate({}, der(leaf))


@pytest.fixture
def accounts() -> tuple[FakeLister, TokenIssuer, Clock, ServiceAccountTokens]:
    lister, clock, key = FakeLister(("", "serviceaccounts", obj("robot"))), Clock(), pki.new_key()
    return lister, TokenIssuer(ISSUER, key), clock, ServiceAccountTokens([ISSUER], [key.public_key()], lister, [ISSUER], now=clock)


Accounts = tuple[FakeLister, TokenIssuer, Clock, ServiceAccountTokens]


def test_a_bound_token_lives_with_its_account(accounts: Accounts) -> None:
    lister, issuer, clock, verifier = accounts
    token = issuer.issue(issuer.bound_claims(obj("robot"), [ISSUER, "vault"], 3600, clock.now))
    found = verifier.authenticate(token)
    assert found is not None
    user, audiences = found
    assert user.name == "system:serviceaccount:ns:robot"
    assert user.uid == "uid-robot"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    assert user.extra["authentication.kubernetes.io/credential-id"][0].startswith("JTI=")
    assert audiences == (ISSUER,)
    assert verifier.authenticate(token, ["vault", "x"]) == (user, ("vault",))
    with pytest.raises(TokenError, match="is invalid for the target audiences"):
        verifier.authenticate(token, ["x"])
    lister.put("", "serviceaccounts", obj("robot", uid="another"))
    with pytest.raises(TokenError):
        verifier.authenticate(token)
    lister.put("", "serviceaccounts", obj("robot"))
    assert verifier.authenticate(token)
    lister.remove("", "serviceaccounts", "ns", "robot")
    with pytest.raises(TokenError, match="has been invalidated"):
        verifier.authenticate(token)


def test_a_bound_token_expires(accounts: Accounts) -> None:
    _, issuer, clock, verifier = accounts
    token = issuer.issue(issuer.bound_claims(obj("robot"), [ISSUER], 600, clock.now))
    clock.now += 599
    assert verifier.authenticate(token)
    clock.now += 2
    with pytest.raises(TokenError, match="expired"):
        verifier.authenticate(token)


def test_a_token_of_a_pod_says_where_it_runs_and_ends_with_it(accounts: Accounts) -> None:
    lister, issuer, clock, verifier = accounts
    lister.put("", "pods", obj("web"))
    claims = issuer.bound_claims(obj("robot"), [ISSUER], 3600, clock.now, pod=obj("web"), node=obj("n1"))
    token = issuer.issue(claims)
    found = verifier.authenticate(token)
    assert found is not None
    assert found[0].extra["authentication.kubernetes.io/pod-name"] == ("web",)
    assert found[0].extra["authentication.kubernetes.io/node-name"] == ("n1",)
    dying = obj("web")
    dying["metadata"]["deletionTimestamp"] = "1970-01-12T13:46:40Z"
    lister.put("", "pods", dying)
    assert verifier.authenticate(token)
    clock.now += 61
    with pytest.raises(TokenError, match="has been invalidated"):
        verifier.authenticate(token)


def test_foreign_issuers_and_keys(accounts: Accounts) -> None:
    lister, issuer, clock, verifier = accounts
    claims = issuer.bound_claims(obj("robot"), [ISSUER], 600, clock.now)
    assert verifier.authenticate(TokenIssuer("https://elsewhere", issuer.key).issue(claims)) is None
    with pytest.raises(TokenError, match="signature"):
        verifier.authenticate(TokenIssuer(ISSUER, pki.new_key()).issue(claims))
    old = rsa.generate_private_key(65537, 2048)
    both = ServiceAccountTokens([ISSUER], [issuer.key.public_key(), old.public_key()], lister, [ISSUER], now=clock)
    assert both.authenticate(jwt.encode({"iss": ISSUER, **claims}, old, "RS256"))


def test_legacy_tokens_live_in_their_secret(accounts: Accounts) -> None:
    lister, issuer, _, verifier = accounts
    prefix = "kubernetes.io/serviceaccount/"
    claims = {
        "sub": "system:serviceaccount:ns:robot", f"{prefix}namespace": "ns", f"{prefix}secret.name": "s",
        f"{prefix}service-account.name": "robot", f"{prefix}service-account.uid": "uid-robot",
    }  # fmt: skip
    token = TokenIssuer("kubernetes/serviceaccount", issuer.key).issue(claims)
    with pytest.raises(TokenError):
        verifier.authenticate(token)
    lister.put("", "secrets", obj("s", data={"token": base64.b64encode(token.encode()).decode()}))
    found = verifier.authenticate(token)
    assert found is not None
    assert found[0].name == "system:serviceaccount:ns:robot"
    lister.put("", "secrets", obj("s", data={"token": ""}))
    with pytest.raises(TokenError):
        verifier.authenticate(token)


def test_bootstrap_tokens() -> None:
    def secret(**data: str) -> dict[str, Any]:
        fields = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true", **data}
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in fields.items()}
        return obj("bootstrap-token-abcdef", "kube-system", type="bootstrap.kubernetes.io/token", data=encoded)

    lister = FakeLister(("", "secrets", secret(**{"auth-extra-groups": "system:bootstrappers:kubeadm"})))
    authn = Authenticator(bootstrap=BootstrapTokens(lister, now=Clock()))
    user = authn.authenticate(bearer("abcdef.0123456789abcdef"), None)
    assert user == User("system:bootstrap:abcdef", "", ("system:bootstrappers", "system:bootstrappers:kubeadm", "system:authenticated"))
    for bad in ({"expiration": "1970-01-01T00:00:00Z"}, {"usage-bootstrap-authentication": "false"}, {"token-secret": "x" * 16}):
        lister.put("", "secrets", secret(**bad))
        with pytest.raises(Unauthorized):
            authn.authenticate(bearer("abcdef.0123456789abcdef"), None)


def test_reviewing_tokens_knows_audiences() -> None:
    authn = Authenticator(static={"t": User("bob")}, api_audiences=[ISSUER])
    assert authn.token_user("t")[1] == (ISSUER,)
    assert authn.token_user("t", [ISSUER, "x"])[1] == (ISSUER,)
    with pytest.raises(TokenError, match=r"^invalid bearer token$"):
        authn.token_user("t", ["x"])
