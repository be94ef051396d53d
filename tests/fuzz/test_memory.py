"""Hostile clients come and go, and the server's memory stays what it was."""

from __future__ import annotations

import time
from pathlib import Path

from tests.fuzz.conftest import EFFORT
from tests.fuzz.door import Door
from tests.fuzz.test_bodies import NASTY, PODS

GROWTH = 24.0
"""MB that one round may leave behind after an equal one before it: free memory that is not given back, noise."""


def resident(door: Door) -> float:
    """The server's resident memory in MB, once it has tidied up."""
    assert door.server.process is not None
    status = Path(f"/proc/{door.server.process.pid}/statm")
    lowest, since = float("inf"), time.monotonic()
    while time.monotonic() - since < 5:
        now = int(status.read_text().split()[1]) * 4096 / 1e6
        if now < lowest - 1:
            lowest, since = now, time.monotonic()
        time.sleep(0.2)
    return lowest


def attack(door: Door) -> None:
    """A bit of everything that makes a server hold memory."""
    for _ in range(2):
        for body in NASTY.values():
            door.request("POST", f"{PODS}?dryRun=All", body)
    head = f"POST {PODS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.server.token}\r\n"
    for _ in range(15):
        with door.open() as sock:
            sock.sendall(head.encode() + b"Content-Length: 3000000\r\nContent-Type: application/json\r\n\r\n" + b"x" * 2_900_000)
    for i in range(150):
        door.request("GET", f"/api/v1/pods?labelSelector=x{i}%3Dy{i}&fieldSelector=metadata.name%3D{i}")
        door.request("GET", f"/apis/nowhere-{i}.example.com/v1/things-{i}")


def test_memory_is_given_back(door: Door) -> None:
    attack(door)
    before = resident(door)
    for _ in range(2 * EFFORT):
        attack(door)
    after = resident(door)
    assert after - before < GROWTH, f"{before:.0f} → {after:.0f} MB"
