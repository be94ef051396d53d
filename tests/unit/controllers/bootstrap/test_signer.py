"""Which bootstrap tokens may sign, as a table; and a signature that can be checked by others."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from controllers.bootstrap import signer

Obj = dict[str, Any]
NOW = 1_718_452_800.0
"""2024-06-15T12:00:00Z"""


def secret(name: str = "bootstrap-token-abcdef", type_: str = signer.TYPE, **changes: str | None) -> Obj:
    data = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true"}
    data |= {key.replace("_", "-"): value for key, value in changes.items()}  # type: ignore[misc]
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items() if value is not None}
    return {"type": type_, "metadata": {"name": name, "namespace": "kube-system"}, "data": encoded}


@pytest.mark.parametrize(
    ("subject", "able"),
    [
        (secret(), True),
        (secret("bootstrap-token-uvwxyz"), False),
        (secret("abcdef"), False),
        (secret("bootstrap-token-ABCDEF", token_id="ABCDEF"), False),
        (secret(type_="Opaque"), False),
        (secret(token_id=None), False),
        (secret(token_secret=None), False),
        (secret(usage_bootstrap_signing=None), False),
        (secret(usage_bootstrap_signing="yes"), False),
        (secret(expiration="2024-06-15T12:00:01Z"), True),
        (secret(expiration="2024-06-15T12:00:00Z"), False),
        (secret(expiration="2024-06-15T14:00:01+02:00"), True),
        (secret(expiration="soon"), False),
    ],
)
def test_may_sign(subject: Obj, able: bool) -> None:
    assert signer.may_sign(subject, NOW) == (("abcdef", "0123456789abcdef") if able else None)


def test_signature() -> None:
    # Computed with openssl.
    assert signer.detached("clusters: []\n", "abcdef", "0123456789abcdef") == (
        "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..aiG7z8XWjjzLz3AwuhjgjACCUfWawXW2oX1uxgNWBSg"
    )
