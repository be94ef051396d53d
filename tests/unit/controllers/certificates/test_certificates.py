"""Which certificate requests may be signed, and what is signed."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from controllers.bootstrap.signer import detached
from controllers.certificates import cleaner, requests
from controllers.certificates.authority import Authority
from kubepy import pki
from kubepy.runtime.clock import format_time
from tests.support.objects import NOW, meta

Obj = dict[str, Any]
KEY = ec.generate_private_key(ec.SECP256R1())


def request(name: str = "system:node:n", organization: str = "system:nodes", dns: str | None = None) -> x509.CertificateSigningRequest:
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization), x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if dns is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
    return builder.sign(KEY, hashes.SHA256())


def csr(made: x509.CertificateSigningRequest, signer: str, *usages: str, username: str = "system:node:n") -> Obj:
    pem = made.public_bytes(serialization.Encoding.PEM)
    return {
        "metadata": meta("c"),
        "spec": {"request": base64.b64encode(pem).decode(), "signerName": signer, "usages": list(usages), "username": username},
    }


@pytest.mark.parametrize(
    ("made", "signer", "usages", "why"),
    [
        (request(), requests.KUBELET_CLIENT, ("digital signature", "client auth"), None),
        (
            request(),
            requests.KUBELET_CLIENT,
            ("server auth",),
            "usages did not match [client auth digital signature key encipherment]",
        ),
        (
            request(organization="x"),
            requests.KUBELET_CLIENT,
            ("digital signature", "client auth"),
            "subject organization is not system:nodes",
        ),
        (request(dns="n"), requests.KUBELET_CLIENT, ("digital signature", "client auth"), "DNS subjectAltNames are not allowed"),
        (request(dns="n"), requests.KUBELET_SERVING, ("digital signature", "server auth"), None),
        (request(), requests.KUBELET_SERVING, ("digital signature", "server auth"), "DNS or IP subjectAltName is required"),
        (
            request(name="alice", dns="n"),
            requests.KUBELET_SERVING,
            ("digital signature", "server auth"),
            "subject common name does not begin with system:node:",
        ),
        (request(name="alice"), requests.CLIENT, ("client auth",), None),
        (request(name="alice"), requests.CLIENT, ("client auth", "server auth"), "invalid usage for client certificate: server auth"),
        (request(), requests.CLIENT, ("digital signature",), "missing required usage for client certificate: client auth"),
    ],
)
def test_refusals(made: x509.CertificateSigningRequest, signer: str, usages: tuple[str, ...], why: str | None) -> None:
    given = csr(made, signer, *usages)
    assert requests.refusal(given, requests.parse(given)) == why


def test_a_signed_certificate_is_the_request_s_and_ends_with_the_ca(tmp_path: Path) -> None:
    ca = pki.new_ca("test")
    certificate, key = tmp_path / "ca.crt", tmp_path / "ca.key"
    certificate.write_bytes(ca.cert_pem)
    key.write_bytes(pki.key_pem(ca.key))
    now = ca.cert.not_valid_before_utc.timestamp() + 3600
    pem = Authority(certificate, key).sign(request(dns="n"), ["digital signature", "server auth"], 10**10, now)
    made = x509.load_pem_x509_certificate(pem)
    made.verify_directly_issued_by(ca.cert)
    assert made.not_valid_after_utc == ca.cert.not_valid_after_utc
    assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == ["n"]


def test_old_requests_go() -> None:
    pending = csr(request(), requests.CLIENT)
    pending["metadata"]["creationTimestamp"] = format_time(NOW)
    assert cleaner.expires(pending) == NOW + 24 * 3600
    denied = {**pending, "status": {"conditions": [{"type": "Denied", "lastUpdateTime": format_time(NOW)}]}}
    assert cleaner.expires(denied) == NOW + 3600


def test_a_bootstrap_signature_is_detached() -> None:
    header, body, signature = detached("content", "abcdef", "secret").split(".")
    assert base64.urlsafe_b64decode(header + "==") == b'{"alg":"HS256","kid":"abcdef"}'
    assert (body, len(signature)) == ("", 43)
