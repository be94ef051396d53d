"""Signs approved requests of the four built-in signers with the cluster CA (pkg/controller/certificates/signer)."""

from __future__ import annotations

import base64
import datetime as dt
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from controllers.certificates import requests
from controllers.certificates.approver import CSRS
from controllers.context import Context
from kubepy.api.errors import NotFound
from kubepy.runtime.clock import format_time

Obj = dict[str, Any]

BACKDATE = dt.timedelta(minutes=5)
SHORTEST = 600
_EXTENDED = {
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH, "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING, "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING, "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}  # fmt: skip
_BITS = {
    "digital signature": "digital_signature", "signing": "digital_signature", "content commitment": "content_commitment",
    "key encipherment": "key_encipherment", "data encipherment": "data_encipherment", "key agreement": "key_agreement",
    "cert sign": "key_cert_sign", "crl sign": "crl_sign",
}  # fmt: skip


class Authority:
    """The CA's certificate and key."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = x509.load_pem_x509_certificate(certificate.read_bytes())
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ValueError(f"{key}: neither an EC nor an RSA key")
        self._key = loaded

    def sign(self, request: x509.CertificateSigningRequest, usages: list[str], seconds: float, now: float) -> bytes:
        """A PEM certificate for the request's subject, key and names, which ends no later than the CA does."""
        moment = dt.datetime.fromtimestamp(int(now), dt.UTC)
        end = min(moment + dt.timedelta(seconds=max(seconds, SHORTEST)), self._certificate.not_valid_after_utc)
        bits = dict.fromkeys(set(_BITS.values()), False)
        bits.update((_BITS[u], True) for u in usages if u in _BITS)
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self._certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment - BACKDATE)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**bits, encipher_only=False, decipher_only=False), critical=True)
        )
        if extended := [_EXTENDED[u] for u in usages if u in _EXTENDED]:
            builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
        if (names := requests.names(request)) is not None:
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def start(ctx: Context) -> None:
    """Register the signer; without --cluster-signing-cert-file and -key-file it does nothing."""
    certificate, key = ctx.options.cluster_signing_cert_file, ctx.options.cluster_signing_key_file
    if certificate is None or key is None:
        return
    authority = Authority(certificate, key)
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
            pem = authority.sign(request, list(spec.get("usages") or ()), seconds, ctx.clock.time())
            status["certificate"] = base64.b64encode(pem).decode()
        try:
            await ctx.client.update_status(CSRS, {**csr, "status": status})
        except NotFound:
            return

    ctx.controller("csrsigning", reconcile, workers=2).watch(csrs, only=lambda kind, old, new: kind != "DELETED")
