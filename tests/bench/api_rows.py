"""The rows that one API server alone is measured by."""

from __future__ import annotations

import time

from tests.bench.load import Watchers, create_script, patch_script, pod, wrk
from tests.bench.processes import Server, resident_mb

PODS = 2500
WATCHERS = 50


def measure(server: Server, seconds: int) -> dict[str, float]:
    """All figures of a fresh server; each run of load lasts `seconds`."""
    out = {"start": server.started_in, "idle_memory": resident_mb(server.process.pid)}
    _namespace(server, "bench")
    names = [f"pod-{i}" for i in range(64)]
    for name in names:
        _must(server.request("POST", "/api/v1/namespaces/bench/pods", pod(name)), 201)
    out["get"] = wrk(server, "/api/v1/namespaces/bench/pods/pod-1", seconds)
    out["list"] = wrk(server, "/api/v1/namespaces/bench/pods", seconds)
    out["patch"] = wrk(server, "/", seconds, patch_script("bench", names))
    watchers = Watchers(server, "/api/v1/namespaces/bench/pods?watch=true&resourceVersion=0", WATCHERS)
    start = time.perf_counter()
    wrk(server, "/", seconds, patch_script("bench", names))
    took = time.perf_counter() - start
    out["watch"] = (watchers.finish() - WATCHERS * len(names)) / took
    _namespace(server, "many")
    out["create"] = wrk(server, "/", seconds, create_script("many", "c"))
    _fill(server, PODS)
    took = min(_timed(server, "/api/v1/pods") for _ in range(3))
    count = _count(server)
    out["list_all"] = took * 1000 / (count / 1000)
    out["loaded_memory"] = resident_mb(server.process.pid)
    return out


def _must(answer: tuple[int, bytes], status: int) -> bytes:
    if answer[0] != status:
        raise RuntimeError(f"{answer[0]}: {answer[1][:500]!r}")
    return answer[1]


def _namespace(server: Server, name: str) -> None:
    body = b'{"apiVersion":"v1","kind":"%s","metadata":{"name":"%s"}}'
    _must(server.request("POST", "/api/v1/namespaces", body % (b"Namespace", name.encode())), 201)
    server.request("POST", f"/api/v1/namespaces/{name}/serviceaccounts", body % (b"ServiceAccount", b"default"))


def _count(server: Server) -> int:
    return _must(server.request("GET", "/api/v1/pods"), 200).count(b'"uid":')


def _fill(server: Server, wanted: int) -> None:
    have = _count(server)
    for i in range(max(0, wanted - have)):
        _must(server.request("POST", "/api/v1/namespaces/many/pods", pod(f"fill-{i}")), 201)


def _timed(server: Server, path: str) -> float:
    start = time.perf_counter()
    _must(server.request("GET", path), 200)
    return time.perf_counter() - start
