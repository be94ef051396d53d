"""From service ports to an nftables ruleset, and from one ruleset to the next in one transaction. Pure: makes text.

Lookup is by verdict maps, so that a packet's cost does not grow with the number of Services (as upstream's nftables
proxy, KEP-3866): `service_ips` by address, protocol and port; `node_ports` by protocol and port; `cluster_ips` refuses the
ports that a Service does not have. A Service port has a chain that picks an endpoint at random; an endpoint has a chain that
rewrites the destination.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kubelet.network.services import Endpoint, ServicePort

MASQUERADE_MARK = "0x4000"


@dataclass(frozen=True, slots=True)
class Options:
    """What the rules depend on besides the Services. `masquerade_all` hides clients from pods (where bridged replies bypass NAT)."""

    table: str
    cluster_cidr: str
    masquerade_all: bool = False


@dataclass(frozen=True)
class Ruleset:
    """Chains (name → rules), verdict-map elements (map → key → verdict) and affinity sets (name → timeout in seconds)."""

    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    sets: Mapping[str, int] = field(default_factory=dict)


MAPS = {
    "service_ips": "ipv4_addr . inet_proto . inet_service : verdict",
    "node_ports": "inet_proto . inet_service : verdict",
    "no_endpoints": "ipv4_addr . inet_proto . inet_service : verdict",
    "no_endpoint_ports": "inet_proto . inet_service : verdict",
    "cluster_ips": "ipv4_addr : verdict",
}


def _base_chains(o: Options) -> dict[str, tuple[str, ...]]:
    by_ip = "ip daddr . meta l4proto . th dport vmap"
    by_port = "fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap"
    local_ports = "ip daddr 127.0.0.0/8 meta l4proto . th dport vmap"
    dispatch = (f"{by_ip} @service_ips", f"{by_port} @node_ports")
    refuse = tuple(f"ct state new {r}" for r in (f"{by_ip} @no_endpoints", f"{by_port} @no_endpoint_ports"))
    # What is still meant for a Service's own address was rewritten by no rule: it must not leave by the default route.
    stray = "ct state new ip daddr vmap @cluster_ips"
    return {
        "prerouting": ("type nat hook prerouting priority dstnat - 5; policy accept;", *dispatch),
        "output": ("type nat hook output priority -105; policy accept;", *dispatch, f"{local_ports} @node_ports"),
        "postrouting": (
            "type nat hook postrouting priority srcnat - 5; policy accept;",
            f"meta mark & {MASQUERADE_MARK} == {MASQUERADE_MARK} meta mark set meta mark ^ {MASQUERADE_MARK} masquerade fully-random",
            f"ct status dnat ip saddr 127.0.0.0/8 ip daddr {o.cluster_cidr} masquerade",
        ),
        "filter_forward": ("type filter hook forward priority filter - 5; policy accept;", *refuse, stray),
        "filter_output": ("type filter hook output priority filter - 5; policy accept;", *refuse, stray),
        "filter_input": ("type filter hook input priority filter - 5; policy accept;", *refuse),
        "refuse": ("meta l4proto tcp reject with tcp reset", "reject"),
        "mark_masquerade": (f"meta mark set meta mark | {MASQUERADE_MARK}",),
    }


def _hash(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:12]


class _Builder:
    def __init__(self, options: Options) -> None:
        self.options = options
        self.chains = _base_chains(options)
        self.maps: dict[str, dict[str, str]] = {name: {} for name in MAPS}
        self.sets: dict[str, int] = {}

    def add(self, p: ServicePort) -> None:
        inside = self._balance(p, p.cluster, "c")
        outside = inside if p.external == p.cluster else self._balance(p, p.external, "x")
        for ip in p.cluster_ips:
            self.maps["cluster_ips"][ip] = "goto refuse"
            self._address("service_ips", "no_endpoints", f"{ip} . {p.protocol} . {p.port}", inside)
        if not (p.external_ips or p.node_port):
            return
        entry = outside
        if outside and not p.external_local:  # the reply must come back through this machine
            entry = f"ext-{_hash(p.id)}"
            self.chains[entry] = (f"ip saddr != {self.options.cluster_cidr} jump mark_masquerade", f"goto {outside}")
        for ip in p.external_ips:
            self._address("service_ips", "no_endpoints", f"{ip} . {p.protocol} . {p.port}", entry)
        if p.node_port:
            self._address("node_ports", "no_endpoint_ports", f"{p.protocol} . {p.node_port}", entry)

    def _address(self, found: str, none: str, key: str, chain: str) -> None:
        self.maps[found if chain else none][key] = f"goto {chain}" if chain else "goto refuse"

    def _balance(self, p: ServicePort, endpoints: tuple[Endpoint, ...], scope: str) -> str:
        if not endpoints:
            return ""
        chain = f"svc-{_hash(p.id, scope)}"
        names = [self._endpoint(p, e) for e in endpoints]
        rules = []
        if p.affinity_seconds:
            rules += [f"ip saddr @aff-{name[3:]} goto {name}" for name in names]
        picks = ", ".join(f"{i} : goto {name}" for i, name in enumerate(names))
        rules.append(f"numgen random mod {len(names)} vmap {{ {picks} }}" if len(names) > 1 else f"goto {names[0]}")
        self.chains[chain] = tuple(rules)
        return chain

    def _endpoint(self, p: ServicePort, e: Endpoint) -> str:
        name = f"ep-{_hash(p.id, e.ip, e.port)}"
        if name in self.chains:
            return name
        hairpin = f"ip saddr {e.ip}" if not self.options.masquerade_all else f"ip saddr {self.options.cluster_cidr}"
        rules = [f"{hairpin} jump mark_masquerade"]
        if p.affinity_seconds:
            self.sets[f"aff-{name[3:]}"] = p.affinity_seconds
            rules.append(f"update @aff-{name[3:]} {{ ip saddr }}")
        rules.append(f"meta l4proto {p.protocol} dnat to {e.ip}:{e.port}")
        self.chains[name] = tuple(rules)
        return name


def build(ports: Iterable[ServicePort], options: Options) -> Ruleset:
    """The whole ruleset for these ports."""
    builder = _Builder(options)
    for p in ports:
        builder.add(p)
    return Ruleset(builder.chains, builder.maps, builder.sets)


def _is_base(rules: tuple[str, ...]) -> bool:
    return bool(rules) and rules[0].startswith("type ")


def transaction(old: Ruleset | None, new: Ruleset, table: str) -> str:
    """An `nft -f -` script that turns `old` into `new` atomically; from nothing (None) the table is made anew.

    Affinity sets that stay keep their contents. Empty when nothing changed.
    """
    lines: list[str] = []
    if old is None:
        lines += [f"add table ip {table}", f"delete table ip {table}", f"add table ip {table}"]
        lines += [f"add map ip {table} {name} {{ type {kind}; }}" for name, kind in MAPS.items()]
        old = Ruleset(maps={name: {} for name in MAPS})
    for name, seconds in new.sets.items():
        if old.sets.get(name) != seconds:
            if name in old.sets:  # a timeout cannot be changed in place
                lines += _emptied(old, name, table)
            lines.append(f"add set ip {table} {name} {{ type ipv4_addr; flags dynamic,timeout; timeout {seconds}s; }}")
    changed = [n for n, rules in new.chains.items() if old.chains.get(n) != rules or _uses_remade_set(rules, old, new)]
    for name in changed:
        head = f" {{ {new.chains[name][0]} }}" if _is_base(new.chains[name]) else ""
        lines.append(f"add chain ip {table} {name}{head}")
        if name in old.chains:
            lines.append(f"flush chain ip {table} {name}")
    for name in changed:
        rules = new.chains[name]
        lines += [f"add rule ip {table} {name} {rule}" for rule in (rules[1:] if _is_base(rules) else rules)]
    for name in MAPS:
        lines += _map_changes(table, name, old.maps[name], new.maps[name])
    gone = [n for n in old.chains if n not in new.chains]
    lines += [f"flush chain ip {table} {n}" for n in gone]
    lines += [f"delete chain ip {table} {n}" for n in gone]
    lines += [f"delete set ip {table} {n}" for n in old.sets if n not in new.sets]
    return "".join(line + "\n" for line in lines)


def _uses_remade_set(rules: tuple[str, ...], old: Ruleset, new: Ruleset) -> bool:
    remade = [n for n, seconds in new.sets.items() if n in old.sets and old.sets[n] != seconds]
    return any(f"@{name} " in rule for name in remade for rule in rules)


def _emptied(old: Ruleset, set_name: str, table: str) -> list[str]:
    users = [name for name, rules in old.chains.items() if any(f"@{set_name} " in rule for rule in rules)]
    return [*(f"flush chain ip {table} {name}" for name in users), f"delete set ip {table} {set_name}"]


def _map_changes(table: str, name: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    gone = [key for key, verdict in old.items() if new.get(key) != verdict]
    come = [(key, verdict) for key, verdict in new.items() if old.get(key) != verdict]
    out = []
    if gone:
        out.append(f"delete element ip {table} {name} {{ {', '.join(gone)} }}")
    if come:
        out.append(f"add element ip {table} {name} {{ {', '.join(f'{k} : {v}' for k, v in come)} }}")
    return out
