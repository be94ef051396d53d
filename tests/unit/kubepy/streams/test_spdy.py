"""SPDY: two ends of our own talk, and the published constants hold."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubepy.streams import spdy
from kubepy.streams.spdy import Connection, Data, GoneAway, Opened, Replied, Reset


def pair() -> tuple[Connection, Connection]:
    return Connection(client=True), Connection()


def test_the_dictionary_is_the_drafts() -> None:
    # The draft's dictionary has 1423 bytes; its Adler-32 stands in every SPDY/3 connection's first header block.
    assert len(spdy.DICTIONARY) == 1423
    assert zlib.adler32(spdy.DICTIONARY) == 0xE3C6A7C2


def test_a_stream_from_opening_to_end() -> None:
    client, server = pair()
    first = client.open({"streamType": "error", "port": "80", "requestID": "0"})
    second = client.open({"streamType": "data", "port": "80", "requestID": "0"})
    assert (first, second) == (1, 3)
    assert server.receive(client.take_output()) == [
        Opened(1, {"streamtype": "error", "port": "80", "requestid": "0"}),
        Opened(3, {"streamtype": "data", "port": "80", "requestid": "0"}),
    ]
    server.reply(1)
    server.reply(3, {"x": "y"})
    assert client.receive(server.take_output()) == [Replied(1, {}), Replied(3, {"x": "y"})]
    client.send(3, b"question", fin=True)
    assert server.receive(client.take_output()) == [Data(3, b"question", True)]
    server.send(3, b"")
    server.send(3, b"", fin=True)
    server.reset(1)
    server.go_away()
    assert client.receive(server.take_output()) == [Data(3, b"", True), Reset(1, spdy.CANCEL), GoneAway(0)]


def test_pings_of_the_peer_are_answered_and_answers_are_not() -> None:
    _, server = pair()
    ping = bytes.fromhex("8003 0006 0000 0004 0000 0001")
    assert server.receive(ping) == []
    assert server.take_output() == ping
    server.receive(bytes.fromhex("8003 0006 0000 0004 0000 0002"))
    assert server.take_output() == b""


def test_an_end_of_stream_may_come_with_the_opening() -> None:
    client, server = pair()
    client.open({"a": "b"})
    frame = bytearray(client.take_output())
    frame[4] |= spdy.FIN
    assert server.receive(bytes(frame)) == [Opened(1, {"a": "b"}, True)]


@given(st.binary(max_size=200_000), st.integers(1, 5000))
def test_data_arrives_whole_however_it_is_cut(payload: bytes, size: int) -> None:
    client, server = pair()
    stream = client.open({"streamType": "stdin"})
    client.send(stream, payload, fin=True)
    wire = client.take_output()
    events = [e for at in range(0, len(wire), size) for e in server.receive(wire[at : at + size])]
    data = [e for e in events if isinstance(e, Data)]
    assert b"".join(e.data for e in data) == payload
    assert [e.fin for e in data] == [False] * (len(data) - 1) + [True]


@pytest.mark.parametrize("frame", ["8002 0001 0000 0000", "8003 0001 0000 000c 0000 0001 0000 0000 0000 dead", "8003 0003 0000 0002 0000"])
def test_nonsense_is_refused(frame: str) -> None:
    with pytest.raises(spdy.SpdyError):
        Connection().receive(bytes.fromhex(frame))
