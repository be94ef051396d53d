"""IP addresses and networks (pkg/cel/library/{ip,cidr}.go)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from kubepy.api.cel.functions import Table, functions, members
from kubepy.api.cel.types import opaque
from kubepy.api.cel.values import CelError

TABLE: Table = {}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class IP:
    """One address."""

    __slots__ = ("address",)
    cel_type = opaque("net.IP")

    def __init__(self, address: Address) -> None:
        self.address = address

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IP) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __str__(self) -> str:
        return str(self.address)


class CIDR:
    """An address with a prefix length; bits below the prefix may be set."""

    __slots__ = ("address", "network")
    cel_type = opaque("net.CIDR")

    def __init__(self, address: Address, bits: int) -> None:
        self.address = address
        self.network = ipaddress.ip_network(f"{address}/{bits}", strict=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CIDR) and (self.address, self.network) == (other.address, other.network)

    def __hash__(self) -> int:
        return hash((self.address, self.network))

    def __str__(self) -> str:
        return f"{self.address}/{self.network.prefixlen}"

    def contains(self, address: Address) -> bool:
        return address.version == self.network.version and address in self.network


@lru_cache(maxsize=4096)
def _parse(text: str) -> Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise CelError(f'IP Address "{text}" parse error during conversion from string: ParseAddr("{text}"): unable to parse IP') from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            raise CelError(f'IP address "{text}" with zone value is not allowed')
        if address.ipv4_mapped is not None:
            raise CelError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return address


def ip(text: str) -> IP:
    """An address from its text; raises CelError."""
    return IP(_parse(text))


def cidr(text: str) -> CIDR:
    """A network from `address/bits`; raises CelError."""
    address, slash, bits = text.partition("/")
    prefix = "network address parse error during conversion from string: "
    error = f'{prefix}{prefix}netip.ParsePrefix("{text}"): '
    try:
        parsed = _parse(address)
    except CelError:
        raise CelError(error + ("no '/'" if not slash else f'ParseAddr("{address}"): unable to parse IP')) from None
    if not slash:
        raise CelError(error + "no '/'")
    if not bits.isascii() or not bits.isdigit() or (len(bits) > 1 and bits[0] == "0"):
        raise CelError(f'{error}bad bits after slash: "{bits}"')
    if int(bits) > parsed.max_prefixlen:
        raise CelError(f"{error}prefix length out of range")
    return CIDR(parsed, int(bits))


def _is(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def test(text: str) -> bool:
        try:
            parse(text)
        except CelError:
            return False
        return True

    return test


def _global_unicast(v: IP) -> bool:
    a = v.address
    broadcast = a == ipaddress.IPv4Address("255.255.255.255")
    return not (broadcast or a.is_unspecified or a.is_loopback or a.is_multicast or a.is_link_local)


def _link_local_multicast(v: IP) -> bool:
    if isinstance(v.address, ipaddress.IPv4Address):
        return v.address in ipaddress.ip_network("224.0.0.0/24")
    return v.address.packed[0] == 0xFF and v.address.packed[1] & 0x0F == 0x02


def _contains_network(a: CIDR, b: CIDR) -> bool:
    return a.network.prefixlen <= b.network.prefixlen and a.contains(b.address)


functions(TABLE, [
    ("ip", "string -> net.IP", ip), ("isIP", "string -> bool", _is(ip)), ("string", "net.IP -> string", str),
    ("ip.isCanonical", "string -> bool", lambda v: str(ip(v)) == v),
    ("cidr", "string -> net.CIDR", cidr), ("isCIDR", "string -> bool", _is(cidr)), ("string", "net.CIDR -> string", str),
])  # fmt: skip
members(TABLE, [
    ("family", "net.IP -> int", lambda v: v.address.version), ("isUnspecified", "net.IP -> bool", lambda v: v.address.is_unspecified),
    ("isLoopback", "net.IP -> bool", lambda v: v.address.is_loopback), ("isLinkLocalMulticast", "net.IP -> bool", _link_local_multicast),
    ("isLinkLocalUnicast", "net.IP -> bool", lambda v: v.address.is_link_local), ("isGlobalUnicast", "net.IP -> bool", _global_unicast),
    ("containsIP", "net.CIDR, string -> bool", lambda a, b: a.contains(_parse(b))),
    ("containsIP", "net.CIDR, net.IP -> bool", lambda a, b: a.contains(b.address)),
    ("containsCIDR", "net.CIDR, string -> bool", lambda a, b: _contains_network(a, cidr(b))),
    ("containsCIDR", "net.CIDR, net.CIDR -> bool", _contains_network), ("ip", "net.CIDR -> net.IP", lambda v: IP(v.address)),
    ("prefixLength", "net.CIDR -> int", lambda v: v.network.prefixlen),
    ("masked", "net.CIDR -> net.CIDR", lambda v: CIDR(v.network.network_address, v.network.prefixlen)),
])  # fmt: skip
