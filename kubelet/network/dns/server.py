"""Answers DNS over UDP and TCP: cluster names from the zone, all others by asking the machine's own resolvers."""

from __future__ import annotations

import asyncio
import logging
import random
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from dnslib import AAAA, CNAME, PTR, QTYPE, RCODE, RR, SOA, SRV, TXT, A, DNSError, DNSHeader, DNSRecord

from kubelet.network.dns.zone import EMPTY, NOTHING, TTL, Answer, Record, Zone

log = logging.getLogger(__name__)

UPSTREAM_SECONDS = 2.0
UDP_LIMIT = 512
TCP_IDLE_SECONDS = 10.0
_RDATA: dict[str, Callable[..., object]] = {"A": A, "CNAME": CNAME, "PTR": PTR, "TXT": TXT, "AAAA": AAAA}


def resolvers(file: Path = Path("/etc/resolv.conf"), own: str = "") -> list[str]:
    """The machine's name servers, without ourselves."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    return [w[1] for w in words if len(w) > 1 and w[0] == "nameserver" and w[1] != own]


def _record(r: Record) -> RR:
    if isinstance(r.data, tuple):
        priority, weight, port, target = r.data
        return RR(r.name, QTYPE.SRV, rdata=SRV(priority, weight, port, target), ttl=r.ttl)
    return RR(r.name, getattr(QTYPE, r.type), rdata=_RDATA[r.type](r.data), ttl=r.ttl)


class DnsServer:
    """Serves `address`:`port`; `upstreams` are asked in order for names outside the cluster."""

    def __init__(self, zone: Zone, address: str, port: int = 53, upstreams: Sequence[str] = ()) -> None:
        self.zone = zone
        self.address, self.port = address, port
        self.upstreams = list(upstreams)
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises OSError when the address cannot be had. Port 0 takes a free one."""
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._serve_tcp, self.address, self.port)
        self.port = self._tcp.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=(self.address, self.port))

    async def stop(self) -> None:
        """Stop listening; questions under way are dropped."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        for task in self._tasks:
            task.cancel()

    def spawn(self, data: bytes, sender: tuple[str, int], transport: asyncio.DatagramTransport) -> None:
        """Answer one datagram in a task of its own."""

        async def answer() -> None:
            reply = await self.respond(data, tcp=False)
            if reply is not None and not transport.is_closing():
                transport.sendto(reply, sender)

        task = asyncio.create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(TCP_IDLE_SECONDS):
                    size = struct.unpack("!H", await reader.readexactly(2))[0]
                    data = await reader.readexactly(size)
                reply = await self.respond(data, tcp=True)
                if reply is None:
                    break
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()

    async def respond(self, data: bytes, *, tcp: bool) -> bytes | None:
        """The answer to one message; None when it is not a question at all."""
        try:
            query = DNSRecord.parse(data)
        except (DNSError, ValueError, IndexError, struct.error):
            return None
        if query.header.qr or not query.questions:
            return None
        name = str(query.q.qname).rstrip(".").lower()
        kind = str(QTYPE.get(query.q.qtype))
        found = self._lookup(name, kind)
        if found is None:
            return await self._forward(data, tcp) or _refusal(query, RCODE.SERVFAIL)
        reply = query.reply(ra=1, aa=1)
        if found.alias:
            await self._follow(found.alias, kind, reply, found)
        else:
            self._fill(reply, found)
        limit = 65535 if tcp else _udp_limit(query)
        packed: bytes = reply.pack()
        if len(packed) > limit:
            packed = reply.truncate().pack()
        return packed

    def _lookup(self, name: str, kind: str) -> Answer | None:
        if self.zone.contains(name):
            return self.zone.answer(name, kind)
        if name.endswith(".in-addr.arpa"):
            return self.zone.reverse(name, kind)
        return None

    def _fill(self, reply: DNSRecord, found: Answer) -> None:
        records = list(found.records)
        random.shuffle(records)
        reply.add_answer(*map(_record, records))
        reply.add_ar(*map(_record, found.extra))
        if not found.exists:
            reply.header.rcode = RCODE.NXDOMAIN
        if not records:
            domain = self.zone.domain
            times = (1, 7200, 1800, 86400, TTL)
            reply.add_auth(RR(domain, QTYPE.SOA, rdata=SOA(f"ns.dns.{domain}", f"hostmaster.{domain}", times), ttl=TTL))

    async def _follow(self, alias: str, kind: str, reply: DNSRecord, found: Answer) -> None:
        """An ExternalName: the alias first, then what it means, be it ours or the outside's."""
        reply.add_answer(*map(_record, found.records))
        if kind == "CNAME":
            return
        inside = self._lookup(alias, kind)
        if inside is not None:
            if inside is not NOTHING and inside is not EMPTY:
                reply.add_answer(*map(_record, inside.records))
            return
        question = DNSRecord.question(alias, kind)
        answer = await self._forward(question.pack(), tcp=True)
        if answer is not None:
            reply.add_answer(*DNSRecord.parse(answer).rr)

    async def _forward(self, data: bytes, tcp: bool) -> bytes | None:
        for upstream in self.upstreams:
            try:
                async with asyncio.timeout(UPSTREAM_SECONDS):
                    return await (_ask_tcp if tcp else _ask_udp)(upstream, data)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                continue
        return None


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport) or hasattr(transport, "sendto")
        self.transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.server.spawn(data, addr, self.transport)


class _Once(asyncio.DatagramProtocol):
    def __init__(self, reply: asyncio.Future[bytes], query_id: bytes) -> None:
        self.reply, self.query_id = reply, query_id

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[:2] == self.query_id and not self.reply.done():
            self.reply.set_result(data)

    def error_received(self, exc: OSError) -> None:  # type: ignore[override]
        if not self.reply.done():
            self.reply.set_exception(exc)


async def _ask_udp(upstream: str, data: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    reply: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Once(reply, data[:2]), remote_addr=(upstream, 53))
    try:
        transport.sendto(data)
        return await reply
    finally:
        transport.close()


async def _ask_tcp(upstream: str, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(upstream, 53)
    try:
        writer.write(struct.pack("!H", len(data)) + data)
        size = struct.unpack("!H", await reader.readexactly(2))[0]
        return await reader.readexactly(size)
    finally:
        writer.close()


def _udp_limit(query: DNSRecord) -> int:
    return max([UDP_LIMIT, *(int(rr.edns_len) for rr in query.ar if rr.rtype == QTYPE.OPT)])


def _refusal(query: DNSRecord, code: int) -> bytes:
    header = DNSHeader(id=query.header.id, qr=1, ra=1, rd=query.header.rd, rcode=code)
    packed: bytes = DNSRecord(header, q=query.q).pack()
    return packed
