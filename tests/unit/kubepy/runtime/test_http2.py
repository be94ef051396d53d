"""Frames and header blocks, read by a library that is not ours."""

from __future__ import annotations

import hpack
import pytest

from kubepy.runtime import http2


def test_a_frame_says_its_length_kind_flags_and_stream() -> None:
    assert http2.frame(http2.DATA, http2.END_STREAM, 5, b"abc") == b"\x00\x00\x03\x00\x01\x00\x00\x00\x05abc"


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 254, 255, 300, 20_000])
def test_literals_of_any_length(size: int) -> None:
    block = http2.literals([(b":path", b"/x"), (b"long", b"v" * size)])
    assert [tuple(h) for h in hpack.Decoder().decode(block)] == [(":path", "/x"), ("long", "v" * size)]


def test_padding_goes() -> None:
    assert http2.unpadded(http2.PADDED, b"\x02abc\0\0") == b"abc"
    assert http2.unpadded(0, b"\x02abc") == b"\x02abc"


def test_a_message_says_its_length() -> None:
    assert http2.message(b"ab") == b"\x00\x00\x00\x00\x02ab"
