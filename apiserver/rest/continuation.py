"""Continue tokens of paged lists (apiserver pkg/storage/continue.go): base64 of JSON with v, rv and start. Pure."""

from __future__ import annotations

import base64
import binascii
import posixpath
import re

import orjson

from apiserver.rest import gojson
from kubepy.api.errors import BadRequest

_VERSION = "meta.k8s.io/v1"
_ALPHABET = re.compile(rb"[A-Za-z0-9_-]*")


def _refuse(text: str) -> BadRequest:
    return BadRequest(f"invalid continue token: continue key is not valid: {text}")


def encode(revision: int, start: str) -> str:
    """The token for what follows `start` (relative to the collection's prefix) as of `revision`; -1: at whatever revision is newest."""
    raw = orjson.dumps({"v": _VERSION, "rv": revision, "start": start + "\x00"})
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(token: str) -> tuple[int, str]:
    """(revision, key after which to go on, relative to the collection's prefix). Raises BadRequest."""
    data = token.encode()
    good = _ALPHABET.match(data)
    length = good.end() if good else 0
    if length != len(data) or len(data) % 4 == 1:
        raise _refuse(f"illegal base64 data at input byte {length if length != len(data) else len(data) - 1}")
    try:
        raw = base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        raise _refuse("illegal base64 data at input byte 0") from None
    if text := gojson.problem(raw):
        raise _refuse(text)
    parsed = orjson.loads(raw)
    version = parsed.get("v", "") if isinstance(parsed, dict) else ""
    if version != _VERSION:
        raise _refuse(f"server does not recognize this encoded version {version}")
    revision, start = parsed.get("rv", 0), parsed.get("start", "")
    if not isinstance(revision, int) or not revision:
        raise _refuse(f"incorrect encoded start resourceVersion (version {_VERSION})")
    if not start:
        raise _refuse(f"encoded start key empty (version {_VERSION})")
    cleaned = posixpath.normpath("/" + start)
    if cleaned != "/" + start:
        raise _refuse(start)
    return revision, start.removesuffix("\x00")
