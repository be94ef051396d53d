"""Service addresses in a network namespace of the test's own: real nftables, real connections, loopback addresses only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator

import pytest

from kubelet.network.rules import Options, build, transaction
from kubelet.network.services import Endpoint, ServicePort

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("nft") is None, reason="needs root and nft")

OPTIONS = Options("kubepy_test", "10.244.0.0/16")
SERVERS = textwrap.dedent(
    """
    import selectors, socket, sys
    chooser = selectors.DefaultSelector()
    for ip in sys.argv[1:]:
        s = socket.create_server((ip, 8080))
        chooser.register(s, selectors.EVENT_READ, ip)
    print("listening", flush=True)
    while True:
        for key, _ in chooser.select():
            connection, _ = key.fileobj.accept()
            connection.sendall(key.data.encode())
            connection.close()
    """
)
CLIENT = textwrap.dedent(
    """
    import socket, sys
    address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for _ in range(count):
        try:
            with socket.create_connection((address, port), timeout=3) as s:
                print(s.recv(64).decode())
        except ConnectionRefusedError:
            print("refused")
    """
)


class Namespace:
    """A network namespace with two 'pods' on its loopback device."""

    def __init__(self) -> None:
        self.name = f"kubepy-{uuid.uuid4().hex[:8]}"
        self.pods = ["10.244.0.5", "10.244.0.6"]
        self.ip("netns", "add", self.name)
        self.ip("-n", self.name, "link", "set", "lo", "up")
        for address in (*self.pods, "192.168.77.1"):
            self.ip("-n", self.name, "address", "add", f"{address}/32", "dev", "lo")
        self.ip("-n", self.name, "route", "add", "10.96.0.0/16", "dev", "lo")
        self.servers = subprocess.Popen(self.inside(sys.executable, "-c", SERVERS, *self.pods), stdout=subprocess.PIPE, text=True)
        assert self.servers.stdout is not None and self.servers.stdout.readline() == "listening\n"

    @staticmethod
    def ip(*argv: str) -> None:
        subprocess.run(["ip", *argv], check=True)

    def inside(self, *argv: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *argv]

    def apply(self, script: str) -> None:
        subprocess.run(self.inside("nft", "-f", "-"), input=script, text=True, check=True)

    def ask(self, address: str, port: int, count: int = 24) -> set[str]:
        argv = self.inside(sys.executable, "-c", CLIENT, address, str(port), str(count))
        return set(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split())

    def close(self) -> None:
        self.servers.kill()
        self.servers.communicate()
        self.ip("netns", "delete", self.name)


@pytest.fixture
def net() -> Iterator[Namespace]:
    out = Namespace()
    yield out
    out.close()


def port(*ips: str, affinity: int = 0) -> ServicePort:
    endpoints = tuple(Endpoint(ip, 8080) for ip in ips)
    return ServicePort("default", "web", "", "tcp", 80, 30080, ("10.96.0.20",), (), affinity, endpoints, endpoints)


def test_a_service_address_reaches_all_endpoints_and_follows_changes(net: Namespace) -> None:
    both, one, none = (build([port(*ips)], OPTIONS) for ips in (net.pods, net.pods[:1], []))
    net.apply(transaction(None, both, OPTIONS.table))
    assert net.ask("10.96.0.20", 80) == set(net.pods)
    net.apply(transaction(both, one, OPTIONS.table))
    assert net.ask("10.96.0.20", 80) == {net.pods[0]}
    net.apply(transaction(one, none, OPTIONS.table))
    assert net.ask("10.96.0.20", 80, 2) == {"refused"}
    net.apply(transaction(none, both, OPTIONS.table))
    assert net.ask("10.96.0.20", 80) == set(net.pods)


def test_a_node_port_answers_on_the_machines_addresses(net: Namespace) -> None:
    net.apply(transaction(None, build([port(*net.pods)], OPTIONS), OPTIONS.table))
    assert net.ask("192.168.77.1", 30080) == set(net.pods)


def test_affinity_keeps_a_client_at_one_endpoint_across_changes_elsewhere(net: Namespace) -> None:
    both = build([port(*net.pods, affinity=100)], OPTIONS)
    net.apply(transaction(None, both, OPTIONS.table))
    first = net.ask("10.96.0.20", 80)
    assert len(first) == 1
    other = ServicePort("default", "b", "", "tcp", 81, 0, ("10.96.0.20",), (), 0, (), ())
    net.apply(transaction(both, build([port(*net.pods, affinity=100), other], OPTIONS), OPTIONS.table))
    assert net.ask("10.96.0.20", 80) == first
