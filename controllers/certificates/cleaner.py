"""Deletes certificate requests that are done with: issued, denied or failed for an hour, pending for a day, expired."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from controllers.certificates import requests
from controllers.certificates.approver import CSRS
from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import NotFound
from kubepy.lazy import Lazy
from kubepy.runtime import Result
from kubepy.runtime.clock import parse_time

if TYPE_CHECKING:
    from cryptography import x509
else:
    x509 = Lazy("cryptography.x509")

Obj = dict[str, Any]
HOUR = 3600.0


def expires(csr: Obj) -> float:
    """When a request is to go, in Unix seconds (pkg/controller/certificates/cleaner)."""
    status = csr.get("status", {})
    for kind in ("Denied", "Failed"):
        if (found := requests.condition(csr, kind)) is not None:
            return parse_time(found.get("lastUpdateTime") or meta.metadata(csr)["creationTimestamp"]) + HOUR
    approved = requests.condition(csr, "Approved")
    if approved is None or not status.get("certificate"):
        return parse_time(meta.metadata(csr)["creationTimestamp"]) + 24 * HOUR
    done = parse_time(approved.get("lastUpdateTime") or meta.metadata(csr)["creationTimestamp"]) + HOUR
    with suppress(ValueError):
        certificate = x509.load_pem_x509_certificate(base64.b64decode(status["certificate"]))
        return min(done, certificate.not_valid_after_utc.timestamp())
    return done


def start(ctx: Context) -> None:
    """Register the cleaner."""
    csrs = ctx.informer(CSRS)

    async def reconcile(name: str) -> Result | None:
        csr = csrs.cache.get(name)
        if csr is None:
            return None
        if (left := expires(csr) - ctx.clock.time()) > 0:
            return Result(after=left)
        with suppress(NotFound):
            await ctx.client.delete(CSRS, name, preconditions={"uid": meta.uid(csr)})
        return None

    ctx.controller("csrcleaner", reconcile, workers=1).watch(csrs, only=lambda kind, old, new: kind != "DELETED")
