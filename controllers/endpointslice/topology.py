"""Zone hints for Services that ask for them by annotation: endpoints spread over zones as CPUs are. Pure (endpointslice/topologycache)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from controllers.common import pods
from kubepy.api import meta
from kubepy.api.quantity import parse

Obj = dict[str, Any]

MODE, OLD_MODE, ZONE = "service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints", "topology.kubernetes.io/zone"
EXCLUDED = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
OVERLOAD = 0.2
"""How much more than its share of endpoints a zone's may carry."""
NO_NODES = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
NO_ZONE = "One or more endpoints do not have a zone specified"
TOO_FEW = "Insufficient number of endpoints"
OVERLOADED = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"


class Impossible(Exception):
    """Hints cannot be given; str() is why, in upstream's words."""


def is_wanted(service: Obj) -> bool:
    """Whether the Service's annotation asks for hints."""
    annotations = meta.annotations(service)
    return annotations.get(OLD_MODE, annotations.get(MODE)) in ("Auto", "auto")


def shares(nodes: Iterable[Obj]) -> dict[str, float]:
    """zone → its part of all ready nodes' CPUs. Raises Impossible when that is not known for all nodes, or there is one zone only."""
    by_zone: dict[str, int] = {}
    for node in nodes:
        labels = meta.labels(node)
        if any(label in labels for label in EXCLUDED) or not pods.is_ready(node):
            continue
        cpu = parse((node.get("status", {}).get("allocatable") or {}).get("cpu", "0")).milli_value()
        zone = labels.get(ZONE)
        if not zone or not cpu:
            raise Impossible(NO_NODES)
        by_zone[zone] = by_zone.get(zone, 0) + cpu
    if len(by_zone) < 2:
        raise Impossible(NO_NODES)
    whole = sum(by_zone.values())
    return {zone: cpu / whole for zone, cpu in by_zone.items()}


def hints(endpoints: Sequence[Obj], parts: Mapping[str, float]) -> list[Obj]:
    """The endpoints with their hints: those of zones that have too many serve zones that have too few. Raises Impossible."""
    ready = [i for i, e in enumerate(endpoints) if e["conditions"].get("ready")]
    desired = _desired(parts, len(ready))
    if any(not endpoints[i].get("zone") for i in ready):
        raise Impossible(NO_ZONE)
    zones = {i: str(endpoints[i]["zone"]) for i in ready}
    giving, receiving = _moves(desired, Counter(zones.values()))
    for i, zone in zones.items():
        if giving[zone] > 0 and (target := next((z for z, n in receiving.items() if n > 0), None)):
            giving[zone] -= 1
            receiving[target] -= 1
            zones[i] = target
    bare = [{k: v for k, v in e.items() if k != "hints"} for e in endpoints]
    return [{**e, "hints": {"forZones": [{"name": zones[i]}]}} if i in zones else e for i, e in enumerate(bare)]


def _desired(parts: Mapping[str, float], count: int) -> dict[str, float]:
    """How many endpoints each zone should have, at least what keeps it from overload (getAllocations)."""
    if len(parts) > count:
        raise Impossible(f"{TOO_FEW} ({count} endpoints, {len(parts)} zones)")
    minimum = {zone: math.ceil(part * count / (1 + OVERLOAD)) for zone, part in parts.items()}
    if sum(minimum.values()) > count:
        raise Impossible(f"{OVERLOADED} ({count} endpoints, {len(parts)} zones)")
    return {zone: max(part * count, minimum[zone]) for zone, part in parts.items()}


def _moves(desired: Mapping[str, float], present: Counter[str]) -> tuple[Counter[str], Counter[str]]:
    """(endpoints that zones give away, endpoints that zones receive), whole ones only (getGivingAndReceivingZones)."""
    over = {zone: present[zone] - wanted for zone, wanted in desired.items() if present[zone] > wanted}
    under = {zone: wanted - present[zone] for zone, wanted in desired.items() if present[zone] < wanted}
    giving, receiving = Counter[str](), Counter[str]()
    while over and under:
        giver, taker = max(over, key=lambda z: over[z]), max(under, key=lambda z: under[z])
        most, least = max(over[giver], under[taker]), min(over[giver], under[taker])
        if most < 1.0 or least < 0.5:
            break
        giving[giver] += 1
        receiving[taker] += 1
        over[giver] -= 1
        under[taker] -= 1
    return giving, receiving
