"""Replicas from metrics, and from recommendations."""

from typing import Any

import pytest

from controllers.hpa import behavior, calculator
from controllers.hpa.metrics import MetricsError
from tests.support.objects import NOW, pod

Obj = dict[str, Any]
TOLERANCES = calculator.Tolerances()


def groups(ready: int, unready: set[str] = frozenset(), missing: set[str] = frozenset()) -> calculator.Groups:  # type: ignore[assignment]
    return calculator.Groups(ready, set(unready), set(missing), set())


@pytest.mark.parametrize(
    ("values", "found", "expected"),
    [
        ({"a": 500, "b": 500}, groups(2), (2, 50)),
        ({"a": 800, "b": 1000}, groups(2), (4, 90)),
        ({"a": 100, "b": 100}, groups(2), (1, 10)),
        ({"a": 540, "b": 540}, groups(2), (2, 54)),
        ({"a": 1000, "b": 900}, groups(1, unready={"b"}), (2, 100)),
        ({"a": 100}, groups(1, missing={"b"}), (2, 10)),
    ],
)
def test_utilization(values: dict[str, int], found: calculator.Groups, expected: tuple[int, int]) -> None:
    wanted = {"a": 1000, "b": 1000}
    assert calculator.by_utilization(2, 50, values, wanted, found, TOLERANCES)[:2] == expected


def test_requests_must_be_there() -> None:
    with pytest.raises(MetricsError, match="missing request for cpu in container app of Pod p"):
        calculator.requests([pod("p")], "cpu", None)
    with pytest.raises(MetricsError, match="container other not found in Pod p"):
        calculator.requests([pod("p")], "cpu", "other")
    nothing = calculator.Groups(0, {"p"}, set(), set())
    with pytest.raises(MetricsError, match=r"did not receive metrics for targeted pods \(pods might be unready\)"):
        calculator.by_average(1, 100, {"p": 5}, nothing, calculator.Tolerances())


def test_values_of_the_whole() -> None:
    assert calculator.by_value(3, 2.0, 3, TOLERANCES) == 6
    assert calculator.by_value(3, 1.05, 3, TOLERANCES) == 3
    assert calculator.per_pod(2, 100_000, 10_000, TOLERANCES) == 10


def hpa(**spec: Any) -> Obj:
    return {"spec": {"minReplicas": 1, "maxReplicas": 10, **spec}}


def test_growth_is_bounded_and_shrinking_waits() -> None:
    memory = behavior.Memory()
    grown = behavior.plain(hpa(), 2, 10, memory, 300, NOW)
    assert (grown.replicas, grown.conditions[1][2]) == (4, "ScaleUpLimit")
    held = behavior.plain(hpa(), 4, 1, memory, 300, NOW + 100)
    assert (held.conditions[0][2], held.replicas) == ("ScaleDownStabilized", 8)
    assert behavior.plain(hpa(), 4, 1, memory, 300, NOW + 1000).replicas == 1
    assert behavior.plain(hpa(minReplicas=3), 4, 1, behavior.Memory(), 300, NOW).conditions[1][2] == "TooFewReplicas"
    assert behavior.plain(hpa(), 9, 20, behavior.Memory(), 300, NOW).conditions[1][2] == "TooManyReplicas"


def test_policies() -> None:
    rules = {
        "scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]},
        "scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}]},
    }
    memory = behavior.Memory()
    assert behavior.ruled(hpa(behavior=rules), 4, 10, memory, 300, NOW).replicas == 6
    memory.changed(4, 6, NOW, 60)
    assert behavior.ruled(hpa(behavior=rules), 6, 10, memory, 300, NOW + 30).replicas == 6
    assert behavior.ruled(hpa(behavior=rules), 6, 10, memory, 300, NOW + 90).replicas == 8
    assert behavior.ruled(hpa(behavior=rules), 8, 1, behavior.Memory(), 300, NOW).replicas == 4
    assert behavior.longest_period(hpa(behavior=rules)) == 60
