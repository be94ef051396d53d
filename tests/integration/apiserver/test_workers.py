"""Several workers on one port over a real etcd: one server to its clients, whichever worker they reach."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.contract.storage.backends import Etcd
from tests.integration.conftest import ApiServer

pytestmark = [pytest.mark.etcd, pytest.mark.skipif(shutil.which("etcd") is None, reason="needs etcd")]

WORKERS = 2
CONNECTIONS = 12
MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    etcd = Etcd(tmp_path)
    server = ApiServer(tmp_path / "apiserver", flags=[f"--etcd-servers=http://{etcd.client}", f"--workers={WORKERS}"])
    try:
        server.start()
        _until(lambda: server.log.count("serving on") == WORKERS)
        yield server
    finally:
        server.stop()
        etcd.close()


def _until(condition: object, seconds: float = 60.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _workers(server: ApiServer) -> list[int]:
    assert server.process is not None
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def _established(pid: int, port: int) -> int:
    """How many connections to `port` a process has accepted."""
    inodes = {str(f.readlink()) for f in Path(f"/proc/{pid}/fd").iterdir() if f.is_symlink()}
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(f[1].endswith(f":{port:04X}") and f[3] == "01" and f"socket:[{f[9]}]" in inodes for f in lines)


def test_workers_are_one_server(server: ApiServer) -> None:
    clients = [server.http() for _ in range(CONNECTIONS)]
    try:
        # Defaults were made once, by whoever came first, and every worker serves them.
        names = {tuple(i["metadata"]["uid"] for i in c.get("/api/v1/namespaces").json()["items"]) for c in clients}
        assert len(names) == 1
        shares = [_established(pid, server.port) for pid in _workers(server)]
        assert sum(shares) == CONNECTIONS and all(shares), "the connections are spread over the workers"
        # What one worker has acknowledged, all others serve at once.
        for i, writer in enumerate(clients):
            assert writer.post(MAPS, json={"metadata": {"name": f"m-{i}"}, "data": {"n": "0"}}).status_code == 201
            for reader in clients:
                assert reader.get(f"{MAPS}/m-{i}").status_code == 200
        # Optimistic concurrency holds across workers: exactly one of those who saw the same state wins.
        seen = clients[0].get(f"{MAPS}/m-0").json()
        codes = Counter(c.put(f"{MAPS}/m-0", json={**seen, "data": {"n": str(i + 1)}}).status_code for i, c in enumerate(clients))
        assert codes == {200: 1, 409: CONNECTIONS - 1}
    finally:
        for client in clients:
            client.close()


def test_a_cluster_ip_is_given_once(server: ApiServer) -> None:
    given: list[str] = []

    def make(number: int) -> None:
        with server.http() as http:
            for i in range(5):
                body = {"metadata": {"name": f"s-{number}-{i}"}, "spec": {"ports": [{"port": 80}]}}
                answer = http.post("/api/v1/namespaces/default/services", json=body)
                assert answer.status_code == 201, answer.text
                given.append(answer.json()["spec"]["clusterIP"])

    threads = [threading.Thread(target=make, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 30 and len(set(given)) == 30


def test_watches_on_every_worker_see_everything_in_order(server: ApiServer) -> None:
    with server.http() as http:
        since = http.get(MAPS).json()["metadata"]["resourceVersion"]
    seen: list[list[str]] = [[] for _ in range(6)]

    def follow(into: list[str]) -> None:
        with server.http() as http, http.stream("GET", f"{MAPS}?watch=true&resourceVersion={since}&timeoutSeconds=20") as answer:
            for line in answer.iter_lines():
                into.append(json.loads(line)["object"]["metadata"]["name"])
                if into[-1] == "last":
                    return

    threads = [threading.Thread(target=follow, args=(into,)) for into in seen]
    for thread in threads:
        thread.start()
    names = [f"e-{i}" for i in range(20)] + ["last"]
    for name in names:
        with server.http() as http:  # a new connection each: either worker
            assert http.post(MAPS, json={"metadata": {"name": name}}).status_code == 201
    for thread in threads:
        thread.join(20)
    assert seen == [names] * len(seen)


def test_all_workers_end_together(server: ApiServer) -> None:
    workers = _workers(server)
    assert len(workers) == WORKERS
    assert server.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    server.start()
    workers = _workers(server)
    os.kill(workers[0], signal.SIGKILL)
    process = server.process
    assert process is not None
    assert process.wait(20) != 0, "whoever keeps the server running starts it again"
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    with pytest.raises(httpx.TransportError), server.http() as http:
        http.get("/readyz")
