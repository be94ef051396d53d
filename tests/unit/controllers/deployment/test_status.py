"""Conditions of a Deployment: progress, completion, deadline, pause."""

from typing import Any

import pytest

from controllers.deployment import status
from kubepy.runtime.clock import format_time
from tests.support.objects import NOW, owner

Obj = dict[str, Any]


def deployment(**status_fields: Any) -> Obj:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return owner("Deployment", replicas=2, progressDeadlineSeconds=600, strategy=strategy, status=status_fields)


def rs(ready: int, total: int = 2) -> Obj:
    counts = {"replicas": total, "readyReplicas": ready, "availableReplicas": ready, "terminatingReplicas": 0}
    return owner("ReplicaSet", "web-1", replicas=total, status=counts)


def progressing(reason: str, age: float, value: str = "True") -> Obj:
    stamp = format_time(NOW - age)
    return {"type": "Progressing", "status": value, "reason": reason, "message": "", "lastUpdateTime": stamp, "lastTransitionTime": stamp}


@pytest.mark.parametrize(
    ("ready", "before", "condition", "reason", "message"),
    [
        (1, {}, progressing("NewReplicaSetCreated", 10), "ReplicaSetUpdated", 'ReplicaSet "web-1" is progressing.'),
        (2, {}, progressing("ReplicaSetUpdated", 10), "NewReplicaSetAvailable", 'ReplicaSet "web-1" has successfully progressed.'),
        (
            1,
            {"readyReplicas": 1, "availableReplicas": 1, "replicas": 2, "updatedReplicas": 2},
            progressing("ReplicaSetUpdated", 601),
            "ProgressDeadlineExceeded",
            'ReplicaSet "web-1" has timed out progressing.',
        ),
        (
            1,
            {"readyReplicas": 1, "availableReplicas": 1, "replicas": 2, "updatedReplicas": 2},
            progressing("ReplicaSetUpdated", 599),
            "ReplicaSetUpdated",
            "",
        ),
        (1, {}, progressing("NewReplicaSetAvailable", 9999), "NewReplicaSetAvailable", ""),
    ],
)
def test_progress(ready: int, before: Obj, condition: Obj, reason: str, message: str) -> None:
    found = status.rollout(deployment(**before, conditions=[condition]), rs(ready), [], NOW)
    result = status.find(found, "Progressing")
    assert result is not None
    assert (result["reason"], result["message"]) == (reason, message)


def test_availability_and_counts() -> None:
    found = status.calculate(deployment(), rs(1), [], NOW)
    available = status.find(found, "Available")
    assert available is not None
    assert (available["status"], available["reason"]) == ("False", "MinimumReplicasUnavailable")
    assert (found["unavailableReplicas"], found["updatedReplicas"], found["terminatingReplicas"]) == (1, 2, 0)


def test_a_replica_failure_is_passed_on_and_withdrawn() -> None:
    broken = rs(0)
    broken["status"]["conditions"] = [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "m", "lastTransitionTime": "t"}
    ]
    found = status.rollout(deployment(), broken, [], NOW)
    assert status.find(found, "ReplicaFailure") is not None
    assert status.find(status.rollout(deployment(conditions=found["conditions"]), rs(0), [], NOW), "ReplicaFailure") is None


def test_pause_and_resume() -> None:
    d = deployment()
    d["spec"]["paused"] = True
    found = status.paused(d, NOW)
    assert found is not None
    d["status"] = found
    assert status.paused(d, NOW) is None
    d["spec"]["paused"] = False
    resumed = status.paused(d, NOW)
    assert resumed is not None
    assert resumed["conditions"][0]["reason"] == "DeploymentResumed"


def test_when_to_look_again() -> None:
    waiting = deployment(conditions=[progressing("ReplicaSetUpdated", 100)])
    assert status.check_again(waiting, waiting["status"], NOW) == 501
    done = deployment(conditions=[progressing("ProgressDeadlineExceeded", 100, "False")])
    assert status.check_again(done, done["status"], NOW) is None


def test_no_terminating_replicas_is_news() -> None:
    assert status.differs({"terminatingReplicas": 0}, {})
    assert not status.differs({"replicas": 0, "terminatingReplicas": 0}, {"terminatingReplicas": 0})
