"""What each of etcd's errors means for going on."""

from __future__ import annotations

import pytest

from apiserver.storage.etcd import TLS
from apiserver.storage.etcd.connection import Connection, Lost, classify
from apiserver.storage.etcd.rpc import (
    DEADLINE_EXCEEDED,
    INVALID_ARGUMENT,
    OUT_OF_RANGE,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    NeverSent,
    RpcError,
)
from apiserver.storage.etcd.watch import span
from apiserver.storage.interface import TooLarge, Unavailable


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NeverSent("failed to connect to 127.0.0.1:2379: Connection refused"), Unavailable),
        (RpcError(UNAVAILABLE, "etcdserver: no leader"), Unavailable),
        (RpcError(UNAVAILABLE, "the connection was lost: closed by the server"), Lost),
        (RpcError(UNAVAILABLE, "etcdserver: request timed out"), Lost),
        (RpcError(UNAVAILABLE, "etcdserver: leader changed"), Lost),
        (RpcError(DEADLINE_EXCEEDED, "Deadline Exceeded"), Lost),
        (RpcError(RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"), Unavailable),
        (RpcError(INVALID_ARGUMENT, "etcdserver: request is too large"), TooLarge),
        (RpcError(RESOURCE_EXHAUSTED, "grpc: received message larger than max (2097500 vs. 2097152)"), TooLarge),
        (RpcError(OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"), None),
    ],
)
def test_classify(error: RpcError, kind: type | None) -> None:
    found = classify(error)
    assert (type(found) if found is not None else None) is kind


def test_span() -> None:
    assert span("/registry/") == (b"/registry/", b"/registry0")
    assert span("") == (b"\0", b"\0")
    assert span("ключ") == ("ключ".encode(), "ключ".encode()[:-1] + b"\x88")


def test_unreadable_certificates_are_named() -> None:
    with pytest.raises(Unavailable, match=r"cannot read /nowhere/ca\.crt"):
        Connection(["https://127.0.0.1:1"], TLS(ca="/nowhere/ca.crt"))


def test_no_endpoints() -> None:
    with pytest.raises(Unavailable):
        Connection([], None)
