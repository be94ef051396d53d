"""--controllers, and that every entry of the table can be loaded."""

import pytest

from controllers import table
from controllers.__main__ import options, parser


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
