"""Who asks: client certificate, bearer token or nobody. Synchronous; a credential seen before costs a look-up.

Order as upstream's (kubeapiserver/authenticator/config.go): certificate, then tokens: static, service account,
bootstrap, OpenID Connect. A credential that fails counts only when no other one succeeds.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from apiserver.context import User
from apiserver.middleware.authn.bootstraptoken import BootstrapTokens
from apiserver.middleware.authn.certificates import CertificateError, ClientCertificates
from apiserver.middleware.authn.frontproxy import FrontProxy
from apiserver.middleware.authn.serviceaccount import ServiceAccountTokens, TokenError
from apiserver.middleware.authn.users import ANONYMOUS, authenticated
from kubepy.api.errors import Unauthorized

_WEBSOCKET_PREFIX = "base64url.bearer.authorization.k8s.io."
_INVALID = "invalid bearer token"


class TokenSource(Protocol):
    """A further source of token users, such as OpenID Connect."""

    def authenticate(self, token: str) -> User | None:
        """The token's user, None when the token is not of this source. Raises TokenError."""


class Authenticator:
    """Turns a request's credentials into a User."""

    def __init__(
        self,
        *,
        certificates: ClientCertificates | None = None,
        static: Mapping[str, User] | None = None,
        service_accounts: ServiceAccountTokens | None = None,
        bootstrap: BootstrapTokens | None = None,
        others: Sequence[TokenSource] = (),
        api_audiences: Sequence[str] = (),
        anonymous: bool = True,
        front_proxy: FrontProxy | None = None,
    ) -> None:
        self._certificates = certificates
        self._static = {token: authenticated(user) for token, user in (static or {}).items()}
        self._headers = {f"Bearer {token}".encode(): user for token, user in self._static.items()}
        self._service_accounts = service_accounts
        self._sources: tuple[TokenSource, ...] = (*((bootstrap,) if bootstrap else ()), *others)
        self.api_audiences = tuple(api_audiences)
        self.anonymous = anonymous
        self._front_proxy = front_proxy

    def add(self, source: TokenSource) -> None:
        """Ask a further source of token users, after those there are."""
        self._sources = (*self._sources, source)

    def authenticate(
        self, headers: Mapping[bytes, bytes], peer_certificate: bytes | None, raw: Iterable[tuple[bytes, bytes]] | None = None
    ) -> User:
        """The request's user; system:anonymous without credentials. Raises Unauthorized.

        `headers` have lower-case names; `raw` are all of them where some are repeated; `peer_certificate` is DER.
        """
        failed = False
        if self._front_proxy is not None and peer_certificate is not None and b"x-remote-user" in headers:
            user = self._front_proxy.user(raw if raw is not None else headers.items(), peer_certificate)
            if user is not None:
                return user
        if peer_certificate is not None and self._certificates is not None:
            try:
                user = self._certificates.user(peer_certificate)
            except CertificateError:
                failed = True
            else:
                if user is not None:
                    return user
        value = headers.get(b"authorization")
        if value is not None:
            user = self._headers.get(value)
            if user is not None:
                return user
            token = bearer_token(value)
        else:
            token = _websocket_token(headers)
        if token:
            try:
                return self.token_user(token)[0]
            except TokenError:
                failed = True
        if failed or not self.anonymous:
            raise Unauthorized("Unauthorized")
        return ANONYMOUS

    def token_user(self, token: str, audiences: Sequence[str] = ()) -> tuple[User, tuple[str, ...]]:
        """The user of a bearer token and the audiences it is good for among `audiences` (those of this API by default).

        Raises TokenError with upstream's text (TokenReview shows it).
        """
        error = ""
        if self._service_accounts is not None and token.count(".") == 2:
            try:
                found = self._service_accounts.authenticate(token, audiences)
                if found is not None:
                    return found
            except TokenError as failure:
                error = str(failure)
        # The other sources know no audiences: their tokens are good for this API's.
        common = tuple(a for a in self.api_audiences if a in audiences) if audiences else self.api_audiences
        if common or not (audiences or self.api_audiences):
            user = self._static.get(token)
            if user is not None:
                return user, common
            for source in self._sources:
                try:
                    user = source.authenticate(token)
                except TokenError as failure:
                    error = error or str(failure)
                    continue
                if user is not None:
                    return user, common
        raise TokenError(f"[{_INVALID}, {error}]" if error else _INVALID)


def bearer_token(authorization: bytes) -> str:
    """The token of an Authorization header, empty when there is none (request/bearertoken)."""
    parts = authorization.decode("latin-1").strip().split(" ", 2)
    return parts[1] if len(parts) > 1 and parts[0].lower() == "bearer" else ""


def _websocket_token(headers: Mapping[bytes, bytes]) -> str:
    """Browsers cannot set headers on WebSockets, so the token may come as a subprotocol (request/websocket)."""
    protocols = headers.get(b"sec-websocket-protocol")
    if protocols is None or _WEBSOCKET_PREFIX.encode() not in protocols:
        return ""
    for protocol in protocols.decode("latin-1").split(","):
        text = protocol.strip()
        if text.startswith(_WEBSOCKET_PREFIX):
            encoded = text[len(_WEBSOCKET_PREFIX) :]
            try:
                return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
            except (binascii.Error, UnicodeDecodeError):
                return ""
    return ""
