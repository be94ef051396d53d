"""The cluster CA that signs requests. Imported when there is one to sign: cryptography takes 9 MB."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from controllers.certificates import requests

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
