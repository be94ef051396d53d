"""Deletes bootstrap tokens when they expire (pkg/controller/bootstrap/tokencleaner.go)."""

from __future__ import annotations

from contextlib import suppress

from controllers.bootstrap.signer import TYPE, expired, text
from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import Conflict, NotFound
from kubepy.runtime import Result
from kubepy.runtime.clock import parse_time


def start(ctx: Context) -> None:
    """Register the cleaner."""
    secrets = ctx.informer("secrets", namespace="kube-system", field_selector=f"type={TYPE}")

    async def reconcile(key: str) -> Result | None:
        secret = secrets.cache.get(key)
        if secret is None or not text(secret, "expiration"):
            return None
        now = ctx.clock.time()
        if not expired(secret, now):
            return Result(after=parse_time(text(secret, "expiration")) - now)
        with suppress(NotFound, Conflict):
            await ctx.client.delete("secrets", meta.name(secret), meta.namespace(secret), preconditions={"uid": meta.uid(secret)})
        return None

    ctx.controller("token-cleaner", reconcile, workers=1).watch(secrets, only=lambda kind, old, new: kind != "DELETED")
