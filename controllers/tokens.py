"""Legacy service-account token Secrets: filled with a token and the CA, deleted with their account.

pkg/controller/serviceaccount/tokens_controller.go.
"""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from typing import Any

from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import Conflict, NotFound
from kubepy.runtime import Result

Obj = dict[str, Any]

TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME, ACCOUNT_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
ISSUER = "kubernetes/serviceaccount"


class Signer:
    """Signs legacy tokens with the cluster's service-account key, EC or RSA."""

    def __init__(self, pem: bytes) -> None:
        # 9 MB that only clusters with such Secrets need.
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        self._key = serialization.load_pem_private_key(pem, None)
        self._algorithm = "ES256" if isinstance(self._key, ec.EllipticCurvePrivateKey) else "RS256"
        der = self._key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self._id = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()

    def sign(self, account: Obj, secret: Obj) -> str:
        """The token of an account in a secret; it has no end but theirs."""
        namespace, name = meta.namespace(account), meta.name(account)
        prefix = "kubernetes.io/serviceaccount"
        claims = {
            "iss": ISSUER, f"{prefix}/namespace": namespace, f"{prefix}/secret.name": meta.name(secret),
            f"{prefix}/service-account.name": name, f"{prefix}/service-account.uid": meta.uid(account),
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }  # fmt: skip
        import jwt

        return jwt.encode(claims, self._key, algorithm=self._algorithm, headers={"kid": self._id})  # type: ignore[arg-type]


def start(ctx: Context) -> None:
    """Register the token controller; without --service-account-private-key-file it does nothing."""
    path = ctx.options.service_account_private_key_file
    if path is not None:
        _Tokens(ctx, path.read_bytes())


class _Tokens:
    def __init__(self, ctx: Context, key: bytes) -> None:
        self._client, self._key = ctx.client, key
        self._made: Signer | None = None
        root = ctx.options.root_ca_file
        self._ca = root.read_bytes() if root is not None else ctx.manager.client.config.ca or b""
        self._accounts = ctx.informer("serviceaccounts")
        self._secrets = ctx.informer("secrets", field_selector=f"type={TYPE}")
        self._secrets.cache.add_index("account", _by_account)
        self._controller = ctx.controller("token", self._sync, workers=5)
        self._controller.watch(self._secrets, only=lambda kind, old, new: kind != "DELETED")
        self._controller.watch(self._accounts, self._of_account)

    def _signer(self) -> Signer:
        if self._made is None:
            self._made = Signer(self._key)
        return self._made

    def _of_account(self, account: Obj) -> list[str]:
        key = f"{meta.namespace(account)}/{meta.name(account)}"
        return [f"{meta.namespace(s)}/{meta.name(s)}" for s in self._secrets.cache.by_index("account", key)]

    async def _sync(self, key: str) -> Result | None:
        secret = self._secrets.cache.get(key)
        if secret is None:
            return None
        account = await self._account(secret)
        if account is None:
            preconditions = {"uid": meta.uid(secret), "resourceVersion": meta.resource_version(secret)}
            with suppress(NotFound, Conflict):
                await self._client.delete("secrets", meta.name(secret), meta.namespace(secret), preconditions=preconditions)
            return None
        wanted = self._filled(secret, account)
        if wanted is not None:
            await self._client.update("secrets", wanted)
        return None

    async def _account(self, secret: Obj) -> Obj | None:
        """The account that a secret belongs to, asked of the server before it is called missing."""
        name = meta.annotations(secret).get(ACCOUNT_NAME, "")
        uid = meta.annotations(secret).get(ACCOUNT_UID)
        account = self._accounts.cache.get(f"{meta.namespace(secret)}/{name}")
        if account is None or (uid and meta.uid(account) != uid):
            try:
                account = await self._client.get("serviceaccounts", name, meta.namespace(secret))
            except NotFound:
                return None
        return None if uid and meta.uid(account) != uid else account

    def _filled(self, secret: Obj, account: Obj) -> Obj | None:
        """The secret with all it should hold, or None when it does."""
        data = dict(secret.get("data") or {})
        annotations = {**meta.annotations(secret), ACCOUNT_NAME: meta.name(account), ACCOUNT_UID: meta.uid(account)}
        namespace, ca = (base64.b64encode(v).decode() for v in (meta.namespace(secret).encode(), self._ca))
        wanted = {"namespace": namespace, **({"ca.crt": ca} if self._ca else {})}
        if data.get("token") and annotations == meta.annotations(secret) and all(data.get(k) == v for k, v in wanted.items()):
            return None
        data.update(wanted)
        if not data.get("token"):
            data["token"] = base64.b64encode(self._signer().sign(account, secret).encode()).decode()
        return {**secret, "metadata": {**secret["metadata"], "annotations": annotations}, "data": data}


def _by_account(secret: Obj) -> tuple[str, ...]:
    name = meta.annotations(secret).get(ACCOUNT_NAME)
    return (f"{meta.namespace(secret)}/{name}",) if name else ()
