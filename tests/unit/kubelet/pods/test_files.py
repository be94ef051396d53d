"""Names of pods as their kernel and their hosts file say them."""

from __future__ import annotations

from typing import Any

import pytest

from kubelet.env import ConfigError
from kubelet.pods import files


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": "ns"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({}, "p"),
        ({"hostname": "h", "subdomain": "s"}, "h"),
        ({"hostname": "h", "subdomain": "s", "setHostnameAsFQDN": True}, "h.s.ns.svc.cluster.local"),
        ({"setHostnameAsFQDN": True}, "p"),
    ],
)
def test_the_hostname_that_is_set(spec: dict[str, Any], name: str) -> None:
    assert files.kernel_hostname(pod(**spec), "cluster.local") == name


def test_a_name_that_the_kernel_cannot_hold() -> None:
    with pytest.raises(ConfigError, match=r"is too long \(64 characters is the max, 73 characters requested\)"):
        files.kernel_hostname(pod(hostname="h" * 50, subdomain="s", setHostnameAsFQDN=True), "cluster.local")


def test_the_hosts_file_leads_from_the_full_name() -> None:
    text = files.hosts(pod(hostname="h", subdomain="s", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]), "10.0.0.1", "x.y", "")
    assert "10.0.0.1\th.s.ns.svc.x.y\th\n" in text and text.endswith("# Entries added by HostAliases.\n1.2.3.4\ta\tb\n")
