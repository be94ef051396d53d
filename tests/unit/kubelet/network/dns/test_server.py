"""The DNS server over real sockets on loopback."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest
from dnslib import RCODE, DNSRecord

from kubelet.network.dns.server import DnsServer, resolvers
from kubelet.network.dns.zone import Zone

MANY = [f"10.244.{i // 250}.{i % 250 + 1}" for i in range(100)]
SLICE = {"addressType": "IPv4", "ports": [], "endpoints": [{"addresses": [ip], "conditions": {"ready": True}} for ip in MANY]}
SERVICES = {
    "web": {"metadata": {"namespace": "default", "name": "web"}, "spec": {"clusterIP": "10.96.0.20"}},
    "all": {"metadata": {"namespace": "default", "name": "all"}, "spec": {"clusterIP": "None"}},
    "alias": {"metadata": {}, "spec": {"type": "ExternalName", "externalName": "web.default.svc.cluster.local"}},
}


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    zone = Zone("cluster.local", lambda ns, n: SERVICES.get(n), lambda ns, n: [SLICE], lambda ip: [])
    out = DnsServer(zone, "127.0.0.1", 0)
    await out.start()
    yield out
    await out.stop()


async def ask_tcp(server: DnsServer, name: str, kind: str = "A") -> DNSRecord:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    data = DNSRecord.question(name, kind).pack()
    writer.write(struct.pack("!H", len(data)) + data)
    size = struct.unpack("!H", await reader.readexactly(2))[0]
    answer = DNSRecord.parse(await reader.readexactly(size))
    writer.close()
    await writer.wait_closed()
    return answer


async def ask_udp(server: DnsServer, data: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    got: asyncio.Future[bytes] = loop.create_future()

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            got.set_result(data)

    transport, _ = await loop.create_datagram_endpoint(Client, remote_addr=("127.0.0.1", server.port))
    transport.sendto(data)
    try:
        return await asyncio.wait_for(got, 5)
    finally:
        transport.close()


async def test_udp_answers_a_service(server: DnsServer) -> None:
    query = DNSRecord.question("Web.default.svc.cluster.local")
    answer = DNSRecord.parse(await ask_udp(server, query.pack()))
    assert answer.header.id == query.header.id and str(answer.rr[0].rdata) == "10.96.0.20"


async def test_a_long_answer_is_truncated_on_udp_and_whole_on_tcp(server: DnsServer) -> None:
    short = DNSRecord.parse(await ask_udp(server, DNSRecord.question("all.default.svc.cluster.local").pack()))
    assert short.header.tc == 1
    whole = await ask_tcp(server, "all.default.svc.cluster.local")
    assert sorted(str(r.rdata) for r in whole.rr) == sorted(MANY)


async def test_unknown_names_are_nxdomain_with_the_zones_soa(server: DnsServer) -> None:
    answer = await ask_tcp(server, "nope.default.svc.cluster.local")
    assert answer.header.rcode == RCODE.NXDOMAIN and answer.auth


async def test_an_alias_to_a_cluster_name_is_followed(server: DnsServer) -> None:
    answer = await ask_tcp(server, "alias.default.svc.cluster.local")
    assert [str(r.rdata) for r in answer.rr] == ["web.default.svc.cluster.local.", "10.96.0.20"]


async def test_without_resolvers_outside_names_fail_at_once(server: DnsServer) -> None:
    answer = await ask_tcp(server, "example.com")
    assert answer.header.rcode == RCODE.SERVFAIL


async def test_garbage_is_ignored_and_the_next_question_answered(server: DnsServer) -> None:
    assert await server.respond(b"\x00", tcp=False) is None
    assert (await ask_tcp(server, "web.default.svc.cluster.local")).rr


def test_the_machines_resolvers_without_ourselves(tmp_path: object) -> None:
    from pathlib import Path

    file = Path(str(tmp_path)) / "resolv.conf"
    file.write_text("# c\nnameserver 10.96.0.10\nnameserver 192.0.2.1\nsearch x\n")
    assert resolvers(file, own="10.96.0.10") == ["192.0.2.1"]
