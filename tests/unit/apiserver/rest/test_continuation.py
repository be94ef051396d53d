"""Continue tokens."""

from __future__ import annotations

import base64

import pytest

from apiserver.rest import continuation
from kubepy.api.errors import BadRequest


def test_round_trip_in_upstreams_form() -> None:
    token = continuation.encode(7, "ns/name")
    assert base64.urlsafe_b64decode(token + "==") == b'{"v":"meta.k8s.io/v1","rv":7,"start":"ns/name\\u0000"}'
    assert continuation.decode(token) == (7, "ns/name")


def token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("!!!", "illegal base64 data at input byte 0"),
        ("garbage", r"invalid character '\u0081' looking for beginning of value"),
        (token('{"a":1}'), "server does not recognize this encoded version "),
        (token('{"v":"meta.k8s.io/v2","rv":1,"start":"a"}'), "server does not recognize this encoded version meta.k8s.io/v2"),
        (token('{"v":"meta.k8s.io/v1","rv":1}'), "encoded start key empty (version meta.k8s.io/v1)"),
        (token('{"v":"meta.k8s.io/v1","start":"a"}'), "incorrect encoded start resourceVersion (version meta.k8s.io/v1)"),
        (token('{"v":"meta.k8s.io/v1","rv":1,"start":"../a"}'), "../a"),
    ],
)
def test_refusals(given: str, text: str) -> None:
    with pytest.raises(BadRequest) as e:
        continuation.decode(given)
    assert e.value.message == f"invalid continue token: continue key is not valid: {text}"
