"""Ranges that do not collide with what the machine uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubepy.cli import ranges

ROUTES = """Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
kpy\t0000F40A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


def test_routes_are_read_and_the_default_route_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "route"
    file.write_text(ROUTES)
    assert [str(n) for n in ranges.routes(file)] == ["10.244.0.0/16"]


def test_a_range_with_a_route_into_it_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "route"
    file.write_text(ROUTES)
    known = list(ranges.routes(file))
    monkeypatch.setattr(ranges, "routes", lambda: iter(known))
    assert ranges.free_pod_range() == "10.245.0.0/16"


def test_loopback_is_local_and_a_documentation_address_is_not() -> None:
    assert ranges.is_local("127.0.0.1")
    assert not ranges.is_local("203.0.113.9")
