"""Signs approved requests of the four built-in signers with the cluster CA (pkg/controller/certificates/signer)."""

from __future__ import annotations

import base64
from functools import cache
from typing import TYPE_CHECKING, Any

from controllers.certificates import requests
from controllers.certificates.approver import CSRS
from controllers.context import Context
from kubepy.api.errors import NotFound
from kubepy.runtime.clock import format_time

if TYPE_CHECKING:
    from controllers.certificates.authority import Authority

Obj = dict[str, Any]


def start(ctx: Context) -> None:
    """Register the signer; without --cluster-signing-cert-file and -key-file it does nothing."""
    certificate, key = ctx.options.cluster_signing_cert_file, ctx.options.cluster_signing_key_file
    if certificate is None or key is None:
        return

    @cache
    def authority() -> Authority:
        from controllers.certificates.authority import Authority

        return Authority(certificate, key)

    csrs = ctx.informer(CSRS)

    async def reconcile(name: str) -> None:
        csr = csrs.cache.get(name)
        if csr is None or not requests.is_approved(csr) or csr.get("status", {}).get("certificate") or requests.condition(csr, "Failed"):
            return
        spec = csr["spec"]
        if spec["signerName"] not in requests.SIGNERS:
            return
        status = dict(csr["status"])
        try:
            request = requests.parse(csr)
            why = requests.refusal(csr, request)
        except ValueError as e:
            why = f"unable to parse csr {name!r}: {e}"
        if why is not None:
            stamp = format_time(ctx.clock.time())
            entry = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": why}
            status["conditions"] = [*(status.get("conditions") or ()), {**entry, "lastUpdateTime": stamp, "lastTransitionTime": stamp}]
        else:
            limit = ctx.options.cluster_signing_duration
            seconds = min(float(spec["expirationSeconds"]), limit) if spec.get("expirationSeconds") else limit
            pem = authority().sign(request, list(spec.get("usages") or ()), seconds, ctx.clock.time())
            status["certificate"] = base64.b64encode(pem).decode()
        try:
            await ctx.client.update_status(CSRS, {**csr, "status": status})
        except NotFound:
            return

    ctx.controller("csrsigning", reconcile, workers=2).watch(csrs, only=lambda kind, old, new: kind != "DELETED")
