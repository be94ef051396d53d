"""What is said of HTTP answers that are no reviews."""

from __future__ import annotations

import pytest

from apiserver.admission.webhook.response import CallError, review_of

SENT = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
_NOT_A_STRUCT = (
    r"couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value of type struct "
    r'{ APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
)


@pytest.mark.parametrize(
    ("status", "media", "body", "text"),
    [
        (500, "text/plain", b"oops\n", 'an error on the server ("oops") has prevented the request from succeeding'),
        (500, "application/json", b"{}", 'an error on the server ("unknown") has prevented the request from succeeding'),
        (404, "text/plain", b"oops", "the server could not find the requested resource"),
        (403, "text/plain", b"not you", "not you"),
        (302, "", b"", "the server responded with the status code 302 but did not return more information"),
        (400, "application/json", b'{"kind":"Status","apiVersion":"v1","status":"Failure","message":"own words"}', "own words"),
        (200, "application/json", b"", "0-length response with status code: 200 and content type: application/json"),
        (200, "application/json", b"{", "couldn't get version/kind; json parse error: unexpected end of JSON input"),
        (200, "text/plain", b"hello", _NOT_A_STRUCT),
        (
            200, "", b'{"apiVersion":"admission.k8s.io/v1","kind":"Foo"}',
            'no kind "Foo" is registered for version "admission.k8s.io/v1" in scheme "k8s.io/apiserver/pkg/util/webhook/client.go:71"',
        ),
        (
            200, "", b'{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}',
            "converting (v1beta1.AdmissionReview) to (v1.AdmissionReview): unknown conversion",
        ),
        (200, "", b'{"response":{"patch":"%%"}}', "illegal base64 data at input byte 0"),
    ],
)  # fmt: skip
def test_what_is_no_review(status: int, media: str, body: bytes, text: str) -> None:
    with pytest.raises(CallError) as caught:
        review_of(status, media, body, SENT)
    assert str(caught.value) == text


def test_reviews_may_be_yaml_and_need_not_say_what_they_are() -> None:
    assert review_of(200, "", b"response:\n  allowed: true\n", SENT) == {"response": {"allowed": True}}
