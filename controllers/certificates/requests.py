"""What a certificate request asks for, and whether its signer may grant it. Pure (pkg/apis/certificates/helpers.go)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from kubepy.lazy import Lazy

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.x509 import oid
else:  # 9 MB that only clusters with requests need
    x509, oid = Lazy("cryptography.x509"), Lazy("cryptography.x509.oid")

Obj = dict[str, Any]

CLIENT, KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING, LEGACY = "kubernetes.io/kubelet-serving", "kubernetes.io/legacy-unknown"
SIGNERS = (CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY)

_NODE_CLIENT = ({"digital signature", "client auth"}, {"key encipherment", "digital signature", "client auth"})
_NODE_SERVING = ({"digital signature", "server auth"}, {"key encipherment", "digital signature", "server auth"})


def parse(csr: Obj) -> x509.CertificateSigningRequest:
    """The PKCS#10 request. Raises ValueError."""
    found = x509.load_pem_x509_csr(base64.b64decode(csr["spec"]["request"]))
    if not found.is_signature_valid:
        raise ValueError("the request's signature is invalid")
    return found


def common_name(request: x509.CertificateSigningRequest) -> str:
    """The subject's common name."""
    found = request.subject.get_attributes_for_oid(oid.NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def organizations(request: x509.CertificateSigningRequest) -> list[str]:
    """The subject's organizations."""
    return [str(a.value) for a in request.subject.get_attributes_for_oid(oid.NameOID.ORGANIZATION_NAME)]


def names(request: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    """The subject alternative names."""
    try:
        found = request.extensions.get_extension_for_oid(oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        return None
    assert isinstance(found, x509.SubjectAlternativeName)
    return found


def refusal(csr: Obj, request: x509.CertificateSigningRequest) -> str | None:
    """Why the signer may not sign this request, or None."""
    signer, usages = csr["spec"]["signerName"], set(csr["spec"].get("usages") or ())
    if signer == KUBELET_CLIENT:
        return _node_client(request, usages)
    if signer == KUBELET_SERVING:
        return _node_serving(csr, request, usages)
    if signer == CLIENT:
        allowed = {"digital signature", "key encipherment", "client auth"}
        return None if usages <= allowed and "client auth" in usages else "usages did not match"
    return None


def _node(request: x509.CertificateSigningRequest) -> str | None:
    if organizations(request) != ["system:nodes"]:
        return "subject organization is not system:nodes"
    if not common_name(request).startswith("system:node:"):
        return "subject common name does not begin with system:node:"
    return None


def _node_client(request: x509.CertificateSigningRequest, usages: set[str]) -> str | None:
    found = names(request)
    if found is not None:
        if found.get_values_for_type(x509.DNSName):
            return "DNS subjectAltNames are not allowed"
        if found.get_values_for_type(x509.RFC822Name):
            return "Email subjectAltNames are not allowed"
        if found.get_values_for_type(x509.IPAddress):
            return "IP subjectAltNames are not allowed"
        if found.get_values_for_type(x509.UniformResourceIdentifier):
            return "URI subjectAltNames are not allowed"
    if usages not in _NODE_CLIENT:
        return "usages did not match"
    return _node(request)


def _node_serving(csr: Obj, request: x509.CertificateSigningRequest, usages: set[str]) -> str | None:
    found = names(request)
    if found is None or not (found.get_values_for_type(x509.DNSName) or found.get_values_for_type(x509.IPAddress)):
        return "DNS or IP subjectAltName is required"
    if found.get_values_for_type(x509.RFC822Name):
        return "Email subjectAltNames are not allowed"
    if found.get_values_for_type(x509.UniformResourceIdentifier):
        return "URI subjectAltNames are not allowed"
    if usages not in _NODE_SERVING:
        return "usages did not match"
    if csr["spec"].get("username") != common_name(request):
        return "requestor is not the subject"
    return _node(request)


def condition(csr: Obj, kind: str) -> Obj | None:
    """The condition of that type."""
    found: Obj | None = next((c for c in csr.get("status", {}).get("conditions") or () if c["type"] == kind), None)
    return found


def is_approved(csr: Obj) -> bool:
    """Approved and not denied."""
    return condition(csr, "Approved") is not None and condition(csr, "Denied") is None
