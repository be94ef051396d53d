"""Flag syntax and the health port."""

import argparse
import asyncio

import pytest

from kubepy.runtime.daemon import duration, parser
from kubepy.runtime.health import Health


@pytest.mark.parametrize(("text", "seconds"), [("15s", 15), ("1m30s", 90), ("100ms", 0.1), ("1h", 3600), ("0", 0), ("1.5s", 1.5)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["15", "s", "1x", "1m-"])
def test_wrong_durations(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)


def test_go_booleans() -> None:
    make = parser("p", "d", leader_election=True)
    assert not make.parse_args([]).leader_elect
    assert make.parse_args(["--leader-elect"]).leader_elect
    assert not make.parse_args(["--leader-elect=false"]).leader_elect


async def test_health_port() -> None:
    health = Health()
    health.ready_checks["cache"] = lambda: "not synced"
    await health.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", health.port)

    async def get(path: str) -> str:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.split("Content-Length: ")[1].split("\r\n")[0])
        return head.split("\r\n")[0] + "|" + (await reader.readexactly(length)).decode()

    assert await get("/healthz") == "HTTP/1.1 200 OK|ok"
    assert (await get("/readyz")).endswith("[+]ping ok\n[-]cache failed: not synced\nreadyz check failed\n")
    assert (await get("/healthz/ping")).startswith("HTTP/1.1 200")
    assert "process_resident_memory_bytes" in await get("/metrics")
    assert (await get("/x")).startswith("HTTP/1.1 404")
    writer.close()
    await health.stop()
