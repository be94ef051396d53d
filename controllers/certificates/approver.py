"""Approves the client certificates of kubelets that may ask for them (pkg/controller/certificates/approver)."""

from __future__ import annotations

from typing import Any

from controllers.certificates import requests
from controllers.context import Context
from kubepy.api.errors import NotFound
from kubepy.runtime.clock import format_time

Obj = dict[str, Any]
CSRS = "certificatesigningrequests.certificates.k8s.io"


def start(ctx: Context) -> None:
    """Register the approver."""
    csrs = ctx.informer(CSRS)

    async def allowed(csr: Obj, subresource: str) -> bool:
        spec = csr["spec"]
        attributes = {
            "group": "certificates.k8s.io",
            "resource": "certificatesigningrequests",
            "verb": "create",
            "subresource": subresource,
        }
        review: Obj = {"user": spec.get("username"), "groups": spec.get("groups") or [], "uid": spec.get("uid", "")}
        review.update(extra=spec.get("extra") or {}, resourceAttributes={**attributes, "version": "*"})
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": review}
        answer = await ctx.client.create("subjectaccessreviews.authorization.k8s.io", body)
        return bool(answer.get("status", {}).get("allowed"))

    async def reconcile(name: str) -> None:
        csr = csrs.cache.get(name)
        if (
            csr is None
            or csr.get("status", {}).get("certificate")
            or requests.condition(csr, "Approved")
            or requests.condition(csr, "Denied")
        ):
            return
        if csr["spec"]["signerName"] != requests.KUBELET_CLIENT or not csr["spec"].get("username"):
            return
        try:
            request = requests.parse(csr)
        except ValueError:
            return
        if requests.refusal(csr, request) is not None:
            return
        own = csr["spec"].get("username") == requests.common_name(request)
        for subresource, who in (("selfnodeclient", "self kubelet"), ("nodeclient", "kubelet")):
            if (subresource == "selfnodeclient" and not own) or not await allowed(csr, subresource):
                continue
            stamp = format_time(ctx.clock.time())
            text = f"Auto approving {who} client certificate after SubjectAccessReview."
            entry = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": text}
            entry.update(lastUpdateTime=stamp, lastTransitionTime=stamp)
            status = csr.get("status", {})
            body = {**csr, "status": {**status, "conditions": [*(status.get("conditions") or ()), entry]}}
            try:
                await ctx.client.update(CSRS, body, subresource="approval")
            except NotFound:
                return
            return

    ctx.controller("csrapproving", reconcile, workers=2).watch(csrs, only=lambda kind, old, new: kind != "DELETED")
