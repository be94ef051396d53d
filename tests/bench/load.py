"""Load on one API server: HTTP by wrk, watches by a process that only counts lines."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from tests.bench.processes import TOKEN, Server

CONNECTIONS = 16

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "NAME", "labels": {"app": "bench", "tier": "web"}, "annotations": {"note": "x" * 200}},
    "spec": {
        "containers": [
            {
                "name": name,
                "image": "registry.example/app:1",
                "env": [{"name": f"V{i}", "value": "y" * 20} for i in range(6)],
                "ports": [{"containerPort": 8080}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
            }
            for name in ("app", "sidecar")
        ],
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    },
}


def pod(name: str) -> bytes:
    """A pod of ordinary size under a name."""
    return json.dumps(POD).replace("NAME", name).encode()


def wrk(server: Server, path: str, seconds: int, script: str = "") -> float:
    """Requests a second over 16 connections; raises when any was refused."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is not installed (Debian, Ubuntu: apt-get install wrk)")
    head = f'wrk.headers["Authorization"] = "Bearer {TOKEN}"\nwrk.headers["Accept"] = "application/json"\n'
    tail = textwrap.dedent(
        """
        function done(summary, latency, requests)
          local e = summary.errors
          local failed = e.status + e.read + e.write + e.connect + e.timeout
          io.write(string.format("RESULT %f %d\\n", summary.requests / summary.duration * 1e6, failed))
        end
        """
    )
    with tempfile.TemporaryDirectory() as folder:
        lua = Path(folder) / "load.lua"
        lua.write_text(head + script + tail)
        argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(lua), server.url + path]
        out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = re.search(r"RESULT ([\d.]+) (\d+)", out)
    if found is None or int(found[2]):
        raise RuntimeError(f"requests failed:\n{out}")
    return float(found[1])


def create_script(namespace: str, run: str) -> str:
    """POST of ever new pods."""
    body = json.dumps(POD).replace("\\", "\\\\").replace("'", "\\'")
    return textwrap.dedent(
        f"""
        local n = 0
        local body = '{body}'
        wrk.headers["Content-Type"] = "application/json"
        function request()
          n = n + 1
          return wrk.format("POST", "/api/v1/namespaces/{namespace}/pods", nil, (body:gsub("NAME", "{run}-" .. n)))
        end
        """
    )


def patch_script(namespace: str, names: list[str]) -> str:
    """Merge-PATCH of one annotation, round and round over the pods."""
    listed = ", ".join(f'"{n}"' for n in names)
    return textwrap.dedent(
        f"""
        local n = 0
        local names = {{{listed}}}
        wrk.headers["Content-Type"] = "application/merge-patch+json"
        function request()
          n = n + 1
          local body = '{{"metadata":{{"annotations":{{"n":"' .. n .. '"}}}}}}'
          return wrk.format("PATCH", "/api/v1/namespaces/{namespace}/pods/" .. names[n % #names + 1], nil, body)
        end
        """
    )


COUNTER = textwrap.dedent(
    """
    import asyncio, ssl, sys, time
    import uvloop
    port, path, token, watchers = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    context = ssl._create_unverified_context()
    lines = 0
    class Watch(asyncio.Protocol):
        def connection_made(self, transport):
            head = ("GET " + path + " HTTP/1.1", "Host: x", "Authorization: Bearer " + token, "Accept: application/json", "", "")
            transport.write("\\r\\n".join(head).encode())
        def data_received(self, data):
            global lines
            lines += data.count(b"}\\n")
    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(watchers):
            await loop.create_connection(Watch, "127.0.0.1", port, ssl=context)
        print("ready", flush=True)
        await loop.run_in_executor(None, sys.stdin.readline)
        print(lines, flush=True)
    uvloop.run(main())
    """
)


class Watchers:
    """`count` watches in a process of their own that counts the events it receives."""

    def __init__(self, server: Server, path: str, count: int) -> None:
        argv = [sys.executable, "-c", COUNTER, str(server.port), path, TOKEN, str(count)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the watchers could not connect")

    def finish(self) -> int:
        """End the watches; returns how many events came."""
        out, _ = self._process.communicate("\n", timeout=30)
        return int(out)
