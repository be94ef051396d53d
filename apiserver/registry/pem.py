"""PEM blocks, and the certificate requests that they hold."""

from __future__ import annotations

import base64
import binascii
import re

from cryptography import x509

from apiserver.registry import der

BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.S)
"""Groups: the type, the base64 text."""
_REQUEST = b"CERTIFICATE REQUEST"


def parse_request(text: str) -> x509.CertificateSigningRequest:
    """The request in the first PEM block of base64 `text`. Raises ValueError (pkg/apis/certificates ParseCSR)."""
    try:
        block = BLOCK.search(base64.b64decode(text))
        content = base64.b64decode(block[2]) if block else b""
    except binascii.Error:
        block = None
    if block is None or block[1] != _REQUEST:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    der.check_sequence(content, "certificateRequest")
    return x509.load_der_x509_csr(content)
