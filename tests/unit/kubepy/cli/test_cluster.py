"""Settings of a cluster: kept, read back, and refused with words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubepy.cli.cluster import Cluster, ClusterError, load, require
from kubepy.cli.components import components


def test_settings_survive(tmp_path: Path) -> None:
    made = Cluster(name="a", dir=tmp_path, port=7443, nodes=2, simulated_nodes=3)
    made.assign_ports()
    made.save()
    assert load(tmp_path) == made


def test_ports_are_kept_and_never_shared(tmp_path: Path) -> None:
    made = Cluster(dir=tmp_path, nodes=3, simulated_nodes=1)
    made.assign_ports()
    before = dict(made.ports)
    made.nodes = 4
    made.assign_ports()
    assert before.items() <= made.ports.items()
    assert len(set(made.ports.values())) == len(made.ports) == 2 + 4 + 1


def test_no_cluster_and_a_broken_file_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="start one with: kubepy up"):
        require(tmp_path)
    (tmp_path / "cluster.json").write_text("{")
    with pytest.raises(ClusterError, match=r"cannot be read .* kubepy delete --force"):
        load(tmp_path)


def test_every_component_has_its_command(tmp_path: Path) -> None:
    made = Cluster(name="c", dir=tmp_path, nodes=2, simulated_nodes=5, etcd_servers="http://127.0.0.1:2379")
    made.assign_ports()
    found = {c.name: c for c in components(made)}
    assert list(found) == ["apiserver", "controllers", "scheduler", "kubelet/c", "kubelet/c-2", "simulated-nodes"]
    assert "--etcd-servers=http://127.0.0.1:2379" in found["apiserver"].argv
    assert sum("--serve-network=true" in c.argv for c in found.values()) == 1
    assert all("=" in flag and not flag.endswith("=") for c in found.values() for flag in c.argv[3:])


def test_the_daemons_know_the_flags_they_are_given(tmp_path: Path) -> None:
    import subprocess

    made = Cluster(name="c", dir=tmp_path, nodes=1, simulated_nodes=1, etcd_servers="http://127.0.0.1:2379", address="192.0.2.1")
    made.assign_ports()
    texts: dict[str, str] = {}
    for component in components(made):
        module = component.argv[2]
        if module not in texts:
            done = subprocess.run([*component.argv[:3], "--help"], capture_output=True, text=True, check=True)
            texts[module] = done.stdout
        missing = [f.split("=")[0] for f in component.argv[3:] if f.split("=")[0] not in texts[module]]
        assert not missing, f"python -m {module} does not know {missing}"
