"""Legacy token Secrets that were made by the system and are long unused: first marked invalid, then deleted.

pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go. The API server notes the last use in a label.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from typing import Any, Literal

from controllers.context import Context
from controllers.tokens import ACCOUNT_NAME, ACCOUNT_UID, TYPE
from kubepy.api import meta
from kubepy.api.errors import Conflict, NotFound, StatusError

log = logging.getLogger(__name__)

Obj = dict[str, Any]
Verdict = Literal["keep", "mark", "delete"]

LAST_USED, INVALID_SINCE = "kubernetes.io/legacy-token-last-used", "kubernetes.io/legacy-token-invalid-since"
TRACKING = "kube-apiserver-legacy-service-account-token-tracking"
INTERVAL, DAY = 24 * 3600.0, 24 * 3600.0
_FORMAT = "%Y-%m-%d"


def start(ctx: Context) -> None:
    """Register the cleaner."""
    period = ctx.options.legacy_service_account_token_clean_up_period
    secrets = ctx.informer("secrets", field_selector=f"type={TYPE}")
    accounts, pods = ctx.informer("serviceaccounts"), ctx.informer("pods")
    pods.cache.add_index("secret", _secret_keys)

    async def run() -> None:
        for informer in (secrets, accounts, pods):
            await informer.synced()
        while True:
            try:
                since = tracked_since(await ctx.client.get("configmaps", TRACKING, "kube-system"))
                # Before uses were noted for so long, no token is known to be unused.
                if since is not None and ctx.clock.time() >= since + period:
                    for secret in secrets.cache.list():
                        await clean(secret)
            except StatusError as e:
                log.debug("legacy tokens: %s", e)
            await ctx.clock.sleep(INTERVAL)

    async def clean(secret: Obj) -> None:
        namespace, name = meta.namespace(secret), meta.name(secret)
        account = accounts.cache.get(f"{namespace}/{meta.annotations(secret).get(ACCOUNT_NAME, '')}")
        used = bool(pods.cache.by_index("secret", f"{namespace}/{name}"))
        decision = verdict(secret, account, used, ctx.clock.time(), period)
        try:
            if decision == "mark":
                labels = {INVALID_SINCE: date(ctx.clock.time())}
                await ctx.client.patch("secrets", name, {"metadata": {"uid": meta.uid(secret), "labels": labels}}, namespace)
            elif decision == "delete":
                conditions = {"resourceVersion": meta.resource_version(secret)}
                await ctx.client.delete("secrets", name, namespace, preconditions=conditions)
        except (NotFound, Conflict):
            return

    ctx.manager.add(run)


def verdict(secret: Obj, account: Obj | None, in_use: bool, now: float, period: float) -> Verdict:
    """What to do with a token Secret of an account, if any; `in_use` by pods. Times in unix seconds."""
    created = dt.datetime.fromisoformat(meta.metadata(secret)["creationTimestamp"]).timestamp()
    if created >= now - period or meta.deleting(secret):
        return "keep"
    labels, last_day = meta.labels(secret), date(now - period)
    if (used := labels.get(LAST_USED)) is not None and (day(used) is None or used >= last_day):
        return "keep"
    uid = meta.annotations(secret).get(ACCOUNT_UID, "")
    if account is None or (uid and uid != meta.uid(account)):
        return "keep"
    # Only Secrets that a service account lists were made by the system; a user's own are the user's.
    if in_use or all(ref.get("name") != meta.name(secret) for ref in account.get("secrets") or ()):
        return "keep"
    invalid = labels.get(INVALID_SINCE, "")
    if day(invalid) is None:
        return "mark"
    return "keep" if invalid >= last_day else "delete"


def tracked_since(config: Obj) -> float | None:
    """Since when the API server surely notes uses: the day after the one that its ConfigMap says."""
    found = day((config.get("data") or {}).get("since", ""))
    return None if found is None else found + DAY


def day(text: str) -> float | None:
    """The start of a day `2006-01-02`, UTC, or None."""
    try:
        return dt.datetime.strptime(text, _FORMAT).replace(tzinfo=dt.UTC).timestamp()
    except ValueError:
        return None


def date(at: float) -> str:
    """The day of a time, UTC; days compare as texts."""
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime(_FORMAT)


def _secret_keys(pod: Obj) -> list[str]:
    return sorted({f"{meta.namespace(pod)}/{name}" for name in secret_names(pod) if name})


def secret_names(pod: Obj) -> Iterator[str | None]:
    """Every Secret that a pod names itself (podutil.VisitPodSecretNames); some may be None."""
    spec = pod.get("spec", {})
    for reference in spec.get("imagePullSecrets") or ():
        yield reference.get("name")
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            for source in container.get("envFrom") or ():
                yield (source.get("secretRef") or {}).get("name")
            for variable in container.get("env") or ():
                yield ((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name")
    for volume in spec.get("volumes") or ():
        for source in volume.values():
            if not isinstance(source, dict):
                continue
            # Volume types agree on these fields: secret and azureFile on the first, csi has the last.
            yield source.get("secretName")
            for field in ("secretRef", "nodePublishSecretRef"):
                yield (source.get(field) or {}).get("name")
            for projection in source.get("sources") or ():
                yield (projection.get("secret") or {}).get("name")
