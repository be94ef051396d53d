"""Budgets in numbers and percentages; evicted pods until they are gone."""

from typing import Any

import pytest

from controllers.disruption import plan
from kubepy.runtime.clock import format_time
from tests.support.objects import NOW, meta, pod

Obj = dict[str, Any]


def pdb(disrupted: dict[str, str] | None = None, **spec: Any) -> Obj:
    return {"metadata": meta("web"), "spec": spec, "status": {"disruptedPods": disrupted or {}}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 2}, (3, 2)),
        ({"minAvailable": "50%"}, (5, 3)),
        ({"maxUnavailable": 1}, (5, 4)),
        ({"maxUnavailable": "30%"}, (5, 3)),
        ({"maxUnavailable": 9}, (5, 0)),
        ({}, (3, 1)),
    ],
)
def test_desired(spec: Obj, expected: tuple[int, int]) -> None:
    assert plan.desired(pdb(**spec), members=3, scale=5) == expected


def test_evicted_pods_do_not_count_until_the_timeout() -> None:
    pods = [pod(n, is_ready=True) for n in "abc"]
    budget = pdb({"a": format_time(NOW - 10), "b": format_time(NOW - 200), "x": format_time(NOW)}, minAvailable=1)
    kept, late, again = plan.still_disrupted(budget, pods, NOW)
    assert (list(kept), [p["metadata"]["name"] for p in late], again) == (["a"], ["b"], NOW + 110)
    assert plan.healthy(pods, kept) == 2
    status = plan.status(budget, 3, 1, 2, kept, NOW)
    assert (status["disruptionsAllowed"], status["conditions"][0]["reason"]) == (1, "SufficientPods")
    assert plan.status(budget, 0, 0, 2, {}, NOW)["disruptionsAllowed"] == 0


def test_a_condition_of_what_was_never_observed_names_no_generation() -> None:
    (entry,) = plan.conditions({"status": {}}, 0, "False", "SyncFailed", "why", NOW)
    assert "observedGeneration" not in entry
