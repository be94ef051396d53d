"""Service account tokens for pods: asked of the API, kept while fresh, renewed at 80 % of their life (token_manager.go)."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import Any

from kubepy.client import Client

Obj = dict[str, Any]

DEFAULT_SECONDS = 3600
_OLDEST = 24 * 3600


@dataclass(slots=True)
class _Token:
    text: bytes
    renew_at: float


class Tokens:
    """Tokens by pod, account, audience and life."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tokens: dict[tuple[str, str, str, int], _Token] = {}

    @staticmethod
    def _key(pod: Obj, source: Obj) -> tuple[str, str, str, int]:
        account = pod["spec"].get("serviceAccountName") or "default"
        return pod["metadata"]["uid"], account, source.get("audience") or "", int(source.get("expirationSeconds") or DEFAULT_SECONDS)

    async def ensure(self, pod: Obj, source: Obj) -> float:
        """Have a fresh token for this projection; returns when (epoch seconds) it should be renewed. Raises StatusError."""
        key = self._key(pod, source)
        held = self._tokens.get(key)
        now = time.time()
        if held is not None and now < held.renew_at:
            return held.renew_at
        meta = pod["metadata"]
        spec: Obj = {
            "expirationSeconds": key[3],
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]},
        }
        if key[2]:
            spec["audiences"] = [key[2]]
        answer = await self._client.create(
            "serviceaccounts", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}, meta["namespace"],
            name=key[1], subresource="token",
        )  # fmt: skip
        status = answer["status"]
        expires = dt.datetime.fromisoformat(status["expirationTimestamp"].replace("Z", "+00:00")).timestamp()
        renew = min(now + (expires - now) * 0.8, now + _OLDEST)
        self._tokens[key] = _Token(status["token"].encode(), renew)
        return renew

    def get(self, pod: Obj, source: Obj) -> bytes:
        """The token that `ensure` got."""
        return self._tokens[self._key(pod, source)].text

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        for key in [k for k in self._tokens if k[0] == uid]:
            del self._tokens[key]
