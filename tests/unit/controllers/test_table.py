"""--controllers, and that every entry of the table can be loaded."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from controllers import concurrency, table
from controllers.__main__ import build, options, parser
from controllers.context import Options
from kubepy.client import Client, Config
from kubepy.runtime import Controller, Manager
from kubepy.runtime.controller import Reconcile


def test_selection() -> None:
    everything = table.selected(["*"])
    assert everything[-1] == "garbage-collector-controller"
    assert not table.DISABLED_BY_DEFAULT & set(everything)
    assert "job-controller" not in table.selected(["*", "-job"])
    assert table.selected(["deployment-controller", "replicaset"]) == ["replicaset-controller", "deployment-controller"]
    # As kubeadm asks.
    assert set(table.selected(["*", "bootstrapsigner", "tokencleaner"])) > table.DISABLED_BY_DEFAULT
    assert table.selected(["*", "-service-lb-controller", "-route"]) == everything
    assert {found for found in table.ALIASES.values() if found not in table.CONTROLLERS} <= table.ABSENT
    with pytest.raises(ValueError, match="nonsense"):
        table.selected(["nonsense"])


@pytest.mark.parametrize("name", list(table.CONTROLLERS))
def test_every_entry_loads(name: str) -> None:
    assert callable(table.load(name))


def test_flags() -> None:
    found = options(
        parser().parse_args(["--cluster-cidr", "10.0.0.0/8,fd00::/48", "--node-cidr-mask-size=20", "--node-monitor-grace-period", "1m"])
    )
    assert (found.cluster_cidr, found.node_cidr_mask_size, found.node_monitor_grace_period) == (("10.0.0.0/8", "fd00::/48"), 20, 60)


def test_concurrency() -> None:
    assert options(parser().parse_args([])).concurrency == {}
    found = options(parser().parse_args(["--concurrent-gc-syncs=3", "--concurrent-job-syncs", "7"]))
    assert found.concurrency == {"garbage-collector": 3, "garbage-collector-orphans": 3, "job": 7}
    with pytest.raises(SystemExit):
        parser().parse_args(["--concurrent-job-syncs=0"])


class _Recording(Manager):
    def controller(self, name: str, reconcile: Reconcile, workers: int = 5) -> Controller:
        self.recorded = {**getattr(self, "recorded", {}), name: workers}
        return super().controller(name, reconcile, workers)


async def test_concurrency_names_registered_loops(tmp_path: Path) -> None:
    key = tmp_path / "sa.key"
    made = ec.generate_private_key(ec.SECP256R1())
    key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    wanted = {name: 99 for names in concurrency.FLAGS.values() for name in names}
    chosen = Options(concurrency=wanted, service_account_private_key_file=key)
    async with Client(Config(server="http://127.0.0.1:1")) as client:
        manager = _Recording(client)
        build(client, manager, table.selected(["*"]), chosen)
    assert {name for name, workers in manager.recorded.items() if workers == 99} == wanted.keys()


def test_key_files_of_a_data_directory_are_found_beside_its_kubeconfig(tmp_path: Path) -> None:
    argv = ["--kubeconfig", str(tmp_path / "controller-manager.kubeconfig")]
    assert options(parser().parse_args(argv)).service_account_private_key_file is None
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "sa.key").touch()
    own = tmp_path / "mine.crt"
    found = options(parser().parse_args([*argv, "--root-ca-file", str(own)]))
    assert (found.service_account_private_key_file, found.root_ca_file) == (tmp_path / "pki" / "sa.key", own)
    assert (found.cluster_signing_cert_file, found.cluster_signing_key_file) == (tmp_path / "pki" / "ca.crt", tmp_path / "pki" / "ca.key")
