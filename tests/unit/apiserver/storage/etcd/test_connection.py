"""What each of etcd's errors means for going on."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest

from apiserver.storage.etcd import TLS
from apiserver.storage.etcd.connection import Connection, Lost, classify
from apiserver.storage.etcd.watch import span
from apiserver.storage.interface import TooLarge, Unavailable


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses; last error: UNKNOWN: Connection refused", Unavailable),
        (grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader", Unavailable),
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", Lost),
        (grpc.StatusCode.UNAVAILABLE, "etcdserver: request timed out", Lost),
        (grpc.StatusCode.UNAVAILABLE, "etcdserver: leader changed", Lost),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", Lost),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", Unavailable),
        (grpc.StatusCode.INVALID_ARGUMENT, "etcdserver: request is too large", TooLarge),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "grpc: received message larger than max (2097500 vs. 2097152)", TooLarge),
        (grpc.StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", None),
    ],
)
def test_classify(code: grpc.StatusCode, details: str, kind: type | None) -> None:
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)
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
