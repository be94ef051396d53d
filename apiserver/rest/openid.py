"""The documents by which others verify service-account tokens: OpenID discovery and the key set. Pure.

Upstream: pkg/serviceaccount/openidmetadata.go.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from apiserver.middleware.authn.serviceaccount import algorithm, key_id


def documents(issuer: str, keys: Sequence[Any], jwks_uri: str = "") -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(discovery document, key set); None when the issuer is no https URL, which OpenID demands."""
    if not issuer.startswith("https://"):
        return None
    algorithms = sorted({algorithm(k) for k in keys})
    document = {
        "issuer": issuer,
        "jwks_uri": jwks_uri or f"{issuer.rstrip('/')}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
    }
    return document, {"keys": [_jwk(k) for k in keys]}


def _number(value: int, size: int = 0) -> str:
    length = size or (value.bit_length() + 7) // 8
    return base64.urlsafe_b64encode(value.to_bytes(length, "big")).rstrip(b"=").decode()


def _jwk(key: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"use": "sig", "kid": key_id(key), "alg": algorithm(key)}
    if isinstance(key, ec.EllipticCurvePublicKey):
        numbers = key.public_numbers()
        size = (key.curve.key_size + 7) // 8
        curve = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}[key.curve.name]
        out |= {"kty": "EC", "crv": curve, "x": _number(numbers.x, size), "y": _number(numbers.y, size)}
    elif isinstance(key, rsa.RSAPublicKey):
        public = key.public_numbers()
        out |= {"kty": "RSA", "n": _number(public.n), "e": _number(public.e)}
    return out
