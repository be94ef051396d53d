"""Chooses address ranges that nothing else on this machine uses, so that several clusters get along."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

POD_RANGES = tuple(f"10.{n}.0.0/16" for n in range(244, 255))
SERVICE_RANGES = tuple(f"10.{n}.0.0/16" for n in range(96, 128))


def routes(file: Path = Path("/proc/net/route")) -> Iterator[ipaddress.IPv4Network]:
    """The destinations that this machine has IPv4 routes to, the default route left out."""
    try:
        lines = file.read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        fields = line.split()
        destination, mask = (struct.pack("=L", int(fields[i], 16)) for i in (1, 7))
        network = ipaddress.IPv4Network((ipaddress.IPv4Address(destination), str(ipaddress.IPv4Address(mask))))
        if network.prefixlen:
            yield network


def is_local(address: str) -> bool:
    """Whether this machine has the address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def free_pod_range() -> str:
    """The first of the usual pod ranges that no route leads into."""
    taken = list(routes())
    free = (r for r in POD_RANGES if not any(ipaddress.ip_network(r).overlaps(t) for t in taken))
    return next(free, POD_RANGES[0])


def free_service_range() -> str:
    """The first of the usual service ranges whose DNS address no cluster on this machine answers at."""
    free = (r for r in SERVICE_RANGES if not is_local(str(ipaddress.ip_network(r)[10])))
    return next(free, SERVICE_RANGES[0])
