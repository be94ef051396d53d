"""The status of a ReplicaSet."""

from controllers.replicaset import plan_status
from tests.support.objects import NOW, owner, pod, ready


def test_counts_and_the_next_availability() -> None:
    rs = owner("ReplicaSet", replicas=4, minReadySeconds=60)
    soon = pod("soon", labels={"app": "web"})
    soon["status"]["conditions"] = [ready(since=NOW - 45)]
    pods = [pod("a", is_ready=True, labels={"app": "web"}), soon, pod("c", labels={"app": "web"}), pod("d", is_ready=True)]
    status, again = plan_status(rs, pods, 1, None, NOW)
    assert status == {
        "replicas": 4, "fullyLabeledReplicas": 3, "readyReplicas": 3, "availableReplicas": 2, "terminatingReplicas": 1,
    }  # fmt: skip
    assert again == 15


def test_a_failure_becomes_a_condition_and_leaves_with_it() -> None:
    rs = owner("ReplicaSet", replicas=2)
    failed, _ = plan_status(rs, [], 0, RuntimeError("quota"), NOW)
    (condition,) = failed["conditions"]
    assert (condition["type"], condition["reason"], condition["message"]) == ("ReplicaFailure", "FailedCreate", "quota")
    rs["status"] = failed
    assert "conditions" not in plan_status(rs, [], 0, None, NOW)[0]
