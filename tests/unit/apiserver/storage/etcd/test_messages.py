"""Messages as etcd writes them: what is read of them, and what is not looked at."""

from __future__ import annotations

from apiserver.storage.etcd import messages
from apiserver.storage.interface import Event, KeyValue
from kubepy.api.protobuf.wire import VARINT, fields, part, tag, varint


def number(field: int, value: int) -> bytes:
    return tag(field, VARINT) + varint(value)


HEADER = part(1, number(1, 2**63) + number(2, 7) + number(3, 42) + number(4, 2))
PAIR = part(1, b"/k") + number(2, 3) + number(3, 9) + number(4, 2) + part(5, b"value") + number(6, 77)


def test_a_page() -> None:
    answer = messages.range_answer(HEADER + part(2, PAIR) + part(2, PAIR) + number(3, 1) + number(4, 5))
    assert answer == (42, [KeyValue("/k", b"value", 3, 9)] * 2, True, 5)


def test_nothing() -> None:
    assert messages.range_answer(HEADER) == (42, [], False, 0)


def test_a_write_that_was_made() -> None:
    assert messages.txn_answer(HEADER + number(2, 1) + part(3, part(2, HEADER))) == (42, True, None)


def test_a_write_that_was_refused_tells_what_is_there() -> None:
    assert messages.txn_answer(HEADER + part(3, part(1, HEADER + part(2, PAIR)))) == (42, False, KeyValue("/k", b"value", 3, 9))
    assert messages.txn_answer(HEADER + part(3, part(1, HEADER))) == (42, False, None)


def test_changes() -> None:
    put = part(11, part(2, PAIR) + part(3, PAIR))
    deleted = part(11, number(1, 1) + part(2, part(1, b"/k") + number(3, 10)))
    assert messages.watch_answer(HEADER + put + deleted) == (
        [Event("/k", 9, b"value", b"value", 9, 3), Event("/k", 10, None, None, 0, 0)],
        0,
        None,
    )


def test_the_end_of_a_watch() -> None:
    assert messages.watch_answer(HEADER + number(4, 1) + number(5, 30)) == ([], 30, "")
    assert messages.watch_answer(HEADER + number(4, 1) + part(6, b"no leader")) == ([], 0, "no leader")


def test_an_empty_value_is_put_and_no_value_is_a_deletion() -> None:
    kept = {n: v for n, _, v in fields(messages.txn_request(b"k", 0, b""))}
    assert kept[2] == part(2, part(1, b"k") + part(2, b""))
    gone = {n: v for n, _, v in fields(messages.txn_request(b"k", 4, None))}
    assert gone[2] == part(3, part(1, b"k"))


def test_the_comparison_names_the_revision_even_if_it_is_zero() -> None:
    compare = next(v for n, _, v in fields(messages.txn_request(b"k", 0, b"v")) if n == 1)
    assert isinstance(compare, bytes)
    assert [(n, v) for n, _, v in fields(compare)] == [(2, 2), (3, b"k"), (6, 0)]
