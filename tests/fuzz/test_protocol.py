"""HTTP as nobody should speak it: every connection gets an answer or is closed, and the next client notices nothing."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.conftest import EFFORT
from tests.fuzz.door import Door, read_all, status_of

NODES = "/api/v1/nodes"


@pytest.fixture(autouse=True)
def still_well(door: Door) -> Iterator[None]:
    """After each attack an ordinary client is served at once."""
    yield
    door.close()
    assert door.prompt("GET", NODES).status == 200


def request(door: Door, path: str = NODES, method: str = "GET", extra: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.server.token}\r\n{extra}\r\n".encode("latin-1")


@settings(max_examples=15 * EFFORT)
@given(data=st.binary(min_size=1, max_size=200))
def test_any_bytes_then_end(door: Door, data: bytes) -> None:
    with door.open(2) as sock:
        sock.sendall(data + b"\r\n\r\n\r\n\r\n")
        answer = read_all(sock, 0.1)
        assert status_of(answer) < 500


ODD = {
    "no host": (b"GET /version HTTP/1.1\r\n\r\n", (200, 400, 401, 403)),
    "HTTP/1.0": (b"GET /version HTTP/1.0\r\n\r\n", (200, 401)),
    "HTTP/0.9": (b"GET /version\r\n\r\n", (400,)),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 405, 0)),
    "unknown method": (b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", (400, 405)),
    "absolute form": (b"GET http://x/version HTTP/1.1\r\nHost: x\r\n\r\n", (200, 401, 403)),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", (400, 401, 403, 404, 405)),
    "authority": (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", (400, 401, 403, 404, 405)),
    "bad percent": (b"GET /%zz%f HTTP/1.1\r\nHost: x\r\n\r\n", (400, 401, 403, 404)),
    "invalid UTF-8 in the path": (b"GET /%ff%fe%00 HTTP/1.1\r\nHost: x\r\n\r\n", (400, 401, 403, 404)),
    "raw bytes in the path": (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", (400, 401, 403, 404)),
    "dots": (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", (301, 400, 401, 403, 404)),
    "slashes": (b"GET //api//v1 HTTP/1.1\r\nHost: x\r\n\r\n", (200, 301, 400, 401, 403, 404)),
    "fragment": (b"GET /version#x HTTP/1.1\r\nHost: x\r\n\r\n", (200, 400, 401, 403, 404)),
    "bad length": (b"POST /version HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", (400,)),
    "negative length": (b"POST /version HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", (400,)),
    "two lengths": (b"POST /version HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", (400,)),
    "length and chunks": (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400,)),
    "bad chunk": (b"POST /version HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", (400, 401, 403, 405)),
    "folded header": (b"GET /version HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", (200, 400, 401, 403)),
    "space before colon": (b"GET /version HTTP/1.1\r\nHost : x\r\n\r\n", (400,)),
    "NUL in a header": (b"GET /version HTTP/1.1\r\nHost: a\x00b\r\n\r\n", (400,)),
    "bare newlines": (b"GET /version HTTP/1.1\nHost: x\n\n", (200, 400, 401, 403)),
    "upgrade to nothing": (b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: tea\r\n\r\n", (200, 400, 401, 403)),
    "h2c": (b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n", (200, 401, 403)),
    "basic credentials": (b"GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: Basic !!!\r\n\r\n", (200, 401)),
    "empty token": (b"GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \r\n\r\n", (200, 401)),
    "binary token": (b"GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe..\r\n\r\n", (200, 401)),
    "token of dots": (b"GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ....\r\n\r\n", (200, 401)),
    "expectation": (b"GET /version HTTP/1.1\r\nHost: x\r\nExpect: 200-maybe\r\n\r\n", (200, 401, 403, 417)),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_odd_requests(door: Door, what: str) -> None:
    data, statuses = ODD[what]
    start = time.perf_counter()
    with door.open(3) as sock:
        sock.sendall(data)
        answer = read_all(sock, 0.1)
    assert status_of(answer) in statuses, answer[:300]
    assert time.perf_counter() - start < 2.5, "no answer, and the connection left open"


HEADERS = {
    "accept": [
        "application/json;as=Table;g=meta.k8s.io;v=v1",
        "application/json;as=X;g=;v=",
        ";;;",
        ",",
        "a",
        "*/*;q=x",
        "x" * 5000,
        "\xff",
    ],
    "content-type": ["", ";", "application/json; charset=latin-1; x", "multipart/form-data; boundary=", "\xff"],
    "content-encoding": ["gzip", "x"],
    "accept-encoding": ["gzip;q=0", "x" * 3000, "identity;q=0, *;q=0"],
    "user-agent": ["", "x" * 5000, "\xff\x01", "a\tb"],
    "if-none-match": ['"', "x" * 4000],
    "impersonate-user": ["", "x", "system:serviceaccount:a:b", "\xff", "x" * 4000],
    "impersonate-group": ["x"],
    "impersonate-uid": ["x"],
    "audit-id": ["", "x" * 4000, "\xff"],
    "connection": ["close, keep-alive, upgrade", "\xff"],
    "x-remote-user": ["admin"],
    "x-forwarded-for": ["1, 2, \xff"],
    "sec-websocket-key": ["x"],
}


@settings(max_examples=60 * EFFORT)
@given(data=st.data())
def test_odd_headers(door: Door, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(HEADERS)), min_size=1, max_size=4))
    lines = "".join(f"{name}: {data.draw(st.sampled_from(HEADERS[name]))}\r\n" for name in names)
    path = data.draw(
        st.sampled_from([NODES, "/apis", "/openapi/v3", "/version", "/readyz?verbose", "/api/v1/namespaces/fuzz/pods", "/metrics"])
    )
    with door.open(5) as sock:
        sock.sendall(request(door, path, extra=lines + "connection: close\r\n"))
        answer = read_all(sock, 1.0)
    assert 100 <= status_of(answer) < 500, (lines, answer[:300])


QUERIES = [
    "limit=x",
    "limit=-1",
    "limit=99999999999999999999",
    "continue=x",
    "continue=" + "A" * 5000,
    "labelSelector=(((",
    "labelSelector=a%20in%20(",
    "fieldSelector=%3D%3D",
    "fieldSelector=x%3Dy",
    "resourceVersion=x",
    "resourceVersion=-1",
    "resourceVersionMatch=Exact",
    "timeoutSeconds=x",
    "watch=maybe&timeoutSeconds=1",
    "watch=true&timeoutSeconds=1&resourceVersion=99999999999",
    "watch=true&timeoutSeconds=1&resourceVersion=x",
    "pretty=x",
    "a=%ff%fe",
    "&&&==",
    "sendInitialEvents=true",
    "sendInitialEvents=true&watch=true",
    "limit=1&resourceVersion=1&resourceVersionMatch=Exact",
    "labelSelector=" + "a," * 2000,
    "labelSelector=" + "%21" * 3000,
    "x=" * 3000,
]


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_odd_queries(door: Door, query: str) -> None:
    for path in ("/api/v1/pods", "/api/v1/namespaces/fuzz/configmaps", "/apis/apps/v1/deployments"):
        answer = door.request("GET", f"{path}?{query}")
        # A watch from no number is an internal error upstream, too.
        assert answer.status < 500 or answer.status == 504 or b"strconv.ParseUint" in answer.body, (query, answer)


@settings(max_examples=80 * EFFORT)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    parts=st.lists(
        st.sampled_from(
            [
                "api",
                "apis",
                "v1",
                "apps",
                "namespaces",
                "fuzz",
                "pods",
                "",
                "..",
                "%2F",
                "%00",
                "%ff",
                "watch",
                "proxy",
                "status",
                "scale",
                "exec",
                "x" * 300,
                "openapi",
                "v3",
                "deployments",
                "nodes",
                "eviction",
                "binding",
                "token",
            ]
        ),
        max_size=8,
    ),
)
def test_odd_paths(door: Door, method: str, parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    if "watch" in parts and method == "GET":
        path += "?timeoutSeconds=1"
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    if method == "DELETE" and parts[-1:] in (["namespaces"], ["nodes"]):
        return
    answer = door.request(method, path, body)
    assert answer.status < 500, (method, path, answer)


def test_headers_over_the_limit(door: Door) -> None:
    answer = door.raw(request(door, extra="".join(f"X-{i}: {'y' * 8000}\r\n" for i in range(200))))
    assert status_of(answer) == 431


def test_one_endless_header(door: Door) -> None:
    assert status_of(door.raw(b"GET / HTTP/1.1\r\nX: " + b"y" * 3_000_000)) == 431


def test_an_endless_path(door: Door) -> None:
    assert status_of(door.raw(b"GET /" + b"y" * 3_000_000)) in (414, 431)


def test_an_endless_header_name(door: Door) -> None:
    assert status_of(door.raw(b"GET / HTTP/1.1\r\n" + b"y" * 3_000_000)) in (400, 431)


def test_pipelined_requests_are_answered_in_order(door: Door) -> None:
    count = 50
    with door.open(10) as sock:
        sock.sendall(b"".join(request(door, f"/api/v1/namespaces/fuzz/pods/none-{i}") for i in range(count)))
        answer = b""
        while answer.count(b"HTTP/1.1 404") < count or not answer.endswith(b"}\n"):
            data = sock.recv(65536)
            assert data, answer[-500:]
            answer += data
    places = [answer.index(b'"none-%d\\"' % i if b'"none-%d\\"' % i in answer else b"none-%d" % i) for i in range(count)]
    assert places == sorted(places)


def test_a_slow_client_gets_its_answer(door: Door) -> None:
    with door.open(10) as sock:
        for byte in request(door):
            sock.sendall(bytes((byte,)))
        assert status_of(read_all(sock, 0.2)) == 200


def test_slow_clients_do_not_hinder_others(door: Door) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            sock = stack.enter_context(door.open())
            sock.sendall(request(door)[:-20])
        assert door.prompt("GET", NODES).status == 200


def test_half_open_and_vanished_connections(door: Door) -> None:
    for step in range(20):
        sock = door.open()
        if step % 4 == 1:
            sock.sendall(request(door)[:30])
        elif step % 4 == 2:
            sock.sendall(request(door, "/api/v1/pods?watch=true"))
        elif step % 4 == 3:
            sock.sendall(
                request(door, "/api/v1/namespaces/fuzz/pods", "POST", "Content-Length: 1000\r\nContent-Type: application/json\r\n")
            )
            sock.sendall(b"{")
        if step % 2:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # reset, no farewell
        sock.close()


def test_connections_without_tls(door: Door) -> None:
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff", b"\x00" * 1000, b""):
        with socket.create_connection(("127.0.0.1", door.server.port), timeout=3) as sock:
            sock.sendall(data)
            if data:
                with contextlib.suppress(OSError):
                    while sock.recv(4096):
                        pass


def test_a_client_that_never_reads_its_watch(door: Door) -> None:
    with door.open() as sock:
        sock.sendall(request(door, "/api/v1/namespaces/fuzz/configmaps?watch=true"))
        for i in range(30):
            body = b'{"metadata":{"name":"big-%d"},"data":{"a":"%b"}}' % (i, b"x" * 300_000)
            assert door.prompt("POST", "/api/v1/namespaces/fuzz/configmaps", body).status == 201
        assert door.request("DELETE", "/api/v1/namespaces/fuzz/configmaps").status == 200
