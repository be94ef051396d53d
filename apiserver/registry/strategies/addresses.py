"""IP addresses and CIDRs as upstream checks them, old fields sloppily and new ones strictly. Pure.

Upstream: apimachinery pkg/util/validation/ip.go, k8s.io/utils/net.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from apiserver.registry.strategies.checks import Errors
from kubepy.api.errors import invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NOT_AN_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NOT_A_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


@lru_cache(maxsize=4096)
def parse(text: str) -> Address | None:
    """ParseIPSloppy: an address, IPv4 octets with leading zeros allowed; an IPv4-mapped IPv6 address counts as IPv4."""
    try:
        if ":" not in text:
            parts = text.split(".")
            if len(parts) != 4 or not all(p.isascii() and p.isdigit() and int(p) < 256 for p in parts):
                return None
            return ipaddress.IPv4Address(".".join(str(int(p)) for p in parts))
        if "%" in text:
            return None
        address = ipaddress.IPv6Address(text)
        return address.ipv4_mapped or address
    except ValueError:
        return None


def parse_cidr(text: str) -> tuple[Address, Network] | None:
    """ParseCIDRSloppy: the address and its network; None when the text is no CIDR."""
    host, slash, bits = text.partition("/")
    if not slash or not (bits.isascii() and bits.isdigit()) or (len(bits) > 1 and bits[0] == "0"):
        return None
    address = parse(host)
    if address is None:
        return None
    length = int(bits)
    if ":" in host and address.version == 4:
        length -= 96
    if not 0 <= length <= address.max_prefixlen:
        return None
    return address, ipaddress.ip_network((address, length), strict=False)


def is_ipv6(text: str) -> bool:
    """IsIPv6String; False for what is no address."""
    address = parse(text)
    return address is not None and address.version == 6


def is_dual_stack(texts: Sequence[str]) -> bool:
    """Whether valid addresses of both families are there."""
    versions = {a.version for a in map(parse, texts) if a is not None}
    return len(versions) == 2


def _strictness(text: str) -> list[str]:
    out = []
    if ":" not in text:
        if any(len(p) > 1 and p[0] == "0" for p in text.split(".")):
            out.append("must not have leading 0s")
    elif ipaddress.IPv6Address(text).ipv4_mapped is not None:
        out.append("must not be an IPv4-mapped IPv6 address")
    return out


def ip(out: Errors, text: str, path: str, old: Sequence[str] = ()) -> bool:
    """A valid address, unambiguous unless it was there before (IsValidIPForLegacyField); whether nothing was found."""
    if text in old:
        return True
    if parse(text) is None:
        out.append(invalid(path, text, NOT_AN_IP))
        return False
    problems = _strictness(text)
    for m in problems:
        out.append(invalid(path, text, m))
    return not problems


def canonical_ip(out: Errors, text: str, path: str) -> bool:
    """A valid address in canonical form (IsValidIP as new APIs demand it)."""
    if not ip(out, text, path):
        return False
    canonical = str(parse(text))
    if canonical != text:
        out.append(invalid(path, text, f'must be in canonical form ("{canonical}")'))
        return False
    return True


def cidr(out: Errors, text: str, path: str, old: Sequence[str] = ()) -> bool:
    """A valid CIDR whose host bits are zero unless it was there before (IsValidCIDRForLegacyField)."""
    if text in old:
        return True
    found = parse_cidr(text)
    if found is None:
        out.append(invalid(path, text, NOT_A_CIDR))
        return False
    problems = _strictness(text.partition("/")[0])
    address, network = found
    if address != network.network_address:
        problems.append("must not have bits set beyond the prefix length")
    for m in problems:
        out.append(invalid(path, text, m))
    return not problems


def canonical_cidr(out: Errors, text: str, path: str) -> bool:
    """A valid CIDR in canonical form (IsValidCIDR)."""
    if not cidr(out, text, path):
        return False
    found = parse_cidr(text)
    assert found is not None
    canonical = str(found[1])
    if canonical != text:
        out.append(invalid(path, text, f'must be in canonical form ("{canonical}")'))
        return False
    return True


def interface_address(out: Errors, text: str, path: str) -> None:
    """An address with the length of its network's prefix, in canonical form; the host's bits stay."""
    parsed = parse_cidr(text)
    if parsed is None:
        out.append(invalid(path, text, "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"))
        return
    canonical = f"{parsed[0]}/{parsed[1].prefixlen}"
    if text != canonical:
        out.append(invalid(path, text, f'must be in canonical form ("{canonical}")'))


def not_special(out: Errors, text: str, path: str) -> None:
    """No unspecified, loopback or link-local address (ValidateNonSpecialIP)."""
    address = parse(text)
    if address is None:
        out.append(invalid(path, text, "must be a valid IP address"))
        return
    if address.is_unspecified:
        out.append(invalid(path, text, f"may not be unspecified ({text})"))
    if address.is_loopback:
        out.append(invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if address.is_link_local:
        out.append(invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if address in (_MULTICAST_4 if address.version == 4 else _MULTICAST_6):
        out.append(invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"))


_MULTICAST_4 = ipaddress.ip_network("224.0.0.0/24")
_MULTICAST_6 = ipaddress.ip_network("ff02::/16")
