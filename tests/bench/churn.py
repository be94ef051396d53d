"""Memory under churn: objects, clients and watches come and go, as in a day's work, pressed into minutes."""

from __future__ import annotations

import socket
import time

from tests.bench.load import create_script, patch_script, pod, wrk
from tests.bench.processes import CONTEXT, TOKEN, Server, resident_mb

ROUNDS = 12
PODS = 64


def measure(server: Server, seconds: int) -> dict[str, float]:
    """Resident memory after the first tenth of `seconds` of churn, and after all of it; each time at rest."""
    server.request("POST", "/api/v1/namespaces", b'{"metadata":{"name":"bench"}}')
    server.request("POST", "/api/v1/namespaces/bench/serviceaccounts", b'{"metadata":{"name":"default"}}')
    each = max(1, seconds // ROUNDS)
    early = 0.0
    begun = time.monotonic()
    for number in range(ROUNDS):
        _round(server, number, each)
        if number == 1:
            early = _at_rest(server)
        if time.monotonic() - begun > 2 * seconds:
            break
    return {"churn_early": early, "churn_memory": _at_rest(server)}


def _round(server: Server, number: int, seconds: int) -> None:
    names = [f"r{number}-{i}" for i in range(PODS)]
    for name in names:
        server.request("POST", "/api/v1/namespaces/bench/pods", pod(name))
    watches = [_watch(server) for _ in range(20)]
    part = max(1, seconds // 3)
    wrk(server, "/", part, patch_script("bench", names))
    wrk(server, "/", part, create_script("bench", f"c{number}"))
    for _ in range(5):
        server.request("GET", "/api/v1/pods")
        server.request("GET", "/api/v1/pods?labelSelector=app%3Dbench&limit=100")
    for watch in watches:
        watch.close()
    server.request("DELETE", "/api/v1/namespaces/bench/pods?gracePeriodSeconds=0")


def _watch(server: Server) -> socket.socket:
    sock = CONTEXT.wrap_socket(socket.create_connection(("127.0.0.1", server.port)))
    head = f"GET /api/v1/namespaces/bench/pods?watch=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    sock.sendall(head.encode())
    return sock


def _at_rest(server: Server) -> float:
    lowest, since = float("inf"), time.monotonic()
    while time.monotonic() - since < 5:
        now = resident_mb(server.process.pid)
        if now < lowest - 1:
            lowest, since = now, time.monotonic()
        time.sleep(0.2)
    return lowest
