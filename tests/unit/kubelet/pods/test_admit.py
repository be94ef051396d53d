"""Which pods a node refuses."""

from __future__ import annotations

from typing import Any

import pytest

from kubelet.pods.admit import refusal


def pod(*sysctls: str, **spec: Any) -> dict[str, Any]:
    return {"spec": {"securityContext": {"sysctls": [{"name": s, "value": "1"} for s in sysctls]}, **spec}}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (pod(), ""),
        ({"spec": {}}, ""),
        (pod("kernel.shm_rmid_forced", "net.ipv4.tcp_syncookies"), ""),
        (pod("net/ipv4/tcp_syncookies"), ""),
        (pod("kernel.shm_rmid_forced", "kernel.msgmax"), 'forbidden sysctl: "kernel.msgmax" not allowlisted'),
        (pod("net.core.somaxconn"), 'forbidden sysctl: "net.core.somaxconn" not allowlisted'),
        (pod("net.ipv4.tcp_syncookies", hostNetwork=True), 'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled'),
        (pod("kernel.shm_rmid_forced", hostIPC=True), 'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host ipc enabled'),
    ],
)
def test_sysctls(asked: dict[str, Any], message: str) -> None:
    assert refusal(asked) == (("SysctlForbidden", message) if message else None)


def test_what_the_operator_allows() -> None:
    assert refusal(pod("kernel.msgmax", "net.core.somaxconn"), ("kernel.msg*", "net.core.somaxconn")) is None
    assert refusal(pod("net.core.rmem_max"), ("net.core.somaxconn",)) is not None


def _holding(port: int, ip: str = "", protocol: str = "TCP") -> dict[str, object]:
    asked = {"containerPort": port, "hostPort": port, "hostIP": ip, "protocol": protocol}
    return {"spec": {"containers": [{"name": "c", "ports": [asked]}]}}


@pytest.mark.parametrize(
    ("other", "taken"),
    [
        (_holding(80), True),
        (_holding(80, "127.0.0.1"), True),
        (_holding(80, "10.0.0.1"), True),
        (_holding(81), False),
        (_holding(80, "", "UDP"), False),
    ],
)
def test_a_port_of_the_node_has_one_holder(other: dict[str, object], taken: bool) -> None:
    found = refusal(_holding(80), (), [other])
    assert (found is not None and found[0] == "NodePorts") == taken


def test_two_addresses_share_a_port() -> None:
    assert refusal(_holding(80, "10.0.0.1"), (), [_holding(80, "10.0.0.2")]) is None
