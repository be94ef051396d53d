"""Service-account tokens: JWTs signed by the cluster's own key, bound to objects, audiences and a lifetime.

Issues and verifies both bound tokens (pkg/serviceaccount/claims.go) and the older ones that live in secrets
(pkg/serviceaccount/legacy.go). A token stands only while its account, and what it is bound to, exist unchanged.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from apiserver.context import Lister, Obj, User
from apiserver.middleware.authn import users

LEGACY_ISSUER = "kubernetes/serviceaccount"
LEEWAY = 60.0
"""Seconds for which a token outlives the deletion of what it is bound to."""
_CACHE_LIMIT = 8192
_PREFIX = "kubernetes.io/serviceaccount/"
_INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class TokenError(Exception):
    """A token that looks like ours but is not good; the text is upstream's."""


def key_id(key: PublicKey) -> str:
    """The `kid` of a public key: unpadded base64url of the SHA-256 of its DER form."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def algorithm(key: PublicKey | PrivateKey) -> str:
    """The JOSE algorithm that belongs to a key."""
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return {256: "ES256", 384: "ES384", 521: "ES512"}[key.curve.key_size]
    return "RS256"


def load_public_keys(*paths: Path | str) -> list[PublicKey]:
    """Every public key in the PEM files (public keys, private keys or certificates). Raises OSError, ValueError."""
    keys: list[PublicKey] = []
    for path in paths:
        data = Path(path).read_bytes()
        for block in data.split(b"-----END ")[:-1]:
            start = block.find(b"-----BEGIN ")
            label = block[start + 11 :].split(b"-----", 1)[0]
            pem = block[start:] + b"-----END " + label + b"-----\n"
            key = (
                serialization.load_pem_private_key(pem, password=None).public_key()
                if label.endswith(b"PRIVATE KEY")
                else serialization.load_pem_public_key(pem)
            )
            if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
                raise ValueError(f"{path}: neither an EC nor an RSA key")
            keys.append(key)
    if not keys:
        raise ValueError(f"no keys in {', '.join(map(str, paths))}")
    return keys


def load_private_key(path: Path | str) -> PrivateKey:
    """The signing key. Raises OSError, ValueError."""
    key = serialization.load_pem_private_key(Path(path).read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError(f"{path}: neither an EC nor an RSA key")
    return key


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Signs tokens as `issuer`."""

    issuer: str
    key: PrivateKey
    kid: str = field(default="")

    def issue(self, claims: dict[str, Any]) -> str:
        """A compact JWT of `claims` with our `iss`."""
        kid = self.kid or key_id(self.key.public_key())
        return jwt.encode({"iss": self.issuer, **claims}, self.key, algorithm(self.key), headers={"kid": kid})

    def bound_claims(
        self,
        account: Obj,
        audiences: Sequence[str],
        seconds: int,
        now: float,
        *,
        pod: Obj | None = None,
        secret: Obj | None = None,
        node: Obj | None = None,
        warn_after: int = 0,
    ) -> dict[str, Any]:
        """Claims of a bound token for `account`; `warn_after` seconds, when set, is when its use is worth a warning."""
        meta = account["metadata"]
        at = int(now)
        private: dict[str, Any] = {"namespace": meta["namespace"], "serviceaccount": _reference(account)}
        for kind, obj in (("pod", pod), ("secret", secret), ("node", node)):
            if obj is not None:
                private[kind] = _reference(obj)
        if warn_after:
            private["warnafter"] = at + warn_after
        return {
            "aud": list(audiences),
            "exp": at + seconds,
            "iat": at,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": private,
            "nbf": at,
            "sub": users.service_account_name(meta["namespace"], meta["name"]),
        }


def _reference(obj: Obj) -> dict[str, str]:
    return {"name": obj["metadata"]["name"], "uid": obj["metadata"].get("uid", "")}


@dataclass(slots=True)
class _Known:
    """A token whose signature was verified once. `bonds` are objects that must be there: (plural, namespace, name, uid)."""

    user: User
    audiences: tuple[str, ...]
    not_before: float
    expires: float
    bonds: tuple[tuple[str, str | None, str, str], ...]
    legacy: bool = False
    generations: tuple[int, ...] = ()


_KIND = {"serviceaccounts": "service account", "pods": "pod", "secrets": "secret", "nodes": "node"}


class ServiceAccountTokens:
    """Verifies tokens. A token seen before costs a look-up, its times, and the generations of what it is bound to."""

    def __init__(
        self,
        issuers: Sequence[str],
        keys: Sequence[PublicKey],
        lister: Lister,
        api_audiences: Sequence[str],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._issuers = frozenset(issuers)
        self._keys = {key_id(k): k for k in keys}
        self._lister = lister
        self._api_audiences = tuple(api_audiences)
        self._now = now
        self._known: dict[str, _Known] = {}

    def authenticate(self, token: str, audiences: Sequence[str] = ()) -> tuple[User, tuple[str, ...]] | None:
        """(user, audiences that both token and request name); None when the token is not ours. Raises TokenError."""
        known = self._known.get(token)
        if known is None:
            known = self._examine(token)
            if known is None:
                return None
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
            self._known[token] = known
        wanted = audiences or self._api_audiences
        common = tuple(a for a in known.audiences if a in wanted)
        if not common:
            raise TokenError(f"token audiences {_quoted(known.audiences)} is invalid for the target audiences {_quoted(wanted)}")
        self._check(token, known)
        return known.user, common

    def _examine(self, token: str) -> _Known | None:
        try:
            header = jwt.get_unverified_header(token)
            unverified = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            return None
        issuer = unverified.get("iss")
        if issuer != LEGACY_ISSUER and issuer not in self._issuers:
            return None
        named = self._keys.get(header.get("kid", ""))
        claims: dict[str, Any] | None = None
        for key in [named] if named is not None else self._keys.values():
            try:
                claims = jwt.decode(token, key, [algorithm(key)], options={"verify_aud": False, "verify_exp": False, "verify_nbf": False,
                                                                           "verify_iat": False})  # fmt: skip
                break
            except jwt.PyJWTError:
                continue
        if claims is None:
            raise TokenError("invalid signature")
        return self._legacy(claims) if issuer == LEGACY_ISSUER else _bound(claims)

    def _legacy(self, claims: dict[str, Any]) -> _Known:
        namespace, secret = claims.get(_PREFIX + "namespace", ""), claims.get(_PREFIX + "secret.name", "")
        name, uid = claims.get(_PREFIX + "service-account.name", ""), claims.get(_PREFIX + "service-account.uid", "")
        for value, what in ((namespace, "namespace"), (secret, "secretName"), (name, "serviceAccountName"), (uid, "serviceAccountUID")):
            if not value:
                raise TokenError(f"{what} claim is missing")
        if claims.get("sub") != users.service_account_name(namespace, name):
            raise TokenError(f"sub claim is invalid: expected {users.service_account_name(namespace, name)!r}")
        user = _account_user(namespace, name, uid, {})
        bonds = (("secrets", namespace, secret, ""), ("serviceaccounts", namespace, name, uid))
        return _Known(user, self._api_audiences, 0.0, float("inf"), bonds, legacy=True)

    def _check(self, token: str, known: _Known) -> None:
        now = self._now()
        if now > known.expires:
            raise TokenError("service account token has expired")
        if now + LEEWAY < known.not_before:
            raise TokenError("service account token is not valid yet")
        generations = tuple(self._lister.generation("", bond[0]) for bond in known.bonds)
        if generations == known.generations:
            return
        deadline = float("inf")
        for plural, namespace, name, uid in known.bonds:
            obj = self._lister.get("", plural, namespace, name)
            kind = _KIND[plural]
            if obj is None:
                raise TokenError("service account token has been invalidated")
            meta = obj["metadata"]
            if uid and meta.get("uid") != uid:
                raise TokenError(f"{kind} UID ({meta.get('uid')}) does not match claim ({uid})" if kind == "service account"
                                 else "service account token has been invalidated")  # fmt: skip
            if "deletionTimestamp" in meta:
                deadline = min(deadline, _seconds(meta["deletionTimestamp"]) + LEEWAY)
                if now > deadline:
                    raise TokenError("service account token has been invalidated")
            if known.legacy and plural == "secrets":
                _check_secret(obj, token)
        # An object that is being deleted ends the token at its deadline, not at the next change: look again each time.
        known.generations = generations if deadline == float("inf") else ()


def _bound(claims: dict[str, Any]) -> _Known:
    private = claims.get("kubernetes.io")
    if not isinstance(private, dict) or not private.get("namespace"):
        raise TokenError("claims: kubernetes.io claim is missing")
    namespace = private["namespace"]
    account = private.get("serviceaccount") or {}
    extra: dict[str, tuple[str, ...]] = {}
    if claims.get("jti"):
        extra[users.CREDENTIAL_ID] = (f"JTI={claims['jti']}",)
    bonds: list[tuple[str, str | None, str, str]] = [("serviceaccounts", namespace, account.get("name", ""), account.get("uid", ""))]
    pod, secret, node = private.get("pod"), private.get("secret"), private.get("node")
    if secret:
        bonds.append(("secrets", namespace, secret["name"], secret.get("uid", "")))
    if pod:
        bonds.append(("pods", namespace, pod["name"], pod.get("uid", "")))
        extra[users.POD_NAME] = (pod["name"],)
        extra[users.POD_UID] = (pod.get("uid", ""),)
    if node:
        extra[users.NODE_NAME] = (node["name"],)
        if node.get("uid"):
            extra[users.NODE_UID] = (node["uid"],)
        if not pod:
            # A token of a pod only tells where the pod runs; the pod's own bond is what counts.
            bonds.append(("nodes", None, node["name"], node.get("uid", "")))
    audience = claims.get("aud", [])
    audiences = (audience,) if isinstance(audience, str) else tuple(audience)
    user = _account_user(namespace, account.get("name", ""), account.get("uid", ""), extra)
    return _Known(user, audiences, float(claims.get("nbf", 0)), float(claims.get("exp", 0)), tuple(bonds))


def _account_user(namespace: str, name: str, uid: str, extra: dict[str, tuple[str, ...]]) -> User:
    user = User(users.service_account_name(namespace, name), uid, users.service_account_groups(namespace), extra)
    return users.authenticated(user)


def _check_secret(secret: Obj, token: str) -> None:
    if secret["metadata"].get("labels", {}).get(_INVALID_SINCE):
        raise TokenError("the token in secret has been marked invalid. Use time-bound tokens or manually created secret-based tokens, "
                         "or remove the label kubernetes.io/legacy-token-invalid-since")  # fmt: skip
    try:
        held = base64.b64decode(secret.get("data", {}).get("token", ""))
    except ValueError:
        held = b""
    if held != token.encode():
        raise TokenError("service account token has been invalidated")


def _seconds(timestamp: str) -> float:
    return dt.datetime.fromisoformat(timestamp).timestamp()


def _quoted(values: Sequence[str]) -> str:
    return "[" + " ".join(f'"{v}"' for v in values) + "]"
