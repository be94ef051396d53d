"""Sizes of ReplicaSets during rollouts and scaling, as tables."""

from typing import Any

import pytest

from controllers.deployment import plan, revisions
from kubepy.runtime.clock import format_time
from tests.support.objects import NOW, owner

Obj = dict[str, Any]


def deployment(replicas: int, surge: int | str = "25%", unavailable: int | str = "25%", **spec: Any) -> Obj:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    return owner("Deployment", replicas=replicas, **{"strategy": strategy, **spec})


def rs(name: str, size: int, available: int | None = None, age: float = 0, **annotations: str) -> Obj:
    metadata = {"creationTimestamp": format_time(NOW - age), "annotations": annotations}
    available = size if available is None else available
    return owner(
        "ReplicaSet",
        name,
        replicas=size,
        metadata=metadata,
        status={"replicas": size, "availableReplicas": available, "observedGeneration": 1},
    )


def sizes(found: plan.Sizes) -> dict[str, int]:
    return {r["metadata"]["name"]: n for r, n in found}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [(10, "25%", "25%", (3, 2)), (1, "25%", "25%", (1, 0)), (10, 0, 0, (0, 1)), (10, 2, "50%", (2, 5)), (3, "1%", "1%", (1, 0))],
)
def test_fenceposts(replicas: int, surge: int | str, unavailable: int | str, expected: tuple[int, int]) -> None:
    assert plan.fenceposts(deployment(replicas, surge, unavailable)) == expected


@pytest.mark.parametrize(
    ("replicas", "surge", "new", "old", "expected"),
    [(10, 2, 0, 10, 2), (10, 2, 2, 10, 2), (10, 2, 2, 8, 4), (10, 2, 8, 0, 10), (5, 10, 0, 5, 5)],
)
def test_new_size(replicas: int, surge: int, new: int, old: int, expected: int) -> None:
    assert plan.new_size(deployment(replicas, surge), [rs("new", new), rs("old", old)], new) == expected


@pytest.mark.parametrize(
    ("unavailable", "new", "available", "old", "expected"),
    [
        (0, 1, 0, [("o", 10, 10)], {}),
        (2, 0, 0, [("o", 10, 10)], {"o": 8}),
        (0, 2, 2, [("o", 10, 10)], {"o": 8}),
        (0, 2, 0, [("o", 10, 8)], {}),
        (2, 2, 0, [("o", 10, 8)], {"o": 8}),
        (2, 1, 1, [("a", 5, 2), ("b", 5, 5)], {"a": 2}),
    ],
)
def test_shrink_old(unavailable: int, new: int, available: int, old: list[tuple[str, int, int]], expected: dict[str, int]) -> None:
    found = plan.shrink_old(deployment(10, 2, unavailable), rs("new", new, available), [rs(*o) for o in old])
    assert sizes(found) == expected


def test_unhealthy_pods_go_first_and_by_themselves() -> None:
    found = plan.shrink_old(deployment(10, 2, 4), rs("new", 2, 2), [rs("old", 10, 8)])
    assert [n for _, n in found] == [8, 4]


def test_a_set_that_has_not_caught_up_with_its_size_is_waited_for() -> None:
    assert plan.shrink_old(deployment(4, 0, 2), rs("new", 6, 0), [rs("old", 4, 8)]) == []


def test_scaling_is_proportional_and_leaves_nothing_over() -> None:
    d = deployment(20, 0, 5)
    sets = [rs(n, s, age=a, **{plan.MAXIMUM: "10"}) for n, s, a in (("new", 5, 1), ("mid", 3, 2), ("old", 2, 3))]
    assert sizes(plan.scale(d, sets[0], sets[1:])) == {"new": 10, "mid": 6, "old": 4}
    down = deployment(5, 0, 5)
    assert sum(sizes(plan.scale(down, sets[0], sets[1:])).values()) == 5


def test_a_single_active_set_takes_all() -> None:
    new, old = rs("new", 3), rs("old", 0)
    assert sizes(plan.scale(deployment(7), new, [old])) == {"new": 7}
    assert plan.scale(deployment(3), new, [old]) == []


def test_a_saturated_new_set_ends_the_old_ones() -> None:
    new = rs("new", 5, **{plan.DESIRED: "5"})
    assert sizes(plan.scale(deployment(5), new, [rs("old", 2)])) == {"old": 0}


def test_history_is_cleaned_from_the_lowest_revision() -> None:
    old = [rs(f"r{n}", 0, **{revisions.REVISION: str(n)}) for n in (3, 1, 2)]
    found = plan.to_clean(deployment(1, revisionHistoryLimit=1), old, revisions.revision)
    assert [r["metadata"]["name"] for r in found] == ["r1", "r2"]
    busy = [rs("busy", 1, **{revisions.REVISION: "1"}), rs("r2", 0, **{revisions.REVISION: "2"})]
    assert plan.to_clean(deployment(1, revisionHistoryLimit=1), busy, revisions.revision) == []


def test_the_hash_label_does_not_make_templates_differ() -> None:
    d, a = deployment(1), rs("a", 1)
    a["spec"]["template"] = {**a["spec"]["template"], "metadata": {"labels": {"app": "web", plan.HASH_LABEL: "x"}}}
    new, old = plan.split(d, [a])
    assert (new, old) == (a, [])


def test_a_rollback_puts_the_former_number_into_the_history() -> None:
    d = deployment(2)
    d["metadata"]["annotations"] = {"team": "x", revisions.REVISION: "9", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    fresh = revisions.new_set_annotations(d, None, 1)
    assert fresh == {"team": "x", revisions.REVISION: "1", plan.DESIRED: "2", plan.MAXIMUM: "3"}
    again = revisions.new_set_annotations(d, {revisions.REVISION: "2", revisions.HISTORY: "1"}, 5)
    assert (again[revisions.REVISION], again[revisions.HISTORY]) == ("5", "1,2")
