"""A webhook's HTTP answer as a review, or what Go's client says of it (client-go rest/request.go, apimachinery serializer/json). Pure."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from apiserver.context import Obj
from apiserver.rest.body import Unreadable, not_an_object, parse
from apiserver.rest.negotiate import JSON, YAML
from kubepy.api.errors import go_value

_KNOWN_VERSIONS = ("v1", "v1beta1")
_SCHEME = "k8s.io/apiserver/pkg/util/webhook/client.go:71"
_SHOWN_BYTES = 2048
_BY_CODE = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    406: "the server was unable to respond with a content type that the client supports",
    409: "the server reported a conflict",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}


class CallError(Exception):
    """The webhook gave no review; the text is as Go's client would put it."""


def review_of(status: int, content_type: str, body: bytes, sent: Obj) -> Obj:
    """The review in the body of an answer to the review `sent`. Raises CallError."""
    if not 200 <= status <= 206:
        raise CallError(_own_words(body) or _unexplained(status, content_type, body))
    if not body:
        raise CallError(f"0-length response with status code: {status} and content type: {content_type}")
    try:
        value = _parsed(body)
    except Unreadable as error:
        raise CallError(str(error)) from None
    _check_kind(value, sent)
    patch = (value.get("response") or {}).get("patch") if isinstance(value.get("response"), dict) else None
    if patch is not None:
        _check_base64(patch)
    return value


def _parsed(body: bytes) -> Obj:
    value, _ = parse(body, JSON if body.lstrip()[:1] == b"{" else YAML, strict=False)
    if not isinstance(value, dict):
        raise Unreadable(f"couldn't get version/kind; json parse error: {not_an_object(value)}")
    return value


def _own_words(body: bytes) -> str:
    """The message of a Status that says what failed."""
    try:
        value = _parsed(body) if body else {}
    except Unreadable:
        return ""
    is_failure = (value.get("kind"), value.get("apiVersion"), value.get("status")) == ("Status", "v1", "Failure")
    return str(value.get("message") or "") if is_failure else ""


def _unexplained(status: int, content_type: str, body: bytes) -> str:
    media = content_type.partition(";")[0].strip().lower()
    said = body[:_SHOWN_BYTES].decode("utf-8", "replace").strip() if not media or media.startswith("text/") else "unknown"
    if status in (403, 415):
        return said
    if status in _BY_CODE:
        return _BY_CODE[status]
    if status >= 500:
        return f"an error on the server ({go_value(said)}) has prevented the request from succeeding"
    return f"the server responded with the status code {status} but did not return more information"


def _check_kind(value: Obj, sent: Obj) -> None:
    """What is not named is taken to be of the kind that was sent, here: whether it may be left out is the caller's to say."""
    given, kind = value.get("apiVersion") or sent["apiVersion"], value.get("kind") or sent["kind"]
    if (given, kind) == (sent["apiVersion"], sent["kind"]):
        return
    group, _, wanted = sent["apiVersion"].rpartition("/")
    version = given.rpartition("/")[2]
    if kind != sent["kind"] or given not in [f"{group}/{v}" for v in _KNOWN_VERSIONS]:
        raise CallError(f'no kind "{kind}" is registered for version "{given}" in scheme "{_SCHEME}"')
    raise CallError(f"converting ({version}.{kind}) to ({wanted}.{kind}): unknown conversion")


_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=\r\n]")


def _check_base64(text: Any) -> None:
    """A patch is bytes, whoever reads it."""
    if not isinstance(text, str):
        return
    odd = _NOT_BASE64.search(text)
    try:
        base64.b64decode(text)
    except binascii.Error:
        at = len(text)
    else:
        at = -1
    if odd is not None or at >= 0:
        raise CallError(f"illegal base64 data at input byte {odd.start() if odd else at}")


def kind_of(review: Obj) -> str:
    """`group/version, Kind=kind` of what was received."""
    group, _, version = review.get("apiVersion", "").rpartition("/")
    return f"{group}/{version}, Kind={review.get('kind', '')}"
