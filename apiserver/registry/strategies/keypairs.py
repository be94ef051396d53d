"""Whether a certificate and a private key in PEM belong together, in the words of Go's crypto/tls. Pure.

Upstream: tls.X509KeyPair, called by warningsForSecret in pkg/registry/core/secret/strategy.go.
"""

from __future__ import annotations

import re
from typing import Any

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)


def problem(certificate: bytes, key: bytes) -> str | None:
    """What is wrong with the pair, None when nothing is."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    found: list[Any] = []
    for text, what, suffix in ((certificate, "certificate", b"CERTIFICATE"), (key, "key", b"PRIVATE KEY")):
        kinds = [m.decode() for m in _PEM.findall(text)]
        if not kinds:
            return f"tls: failed to find any PEM data in {what} input"
        if not any(kind.encode() == suffix or (what == "key" and kind.encode().endswith(b" " + suffix)) for kind in kinds):
            wanted = '"CERTIFICATE" PEM block' if what == "certificate" else 'PEM block with type ending in "PRIVATE KEY"'
            if what == "key" and kinds == ["CERTIFICATE"]:
                return "tls: found a certificate rather than a key in the PEM for the private key"
            skipped = " ".join(kinds)
            return f"tls: failed to find {wanted} in {what} input after skipping PEM blocks of the following types: [{skipped}]"
    try:
        found.append(x509.load_pem_x509_certificate(certificate).public_key())
    except ValueError:
        return "x509: malformed certificate"
    try:
        found.append(serialization.load_pem_private_key(key, None).public_key())
    except (ValueError, TypeError):
        return "tls: failed to parse private key"
    if type(found[0]) is not type(found[1]):
        return "tls: private key type does not match public key type"
    return None if found[0] == found[1] else "tls: private key does not match public key"
