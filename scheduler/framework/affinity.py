"""Terms of inter-pod affinity, parsed; and what a pod tells about itself to the snapshot because of them (its tallies). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubepy.api.selectors import LabelSelector, from_label_selector

Obj = dict[str, Any]

REQUIRED, PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"
AFFINITY, ANTI = "podAffinity", "podAntiAffinity"


@dataclass(frozen=True, slots=True)
class Term:
    """One PodAffinityTerm: pods in `namespaces`, or in those that `namespace_selector` selects, whose labels match."""

    topology_key: str
    selector: LabelSelector
    namespaces: frozenset[str]
    namespace_selector: LabelSelector | None

    def matches(self, namespace: str, labels: Mapping[str, str], namespaces: Mapping[str, Mapping[str, str]]) -> bool:
        """Whether a pod is meant; `namespaces` are the labels of every namespace."""
        return self._covers(namespace, namespaces) and self.selector.matches(labels)

    def _covers(self, namespace: str, namespaces: Mapping[str, Mapping[str, str]]) -> bool:
        if namespace in self.namespaces:
            return True
        return self.namespace_selector is not None and self.namespace_selector.matches(namespaces.get(namespace, {}))


Tally = tuple[tuple[str, Term], int]
"""((why, term), weight): `why` is anti (required), need (required affinity), or like (preferred; dislike has a negative weight)."""


def term(raw: Obj, namespace: str) -> Term:
    """Parse a PodAffinityTerm of a pod in `namespace`."""
    selector = raw.get("namespaceSelector")
    names = frozenset(raw.get("namespaces") or [])
    if not names and selector is None:
        names = frozenset([namespace])
    inner = from_label_selector(selector) if selector is not None else None
    return Term(raw["topologyKey"], from_label_selector(raw.get("labelSelector")), names, inner)


def required(spec: Obj, kind: str, namespace: str) -> list[Term]:
    """The required terms of `kind` (podAffinity or podAntiAffinity)."""
    affinity = (spec.get("affinity") or {}).get(kind) or {}
    return [term(t, namespace) for t in affinity.get(REQUIRED) or []]


def preferred(spec: Obj, namespace: str) -> list[tuple[Term, int]]:
    """The preferred terms with their weights; those of anti-affinity are negative."""
    affinity = spec.get("affinity") or {}
    return [
        (term(t["podAffinityTerm"], namespace), sign * int(t["weight"]))
        for kind, sign in ((AFFINITY, 1), (ANTI, -1))
        for t in (affinity.get(kind) or {}).get(PREFERRED) or []
    ]


def tallies(spec: Obj, namespace: str) -> Iterator[Tally]:
    """What a bound pod with this spec asks of others; the snapshot counts it per node."""
    if "affinity" not in spec:
        return
    for t in required(spec, ANTI, namespace):
        yield ("anti", t), 1
    for t in required(spec, AFFINITY, namespace):
        yield ("need", t), 1
    for t, weight in preferred(spec, namespace):
        yield ("like", t), weight
