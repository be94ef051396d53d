"""What a certificate request asks for, and whether its signer may grant it. Pure (pkg/apis/certificates/helpers.go)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
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
        return _node_serving(request, usages)
    if signer == CLIENT:
        return _client(csr["spec"].get("usages") or ())
    return None


def _client(usages: Sequence[str]) -> str | None:
    """validAPIServerClientUsages."""
    for usage in usages:
        if usage not in ("digital signature", "key encipherment", "client auth"):
            return f"invalid usage for client certificate: {usage}"
    return None if "client auth" in usages else "missing required usage for client certificate: client auth"


def _of_nodes(request: x509.CertificateSigningRequest) -> str | None:
    return None if organizations(request) == ["system:nodes"] else "subject organization is not system:nodes"


def _named_node(request: x509.CertificateSigningRequest) -> str | None:
    return None if common_name(request).startswith("system:node:") else "subject common name does not begin with system:node:"


def _other_names(request: x509.CertificateSigningRequest, *kinds: str) -> str | None:
    found = names(request)
    types: dict[str, Any] = {"DNS": x509.DNSName, "Email": x509.RFC822Name, "IP": x509.IPAddress, "URI": x509.UniformResourceIdentifier}
    for kind in kinds if found is not None else ():
        if found is not None and found.get_values_for_type(types[kind]):
            return f"{kind} subjectAltNames are not allowed"
    return None


def _used(usages: set[str], allowed: tuple[set[str], set[str]]) -> str | None:
    return None if usages in allowed else f"usages did not match [{' '.join(sorted(allowed[1]))}]"


def _node_client(request: x509.CertificateSigningRequest, usages: set[str]) -> str | None:
    """ValidateKubeletClientCSR."""
    others = _other_names(request, "DNS", "Email", "IP", "URI")
    return _of_nodes(request) or others or _named_node(request) or _used(usages, _NODE_CLIENT)


def _node_serving(request: x509.CertificateSigningRequest, usages: set[str]) -> str | None:
    """ValidateKubeletServingCSR."""
    if (why := _of_nodes(request)) is not None:
        return why
    found = names(request)
    if found is None or not (found.get_values_for_type(x509.DNSName) or found.get_values_for_type(x509.IPAddress)):
        return "DNS or IP subjectAltName is required"
    return _other_names(request, "Email", "URI") or _used(usages, _NODE_SERVING) or _named_node(request)


def condition(csr: Obj, kind: str) -> Obj | None:
    """The condition of that type."""
    found: Obj | None = next((c for c in csr.get("status", {}).get("conditions") or () if c["type"] == kind), None)
    return found


def is_approved(csr: Obj) -> bool:
    """Approved and not denied."""
    return condition(csr, "Approved") is not None and condition(csr, "Denied") is None
