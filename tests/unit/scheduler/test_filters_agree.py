"""The vectorised filters against a naive scheduler that asks node by node, on random clusters."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.cycle import run_filters
from scheduler.framework.interface import Cycle
from scheduler.framework.podinfo import amount, parse
from scheduler.profile import build
from tests.support.scheduling import Obj, node, pod, snapshot

KEYS = ("zone", "kubernetes.io/hostname")
PROFILE = build()

small = st.sampled_from
labels = st.dictionaries(small(["app", "tier"]), small(["a", "b"]), max_size=2)
taint = st.builds(lambda k, e: {"key": k, "effect": e}, small(["x", "y"]), small(["NoSchedule", "NoExecute", "PreferNoSchedule"]))
toleration = st.builds(
    lambda k, e: {"operator": "Exists", **({"key": k} if k else {}), **({"effect": e} if e else {})},
    small(["x", "y", ""]),
    small(["NoSchedule", "NoExecute", ""]),
)
selector = st.builds(lambda v: {"matchLabels": v}, labels) | st.builds(
    lambda op: {"matchExpressions": [{"key": "app", "operator": op}]}, small(["Exists", "DoesNotExist"])
)
expression = st.builds(
    lambda k, op, v: {
        "key": k,
        "operator": op,
        **({"values": v} if op in ("In", "NotIn") else {"values": ["5"]} if op in ("Gt", "Lt") else {}),
    },
    small(["zone", "size"]),
    small(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
    st.lists(small(["1", "2", "9"]), min_size=1, max_size=2),
)
term = st.builds(lambda s, k: {"labelSelector": s, "topologyKey": k}, selector, small(KEYS))
spread = st.builds(
    lambda s, k, skew, least: {
        "labelSelector": s, "topologyKey": k, "maxSkew": skew, "whenUnsatisfiable": "DoNotSchedule",
        **({"minDomains": least} if least else {}),
    },
    selector, small(KEYS), st.integers(1, 2), st.integers(0, 3),
)  # fmt: skip


@st.composite
def pods(draw: Any, name: str) -> Obj:
    spec: Obj = {}
    affinity: Obj = {}
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = draw(st.lists(term, max_size=2))
        if terms:
            affinity[kind] = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    expressions = draw(st.lists(expression, max_size=2))
    if expressions:
        terms = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
        affinity["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    if affinity:
        spec["affinity"] = affinity
    if draw(st.booleans()):
        spec["tolerations"] = draw(st.lists(toleration, max_size=2))
    constraints = draw(st.lists(spread, max_size=2, unique_by=lambda c: c["topologyKey"]))
    if constraints:
        spec["topologySpreadConstraints"] = constraints
    out = pod(name, draw(small(["0", "1", "2"])), labels=draw(labels), namespace=draw(small(["default", "other"])), **spec)
    port = draw(small([0, 0, 80, 81]))
    if port:
        ip = draw(small(["", "10.0.0.1", "10.0.0.2"]))
        out["spec"]["containers"][0]["ports"] = [{"hostPort": port, **({"hostIP": ip} if ip else {})}]
    return out


@st.composite
def clusters(draw: Any) -> tuple[list[Obj], list[tuple[str, Obj]]]:
    nodes = []
    for i in range(draw(st.integers(1, 5))):
        own = {k: draw(small(["1", "2", "9"])) for k in ("zone", "size") if draw(st.booleans())}
        cordoned = {"unschedulable": True} if draw(st.integers(0, 5)) == 0 else {}
        n = node(f"n{i}", draw(small(["2", "4"])), own, draw(st.lists(taint, max_size=1)), **cordoned)
        n["status"]["allocatable"]["pods"] = draw(small(["1", "3", "110"]))
        nodes.append(n)
    running = [(f"n{draw(st.integers(0, len(nodes) - 1))}", draw(pods(f"r{i}"))) for i in range(draw(st.integers(0, 5)))]
    return nodes, running


# The naive scheduler: one node at a time, in plain words.


def select(s: Obj, have: dict[str, str]) -> bool:
    ok = all(have.get(k) == v for k, v in (s.get("matchLabels") or {}).items())
    return ok and all((e["key"] in have) == (e["operator"] == "Exists") for e in s.get("matchExpressions") or [])


def wants_node(p: Obj, have: dict[str, str]) -> bool:
    required = ((p["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(all(holds(e, have) for e in t["matchExpressions"]) for t in required["nodeSelectorTerms"])


def holds(e: Obj, have: dict[str, str]) -> bool:
    value = have.get(e["key"])
    match e["operator"]:
        case "In":
            return value in e["values"]
        case "NotIn":
            return value not in e["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return value is not None and int(value) > int(e["values"][0])
        case _:
            return value is not None and int(value) < int(e["values"][0])


def bears(p: Obj, t: Obj) -> bool:
    return any(x.get("key") in (None, t["key"]) and x.get("effect") in (None, t["effect"]) for x in p["spec"].get("tolerations") or [])


def terms_of(p: Obj, kind: str) -> list[Obj]:
    return list(((p["spec"].get("affinity") or {}).get(kind) or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or [])


def meant(t: Obj, owner: Obj, other: Obj) -> bool:
    same = owner["metadata"]["namespace"] == other["metadata"]["namespace"]
    return same and select(t["labelSelector"], other["metadata"].get("labels") or {})


class Naive:
    def __init__(self, nodes: list[Obj], running: list[tuple[str, Obj]], p: Obj) -> None:
        self.nodes = {n["metadata"]["name"]: n for n in nodes}
        self.running, self.p = running, p

    def labels(self, name: str) -> dict[str, str]:
        return dict(self.nodes[name]["metadata"]["labels"])

    def fits(self, name: str) -> bool:
        n, here = self.nodes[name], [p for on, p in self.running if on == name]
        repelling = [t for t in n["spec"].get("taints") or [] if t["effect"] != "PreferNoSchedule"]
        cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
        return (
            (not n["spec"].get("unschedulable") or bears(self.p, cordon))
            and all(bears(self.p, t) for t in repelling)
            and wants_node(self.p, self.labels(name))
            and not any(self.ports_clash(self.p, other) for other in here)
            and len(here) + 1 <= int(n["status"]["allocatable"]["pods"])
            and (not self.cpu(self.p) or self.cpu(self.p) + sum(map(self.cpu, here)) <= amount("cpu", n["status"]["allocatable"]["cpu"]))
            and all(self.even(c, name) for c in self.p["spec"].get("topologySpreadConstraints") or [])
            and self.near(name)
            and self.far(name)
        )

    @staticmethod
    def cpu(p: Obj) -> int:
        return amount("cpu", p["spec"]["containers"][0]["resources"]["requests"]["cpu"])

    @staticmethod
    def ports_clash(a: Obj, b: Obj) -> bool:
        for x in a["spec"]["containers"][0].get("ports") or []:
            for y in b["spec"]["containers"][0].get("ports") or []:
                ips = {x.get("hostIP", "0.0.0.0"), y.get("hostIP", "0.0.0.0")}
                if x["hostPort"] == y["hostPort"] and (len(ips) == 1 or "0.0.0.0" in ips):
                    return True
        return False

    def even(self, c: Obj, name: str) -> bool:
        keys = [x["topologyKey"] for x in self.p["spec"]["topologySpreadConstraints"]]
        if c["topologyKey"] not in self.labels(name):
            return False
        counts: dict[str, int] = {}
        for other in self.nodes:
            have = self.labels(other)
            if all(k in have for k in keys) and wants_node(self.p, have):
                matching = sum(on == other and meant(c, self.p, p) for on, p in self.running)
                counts[have[c["topologyKey"]]] = counts.get(have[c["topologyKey"]], 0) + matching
        least = min(counts.values()) if counts and len(counts) >= c.get("minDomains", 1) else 0
        own = int(select(c["labelSelector"], self.p["metadata"].get("labels") or {}))
        return counts.get(self.labels(name)[c["topologyKey"]], 0) + own - least <= c["maxSkew"]

    def domain(self, t: Obj, name: str) -> list[Obj]:
        """The pods in a node's domain of a term's topology."""
        value = self.labels(name).get(t["topologyKey"])
        return [p for on, p in self.running if value is not None and self.labels(on).get(t["topologyKey"]) == value]

    def near(self, name: str) -> bool:
        wanted = terms_of(self.p, "podAffinity")
        if all(any(self.all_meant(wanted, p) for p in self.domain(t, name)) for t in wanted):
            return True
        if any(t["topologyKey"] not in self.labels(name) for t in wanted):
            return False
        anywhere = any(self.all_meant(wanted, p) and any(t["topologyKey"] in self.labels(on) for t in wanted) for on, p in self.running)
        return not anywhere and self.all_meant(wanted, self.p)

    def all_meant(self, wanted: list[Obj], other: Obj) -> bool:
        return all(meant(t, self.p, other) for t in wanted)

    def far(self, name: str) -> bool:
        if any(meant(t, self.p, p) for t in terms_of(self.p, "podAntiAffinity") for p in self.domain(t, name)):
            return False
        return not any(
            meant(t, p, self.p)
            and t["topologyKey"] in self.labels(on)
            and self.labels(on)[t["topologyKey"]] == self.labels(name).get(t["topologyKey"])
            for on, p in self.running
            for t in terms_of(p, "podAntiAffinity")
        )


@settings(max_examples=200, deadline=None)
@given(clusters(), pods("new"))
def test_the_filters_choose_the_nodes_that_a_naive_scheduler_chooses(cluster: tuple[list[Obj], list[tuple[str, Obj]]], new: Obj) -> None:
    nodes, running = cluster
    s = snapshot(*nodes)
    for on, p in running:
        s.add_pod(on, parse(p))
    cycle = Cycle(parse(new), s, s.alive.copy())
    run_filters(cycle, PROFILE)
    naive = Naive(nodes, running, new)
    assert set(s.names(cycle.feasible)) == {name for name in naive.nodes if naive.fits(name)}
