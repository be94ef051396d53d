"""What cluster names mean: the Kubernetes DNS specification v1.1.0 as a pure function over Services and EndpointSlices."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]

TTL = 5
SCHEMA_VERSION = "1.1.0"


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record: `type` is A, CNAME, SRV, PTR or TXT; `data` is an address, a name, text or (priority, weight, port, target)."""

    name: str
    type: str
    data: str | tuple[int, int, int, str]
    ttl: int = TTL


@dataclass(frozen=True, slots=True)
class Answer:
    """`exists` False means NXDOMAIN; no records although it exists means NODATA. `alias` is an outside name to resolve further."""

    exists: bool
    records: tuple[Record, ...] = ()
    extra: tuple[Record, ...] = ()
    alias: str = ""


NOTHING = Answer(False)
EMPTY = Answer(True)


class Zone:
    """The cluster's zone and the reverse zones of its addresses.

    `service(namespace, name)` and `slices(namespace, name)` read present objects; `by_address(ip)` yields the names
    (without the zone) that an address has. Namespaces are taken to exist: names below them decide.
    """

    def __init__(
        self,
        domain: str,
        service: Callable[[str, str], Obj | None],
        slices: Callable[[str, str], Collection[Obj]],
        by_address: Callable[[str], Iterable[str]],
    ) -> None:
        self.domain = domain.strip(".").lower()
        self._labels = self.domain.split(".")
        self._service = service
        self._slices = slices
        self._by_address = by_address

    def contains(self, name: str) -> bool:
        """Whether the zone decides about this name (lower case, no trailing dot)."""
        return name == self.domain or name.endswith("." + self.domain)

    def answer(self, name: str, kind: str) -> Answer:
        """Answer a question for a name in the zone; `kind` is the record type asked for."""
        labels = name.split(".")[: -len(self._labels)]
        if not labels:
            return EMPTY
        if labels == ["dns-version"]:
            return self._typed(kind, "TXT", (Record(name, "TXT", SCHEMA_VERSION, 28800),))
        section, rest = labels[-1], labels[:-1]
        if section == "svc":
            return self._in_services(name, rest, kind)
        if section == "pod":
            return self._in_pods(name, rest, kind)
        return NOTHING

    def reverse(self, name: str, kind: str) -> Answer | None:
        """Answer for a name under in-addr.arpa, or None when the address is not the cluster's."""
        parts = name.removesuffix(".in-addr.arpa").split(".")
        names = list(self._by_address(".".join(reversed(parts)))) if len(parts) == 4 else []
        if not names:
            return None
        return self._typed(kind, "PTR", tuple(Record(name, "PTR", f"{n}.{self.domain}") for n in names))

    @staticmethod
    def _typed(asked: str, kind: str, records: tuple[Record, ...], extra: tuple[Record, ...] = ()) -> Answer:
        return Answer(True, records, extra) if asked in (kind, "ANY") else EMPTY

    def _in_pods(self, name: str, labels: list[str], kind: str) -> Answer:
        if not labels:
            return EMPTY
        if len(labels) > 2:
            return NOTHING
        if len(labels) == 1:
            return EMPTY
        try:
            address = str(ipaddress.IPv4Address(labels[0].replace("-", ".")))
        except ValueError:
            return NOTHING
        return self._typed(kind, "A", (Record(name, "A", address),))

    def _in_services(self, name: str, labels: list[str], kind: str) -> Answer:
        if not labels:
            return EMPTY
        namespace = labels[-1]
        if len(labels) == 1:
            return EMPTY
        service = self._service(namespace, labels[-2])
        if service is None:
            return NOTHING
        spec, rest = service.get("spec") or {}, labels[:-2]
        if spec.get("type") == "ExternalName":
            target = str(spec.get("externalName", "")).rstrip(".").lower()
            return NOTHING if rest else Answer(True, (Record(name, "CNAME", target),), alias=target)
        headless = spec.get("clusterIP") in ("None", "", None)
        base = f"{labels[-2]}.{namespace}.svc.{self.domain}"
        if not rest:
            return self._service_itself(name, service, headless, kind, namespace, labels[-2])
        if len(rest) == 2 and rest[0].startswith("_") and rest[1].startswith("_"):
            return self._srv(name, base, service, headless, rest[0][1:], rest[1][1:], kind)
        if len(rest) == 1:
            hosts = self._slices(namespace, labels[-2]) if headless else ()
            found = [ip for host, ip, _, _ in _hosts(hosts) if host == rest[0]]
            return self._typed(kind, "A", tuple(Record(name, "A", ip) for ip in dict.fromkeys(found))) if found else NOTHING
        return NOTHING

    def _service_itself(self, name: str, service: Obj, headless: bool, kind: str, namespace: str, service_name: str) -> Answer:
        if not headless:
            spec = service["spec"]
            ips = [ip for ip in spec.get("clusterIPs") or [spec["clusterIP"]] if ":" not in ip]
            return self._typed(kind, "A", tuple(Record(name, "A", ip) for ip in ips))
        found = list(dict.fromkeys(ip for _, ip, _, _ in _hosts(self._slices(namespace, service_name))))
        return self._typed(kind, "A", tuple(Record(name, "A", ip) for ip in found)) if found else NOTHING

    def _srv(self, name: str, base: str, service: Obj, headless: bool, port: str, protocol: str, kind: str) -> Answer:
        if not headless:
            match = [
                p for p in service["spec"].get("ports") or [] if p.get("name") == port and p.get("protocol", "TCP").lower() == protocol
            ]
            if not match:
                return NOTHING
            records = tuple(Record(name, "SRV", (0, 100, p["port"], base)) for p in match)
            ip = service["spec"]["clusterIP"]
            return self._typed(kind, "SRV", records, (Record(base, "A", ip),))
        meta = service["metadata"]
        hosts = list(_hosts(self._slices(meta["namespace"], meta["name"])))
        found = [(host, ip, number) for host, ip, ports, _ in hosts for n, proto, number in ports if (n, proto) == (port, protocol)]
        if not found:
            return NOTHING
        weight = max(1, 100 // len(found))
        records = tuple(Record(name, "SRV", (0, weight, number, f"{host}.{base}")) for host, _, number in found)
        extra = tuple(Record(f"{host}.{base}", "A", ip) for host, ip, _ in found)
        return self._typed(kind, "SRV", records, extra)


Host = tuple[str, str, list[tuple[str, str, int]], Obj]


def _hosts(slices: Iterable[Obj]) -> Iterator[Host]:
    """(host label, address, [(port name, protocol, port)], endpoint) of every ready endpoint.

    Slices of a Service with publishNotReadyAddresses say ready for all their endpoints already.
    """
    for slice_ in slices:
        if slice_.get("addressType") != "IPv4":
            continue
        ports = [(p.get("name") or "", (p.get("protocol") or "TCP").lower(), p["port"]) for p in slice_.get("ports") or [] if p.get("port")]
        for e in slice_.get("endpoints") or []:
            if (e.get("conditions") or {}).get("ready", True) is False:
                continue
            for ip in e.get("addresses") or []:
                yield e.get("hostname") or ip.replace(".", "-"), ip, ports, e


def names_of_service(service: Obj) -> Iterator[tuple[str, str]]:
    """(address, name without the zone) for reverse look-ups of a Service's own addresses."""
    spec, meta = service.get("spec") or {}, service["metadata"]
    for ip in spec.get("clusterIPs") or []:
        if ip not in ("None", ""):
            yield ip, f"{meta['name']}.{meta['namespace']}.svc"


def names_of_slice(slice_: Obj) -> Iterator[tuple[str, str]]:
    """(address, name without the zone) for reverse look-ups of endpoints; only those with a host name have one of their own."""
    meta = slice_["metadata"]
    service = (meta.get("labels") or {}).get("kubernetes.io/service-name")
    if service:
        for host, ip, _, e in _hosts([slice_]):
            if e.get("hostname"):
                yield ip, f"{host}.{service}.{meta['namespace']}.svc"
