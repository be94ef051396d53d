"""OpenID Connect: ID tokens of a foreign issuer (apiserver plugin/pkg/authenticator/token/oidc).

Keys are fetched in the background and kept; a token signed by a key not seen yet asks for a refresh and fails until it is done.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jwt

from apiserver.context import User
from apiserver.middleware.authn.serviceaccount import TokenError
from apiserver.middleware.authn.users import authenticated

log = logging.getLogger("apiserver.oidc")

_SIGNATURE_ONLY: Any = {f"verify_{claim}": False for claim in ("aud", "exp", "nbf", "iat", "sub", "jti")}
RETRY, REFRESH, MIN_REFRESH = 10.0, 300.0, 10.0
"""Seconds between attempts, between regular refreshes, and at least between any two."""
_ALGORITHMS = frozenset(("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"))


@dataclass(frozen=True, slots=True)
class OIDCOptions:
    """The --oidc-* flags. An empty username prefix means `<issuer>#` unless the claim is email; `-` means none."""

    issuer_url: str
    client_id: str
    username_claim: str = "sub"
    username_prefix: str = ""
    groups_claim: str = ""
    groups_prefix: str = ""
    required_claims: Mapping[str, str] = field(default_factory=dict)
    signing_algs: frozenset[str] = frozenset(("RS256",))
    ca_file: str = ""

    def prefix(self) -> str:
        """What goes before user names."""
        if self.username_prefix == "-":
            return ""
        if self.username_prefix or self.username_claim == "email":
            return self.username_prefix
        return f"{self.issuer_url}#"


class OpenIDConnect:
    """A token source. Run `keep` as a task."""

    def __init__(self, options: OIDCOptions, *, now: Callable[[], float] = time.time) -> None:
        if not options.issuer_url.startswith("https://"):
            raise ValueError("oidc-issuer-url must use the https scheme")
        unknown = options.signing_algs - _ALGORITHMS
        if unknown:
            raise ValueError(f"oidc: unsupported signing alg: {sorted(unknown)[0]!r}")
        self._options = options
        self._now = now
        self._keys: dict[str, jwt.PyJWK] = {}
        self._wanted = asyncio.Event()

    def authenticate(self, token: str) -> User | None:
        """The token's user; None when another issuer made it. Raises TokenError."""
        options = self._options
        try:
            header = jwt.get_unverified_header(token)
            unverified = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            return None
        if unverified.get("iss") != options.issuer_url:
            return None
        if not self._keys:
            self._wanted.set()
            raise TokenError("oidc: authenticator not initialized")
        claims = self._verified(token, header)
        return self._user(claims)

    def _verified(self, token: str, header: Mapping[str, Any]) -> dict[str, Any]:
        if header.get("alg") not in self._options.signing_algs:
            raise TokenError(f"oidc: verify token: id token signed with unsupported algorithm {header.get('alg')!r}")
        named = self._keys.get(header.get("kid", ""))
        for key in [named] if named is not None else self._keys.values():
            try:
                claims: dict[str, Any] = jwt.decode(token, key.key, [header["alg"]], options=_SIGNATURE_ONLY)
            except jwt.PyJWTError:
                continue
            break
        else:
            self._wanted.set()
            raise TokenError("oidc: verify token: failed to verify signature: failed to verify id token signature")
        audience = claims.get("aud")
        if self._options.client_id not in ([audience] if isinstance(audience, str) else audience or []):
            raise TokenError(f'oidc: verify token: oidc: expected audience "{self._options.client_id}" got {audience!r}')
        if float(claims.get("exp", 0)) < self._now():
            raise TokenError("oidc: verify token: oidc: token is expired")
        return claims

    def _user(self, claims: dict[str, Any]) -> User:
        options = self._options
        name = claims.get(options.username_claim)
        if not isinstance(name, str):
            raise TokenError(f"oidc: parse username claims {options.username_claim!r}: claim not present")
        # A missing email_verified is trusted; a present one must be true.
        if options.username_claim == "email" and claims.get("email_verified", True) is not True:
            raise TokenError("oidc: email not verified")
        for claim, value in options.required_claims.items():
            if claims.get(claim) != value:
                raise TokenError(f"oidc: required claim {claim} value does not match. Got = {claims.get(claim)}, want = {value}")
        found = claims.get(options.groups_claim) if options.groups_claim else None
        groups = [found] if isinstance(found, str) else found or []
        if not all(isinstance(group, str) for group in groups):
            raise TokenError(f"oidc: parse groups claim {options.groups_claim!r}: not a list of strings")
        return authenticated(User(options.prefix() + name, "", tuple(options.groups_prefix + group for group in groups)))

    async def keep(self) -> None:
        """Fetch the issuer's keys and refresh them, until cancelled."""
        while True:
            try:
                await self.refresh()
                pause = REFRESH
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, jwt.PyJWTError) as error:
                log.error("oidc authenticator: initializing plugin: %s", error)
                pause = RETRY
            self._wanted.clear()
            await asyncio.sleep(MIN_REFRESH)
            try:
                await asyncio.wait_for(self._wanted.wait(), max(0.0, pause - MIN_REFRESH))
            except TimeoutError:
                continue

    async def refresh(self) -> None:
        """Fetch the keys now. Raises aiohttp.ClientError, OSError, ValueError."""
        context = ssl.create_default_context(cafile=self._options.ca_file or None)
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), timeout=timeout) as session:
            url = self._options.issuer_url.rstrip("/") + "/.well-known/openid-configuration"
            async with session.get(url, raise_for_status=True) as response:
                document = await response.json(content_type=None)
            if document.get("issuer") != self._options.issuer_url:
                raise ValueError(f"oidc: issuer did not match the issuer returned by provider, got {document.get('issuer')!r}")
            async with session.get(document["jwks_uri"], raise_for_status=True) as response:
                self.use(await response.json(content_type=None))

    def use(self, jwks: dict[str, Any]) -> None:
        """Trust the signing keys of a JWK set. Raises ValueError when there is none."""
        keys = {}
        for number, jwk in enumerate(jwks.get("keys") or ()):
            if jwk.get("use", "sig") == "sig" and jwk.get("kty") in ("RSA", "EC"):
                keys[jwk.get("kid", f"#{number}")] = jwt.PyJWK(jwk)
        if not keys:
            raise ValueError("oidc: the issuer has no signing keys")
        self._keys = keys
