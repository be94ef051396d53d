"""The pod network's bridge."""

from __future__ import annotations

from pathlib import Path

from kubelet.runtime.docker import network


def test_every_port_of_the_bridge_reflects(tmp_path: Path) -> None:
    ours, other = tmp_path / network.bridge_name("c") / "brif", tmp_path / "docker0" / "brif"
    for port in (ours / "veth1", ours / "veth2", other / "veth3"):
        port.mkdir(parents=True)
        (port / "hairpin_mode").write_text("0\n")
    network.reflect("c", tmp_path)
    assert [(ours / p / "hairpin_mode").read_text() for p in ("veth1", "veth2")] == ["1", "1"]
    assert (other / "veth3" / "hairpin_mode").read_text() == "0\n"
    network.reflect("unknown", tmp_path)
