"""OpenID Connect tokens: claims to users, and everything a token can have wrong."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from apiserver.middleware.authn.oidc import OIDCOptions, OpenIDConnect
from apiserver.middleware.authn.serviceaccount import TokenError

ISSUER = "https://issuer.example.com"
KEY = rsa.generate_private_key(65537, 2048)
NOW = 1_000_000.0


def source(**options: Any) -> OpenIDConnect:
    oidc = OpenIDConnect(OIDCOptions(ISSUER, "kubernetes", **options), now=lambda: NOW)
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    oidc.use({"keys": [{**jwk, "kid": "k1", "use": "sig"}]})
    return oidc


def token(key: Any = KEY, **claims: Any) -> str:
    base = {"iss": ISSUER, "aud": "kubernetes", "exp": NOW + 60, "sub": "u1", "email": "a@example.com", "groups": ["dev"]}
    return jwt.encode({**base, **claims}, key, "RS256", headers={"kid": "k1"})


async def test_claims_become_a_user() -> None:
    user = source(groups_claim="groups", groups_prefix="oidc:").authenticate(token())
    assert user is not None
    assert (user.name, user.groups) == (f"{ISSUER}#u1", ("oidc:dev", "system:authenticated"))
    for options, name in (
        ({"username_claim": "email"}, "a@example.com"),
        ({"username_prefix": "-"}, "u1"),
        ({"username_claim": "email", "username_prefix": "x:"}, "x:a@example.com"),
    ):
        user = source(**options).authenticate(token())
        assert user is not None
        assert user.name == name


@pytest.mark.parametrize(
    ("claims", "options", "message"),
    [
        ({"aud": "other"}, {}, "expected audience"),
        ({"exp": NOW - 1}, {}, "token is expired"),
        ({"sub": None}, {}, "claim not present"),
        ({"email_verified": False}, {"username_claim": "email"}, "email not verified"),
        ({}, {"required_claims": {"hd": "example.com"}}, "required claim hd value does not match"),
        ({"groups": [1]}, {"groups_claim": "groups"}, "not a list of strings"),
    ],
)
async def test_what_is_wrong_is_said(claims: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(TokenError, match=message):
        source(**options).authenticate(token(**claims))


async def test_only_the_issuers_own_keys_count() -> None:
    assert source().authenticate(token(iss="https://other")) is None
    assert source().authenticate("opaque") is None
    with pytest.raises(TokenError, match="failed to verify signature"):
        source().authenticate(token(rsa.generate_private_key(65537, 2048)))
    with pytest.raises(TokenError, match="unsupported algorithm"):
        source(signing_algs=frozenset(("ES256",))).authenticate(token())
    with pytest.raises(TokenError, match="not initialized"):
        OpenIDConnect(OIDCOptions(ISSUER, "kubernetes")).authenticate(token())
    with pytest.raises(ValueError, match="https"):
        OpenIDConnect(OIDCOptions("http://x", "kubernetes"))
