"""The plugins that look at volumes."""

from __future__ import annotations

import pytest

from scheduler.cycle import Placement, Refusal, message
from scheduler.framework.cluster import CAPACITIES, CLAIMS, CLASSES, CSI_DRIVERS, CSI_NODES, VOLUMES
from scheduler.framework.plan import Plan
from scheduler.framework.podinfo import parse
from scheduler.framework.snapshot import Snapshot
from scheduler.plugins.volume_binding import VolumeBinding
from scheduler.profile import build
from tests.support.scheduling import Obj, attempt, bound, claim, mounting, node, pod, snapshot, storage_class, volume

PROFILE = build()


def cluster(*objects: tuple[str, Obj]) -> Snapshot:
    s = snapshot(node("a", labels={"topology.kubernetes.io/zone": "1"}), node("b", labels={"topology.kubernetes.io/zone": "2"}))
    for kind, obj in ((CLASSES, storage_class()), *objects):
        s.cluster.put(kind, obj)
    return s


def refused(s: Snapshot, p: Obj) -> str:
    result = attempt(s, p)
    assert isinstance(result, Refusal)
    return message(result)


def placed(s: Snapshot, p: Obj) -> tuple[str, Plan]:
    result = attempt(s, p)
    assert isinstance(result, Placement), message(result)
    binding = next(f for f in PROFILE.filters if isinstance(f, VolumeBinding))
    return result.node, binding.plan(result.cycle, s.nodes[result.node].slot)


LOST = claim("c") | {"status": {"phase": "Lost"}}
LOST["spec"] = LOST["spec"] | {"volumeName": "v"}


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ([], '0/2 nodes are available: persistentvolumeclaim "c" not found.'),
        ([(CLAIMS, LOST)], '0/2 nodes are available: persistentvolumeclaim "c" bound to non-existent persistentvolume "v".'),
        ([(CLAIMS, claim("c", cls=""))], "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
        ([(CLAIMS, claim("c"))], "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."),
        (
            [(CLAIMS, bound("c", "v")), (VOLUMES, volume("v", on=["x"]))],
            "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.",
        ),
        (
            [(CLAIMS, claim("c")), (VOLUMES, volume("v", storage="1Mi"))],
            "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind.",
        ),
    ],
)  # fmt: skip
def test_why_a_pod_with_a_claim_cannot_run(objects: list[tuple[str, Obj]], text: str) -> None:
    assert refused(cluster(*objects), mounting("c")) == text


def test_an_ephemeral_volumes_claim_is_waited_for() -> None:
    p = pod(volumes=[{"name": "tmp", "ephemeral": {"volumeClaimTemplate": {}}}])
    assert 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-tmp"' in refused(cluster(), p)
    stranger = claim("p-tmp")
    assert "was not created for pod default/p (pod is not owner)" in refused(cluster((CLAIMS, stranger)), p)


def test_the_smallest_volume_that_fits_is_bound_where_it_is() -> None:
    s = cluster(
        (CLAIMS, claim("c", "2Gi")),
        (VOLUMES, volume("large", "9Gi", on=["b"])),
        (VOLUMES, volume("small", "1Gi", on=["b"])),
        (VOLUMES, volume("right", "2Gi", on=["b"])),
    )
    where, plan = placed(s, mounting("c"))
    assert where == "b" and [(v["metadata"]["name"], c["metadata"]["name"]) for v, c in plan.bind] == [("right", "c")]


def test_two_claims_do_not_get_the_same_volume() -> None:
    s = cluster((CLAIMS, claim("c")), (CLAIMS, claim("d")), (VOLUMES, volume("v")))
    assert "didn't find available persistent volumes" in refused(s, mounting("c", "d"))
    s.cluster.put(VOLUMES, volume("w"))
    assert {v["metadata"]["name"] for v, _ in placed(s, mounting("c", "d"))[1].bind} == {"v", "w"}


def test_an_assumed_volume_is_taken_until_the_api_says_otherwise() -> None:
    s = cluster((CLAIMS, claim("c")), (CLAIMS, claim("d")), (VOLUMES, volume("v")))
    taken = volume("v", claimRef={"name": "d", "namespace": "default", "uid": "d"})
    s.cluster.assume(VOLUMES, taken)
    assert isinstance(attempt(s, mounting("c")), Refusal)
    changed = volume("v")
    changed["metadata"]["resourceVersion"] = "2"
    s.cluster.put(VOLUMES, changed)
    assert isinstance(attempt(s, mounting("c")), Placement)


def test_a_provisioner_makes_the_volume_where_its_topology_allows() -> None:
    terms = [{"matchLabelExpressions": [{"key": "topology.kubernetes.io/zone", "values": ["2"]}]}]
    s = cluster((CLASSES, storage_class("made", "example.com/csi", allowedTopologies=terms)), (CLAIMS, claim("c", cls="made")))
    where, plan = placed(s, mounting("c"))
    assert where == "b" and [c["metadata"]["name"] for c in plan.provision] == ["c"]


def test_a_provisioner_that_counts_space_needs_some() -> None:
    s = cluster(
        (CLASSES, storage_class("made", "example.com/csi")),
        (CLAIMS, claim("c", "5Gi", cls="made")),
        (CSI_DRIVERS, {"metadata": {"name": "example.com/csi"}, "spec": {"storageCapacity": True}}),
    )
    assert "2 node(s) did not have enough free storage" in refused(s, mounting("c"))
    topology = {"matchLabels": {"topology.kubernetes.io/zone": "1"}}
    capacity = {"metadata": {"name": "x", "namespace": "n"}, "storageClassName": "made", "capacity": "6Gi", "nodeTopology": topology}
    s.cluster.put(CAPACITIES, capacity)
    assert placed(s, mounting("c"))[0] == "a"


def test_a_claim_for_one_pod_alone_is_refused_to_a_second() -> None:
    s = cluster((CLAIMS, bound("c", "v", accessModes=["ReadWriteOncePod"])), (VOLUMES, volume("v")))
    s.add_pod("a", parse(mounting("c", name="first")))
    assert "ReadWriteOncePod access mode already in-use by another pod" in refused(s, mounting("c"))
    s.remove_pod("a", "first")
    assert isinstance(attempt(s, mounting("c")), Placement)


def test_a_labelled_volume_keeps_a_pod_in_its_zone() -> None:
    v = volume("v")
    v["metadata"]["labels"] = {"topology.kubernetes.io/zone": "2"}
    s = cluster((CLAIMS, bound("c", "v")), (VOLUMES, v))
    assert placed(s, mounting("c"))[0] == "b"
    s.remove_node("b")
    assert "node(s) had no available volume zone" in refused(s, mounting("c"))


def test_a_node_holds_only_so_many_volumes_of_a_driver() -> None:
    def csi(name: str) -> Obj:
        return volume(name, csi={"driver": "d", "volumeHandle": name})

    s = cluster(*((CLAIMS, bound(n, f"v{n}")) for n in "xyz"), *((VOLUMES, csi(f"v{n}")) for n in "xyz"))
    for name in ("a", "b"):
        driver = {"name": "d", "allocatable": {"count": 1}}
        s.cluster.put(CSI_NODES, {"metadata": {"name": name}, "spec": {"drivers": [driver]}})
        s.add_pod(name, parse(mounting("x" if name == "a" else "y", name=f"on-{name}")))
    assert "2 node(s) exceed max volume count" in refused(s, mounting("z"))
    assert placed(s, mounting("x"))[0] == "a"  # already there: it takes nothing more
