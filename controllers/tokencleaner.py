"""Legacy token Secrets that were made by the system and are long unused: first marked invalid, then deleted.

pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go. The API server notes the last use in a label.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from controllers.context import Context
from controllers.tokens import ACCOUNT_NAME, TYPE
from kubepy.api import meta
from kubepy.api.errors import Conflict, NotFound, StatusError

Obj = dict[str, Any]

LAST_USED, INVALID_SINCE = "kubernetes.io/legacy-token-last-used", "kubernetes.io/legacy-token-invalid-since"
TRACKING = "kube-apiserver-legacy-service-account-token-tracking"
PERIOD = 24 * 3600.0


def start(ctx: Context) -> None:
    """Register the cleaner."""
    period = ctx.options.legacy_service_account_token_clean_up_period
    secrets = ctx.informer("secrets", field_selector=f"type={TYPE}")
    accounts, pods = ctx.informer("serviceaccounts"), ctx.informer("pods")
    pods.cache.add_index("secret", _mounted)

    async def run() -> None:
        for informer in (secrets, accounts, pods):
            await informer.synced()
        while True:
            try:
                since = await _tracking_since(ctx)
                if since is not None and ctx.clock.time() - since > period:
                    for secret in secrets.cache.list():
                        await judge(secret, since)
            except StatusError:
                pass
            await ctx.clock.sleep(PERIOD)

    async def judge(secret: Obj, since: float) -> None:
        namespace, name = meta.namespace(secret), meta.name(secret)
        account = accounts.cache.get(f"{namespace}/{meta.annotations(secret).get(ACCOUNT_NAME, '')}")
        # Only Secrets that a service account lists were made by the system; a user's own are the user's.
        if account is None or all(ref.get("name") != name for ref in account.get("secrets") or ()):
            return
        if pods.cache.by_index("secret", f"{namespace}/{name}"):
            return
        now = ctx.clock.time()
        created = dt.datetime.fromisoformat(meta.metadata(secret)["creationTimestamp"]).timestamp()
        used = _day(meta.labels(secret).get(LAST_USED))
        if now - max(created, used or since) <= period:
            return
        invalid = _day(meta.labels(secret).get(INVALID_SINCE))
        try:
            if invalid is None:
                today = dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m-%d")
                labels = {**meta.labels(secret), INVALID_SINCE: today}
                await ctx.client.update("secrets", {**secret, "metadata": {**secret["metadata"], "labels": labels}})
            elif now - invalid > period:
                conditions = {"uid": meta.uid(secret), "resourceVersion": meta.resource_version(secret)}
                await ctx.client.delete("secrets", name, namespace, preconditions=conditions)
        except (NotFound, Conflict):
            return

    ctx.manager.add(run)


async def _tracking_since(ctx: Context) -> float | None:
    """Since when the API server notes uses."""
    try:
        config = await ctx.client.get("configmaps", TRACKING, "kube-system")
    except NotFound:
        return None
    return _day((config.get("data") or {}).get("since"))


def _day(text: str | None) -> float | None:
    try:
        return dt.datetime.strptime(text or "", "%Y-%m-%d").replace(tzinfo=dt.UTC).timestamp()
    except ValueError:
        return None


def _mounted(pod: Obj) -> list[str]:
    found = [v["secret"].get("secretName") for v in pod.get("spec", {}).get("volumes") or () if "secret" in v]
    return [f"{meta.namespace(pod)}/{name}" for name in found if name]
