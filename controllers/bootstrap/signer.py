"""Signs the cluster-info ConfigMap with every bootstrap token that may sign (pkg/controller/bootstrap/bootstrapsigner.go)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Any

import orjson

from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import NotFound
from kubepy.runtime.clock import parse_time

Obj = dict[str, Any]

TYPE = "bootstrap.kubernetes.io/token"
PREFIX = "jws-kubeconfig-"
NAMESPACE, NAME = "kube-public", "cluster-info"
_SECRET = re.compile(r"bootstrap-token-([a-z0-9]{6})")


def text(secret: Obj, key: str) -> str:
    """One value of a secret."""
    return base64.b64decode((secret.get("data") or {}).get(key, "")).decode(errors="replace")


def expired(secret: Obj, now: float) -> bool:
    """Whether the token's time is over; a time that cannot be read counts as over."""
    found = text(secret, "expiration")
    if not found:
        return False
    try:
        return parse_time(found) <= now
    except ValueError:
        return True


def may_sign(secret: Obj, now: float) -> tuple[str, str] | None:
    """(token id, token secret) of a token that may sign."""
    named = _SECRET.fullmatch(meta.name(secret))
    if named is None or secret.get("type") != TYPE or expired(secret, now):
        return None
    token, key = text(secret, "token-id"), text(secret, "token-secret")
    usable = text(secret, "usage-bootstrap-signing") == "true"
    return (token, key) if token == named[1] and key and usable else None


def detached(content: str, token: str, secret: str) -> str:
    """A detached JWS of the content: HS256 with the token's secret, `kid` its id."""

    def encode(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    header = encode(orjson.dumps({"alg": "HS256", "kid": token}))
    signature = hmac.new(secret.encode(), f"{header}.{encode(content.encode())}".encode(), hashlib.sha256).digest()
    return f"{header}..{encode(signature)}"


def start(ctx: Context) -> None:
    """Register the signer."""
    configs = ctx.informer("configmaps", namespace=NAMESPACE, field_selector=f"metadata.name={NAME}")
    secrets = ctx.informer("secrets", namespace="kube-system", field_selector=f"type={TYPE}")

    async def reconcile(key: str) -> None:
        config = configs.cache.get(f"{NAMESPACE}/{NAME}")
        if config is None or "kubeconfig" not in (config.get("data") or {}):
            return
        now = ctx.clock.time()
        data = {k: v for k, v in config["data"].items() if not k.startswith(PREFIX)}
        for secret in secrets.cache.list():
            if (pair := may_sign(secret, now)) is not None:
                data[f"{PREFIX}{pair[0]}"] = detached(config["data"]["kubeconfig"], *pair)
        if data != config["data"]:
            try:
                await ctx.client.update("configmaps", {**config, "data": data})
            except NotFound:
                return

    controller = ctx.controller("bootstrap-signer", reconcile, workers=1)
    controller.watch(configs, lambda obj: ["cluster-info"])
    controller.watch(secrets, lambda obj: ["cluster-info"])
