"""What is said of certificate requests that are none."""

from __future__ import annotations

import base64

import pytest

from apiserver.registry.pem import parse_request

_PARAMETERS = (
    "{optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 "
    "set:false omitEmpty:false}"
)


def block(content: bytes, kind: str = "CERTIFICATE REQUEST") -> str:
    pem = f"-----BEGIN {kind}-----\n{base64.b64encode(content).decode()}\n-----END {kind}-----\n"
    return base64.b64encode(pem.encode()).decode()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "PEM block type must be CERTIFICATE REQUEST"),
        ("eHg=", "PEM block type must be CERTIFICATE REQUEST"),
        (block(b"123", "CERTIFICATE"), "PEM block type must be CERTIFICATE REQUEST"),
        (block(b""), "asn1: syntax error: sequence truncated"),
        (block(b"\x30\x05\x00"), "asn1: syntax error: data truncated"),
        (block(b"\x30\x80\x00"), "asn1: syntax error: indefinite length found (not DER)"),
        (
            block(b"123"),
            "asn1: structure error: tags don't match (16 vs {class:0 tag:17 length:50 isCompound:true}) "
            + _PARAMETERS
            + " certificateRequest @2",
        ),
    ],
)
def test_what_is_wrong_with_a_request(text: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_request(text)
    assert str(caught.value) == problem
