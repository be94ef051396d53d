"""The next step of a StatefulSet, ordered and parallel."""

from typing import Any

import pytest

from controllers.statefulset import identity, plan
from tests.support.objects import NOW, owner, pod, template

Obj = dict[str, Any]
REVISIONS = plan.Revisions("web-1", template(), "web-2", template(app="web", version="2"))


def statefulset(replicas: int = 3, **spec: Any) -> Obj:
    return owner("StatefulSet", replicas=replicas, serviceName="web", **{"updateStrategy": {"type": "RollingUpdate"}, **spec})


def member(number: int, *, revision: str = "web-2", phase: str = "Running", is_ready: bool = True, deleting: bool = False) -> Obj:
    labels = {identity.POD_NAME: f"web-{number}", identity.POD_INDEX: str(number), identity.REVISION: revision}
    return pod(f"web-{number}", phase=phase, is_ready=is_ready, deleting=deleting, labels=labels)


def steps(given: Obj, members: list[Obj]) -> tuple[list[str], list[str]]:
    found = plan.make(given, members, REVISIONS, NOW)
    doomed = [*found.delete, *([found.update] if found.update else [])]
    return [p["metadata"]["name"] for p in found.create], [p["metadata"]["name"] for p in doomed]


def status(given: Obj, members: list[Obj]) -> Obj:
    return plan.status(given, plan.make(given, members, REVISIONS, NOW), REVISIONS, 0, NOW)


@pytest.mark.parametrize(
    ("spec", "members", "expected"),
    [
        ({}, [], (["web-0"], [])),
        ({}, [member(0, is_ready=False)], ([], [])),
        ({}, [member(0)], (["web-1"], [])),
        ({"podManagementPolicy": "Parallel"}, [member(1, is_ready=False)], (["web-0", "web-2"], [])),
        ({}, [member(0), member(1, phase="Failed"), member(2)], ([], ["web-1"])),
        ({}, [member(n) for n in range(5)], ([], ["web-4"])),
        ({}, [*(member(n) for n in range(3)), member(3, is_ready=False), member(4)], ([], ["web-4"])),
        ({"podManagementPolicy": "Parallel"}, [member(n) for n in range(5)], ([], ["web-4", "web-3"])),
        ({}, [member(n, revision="web-1") for n in range(3)], ([], ["web-2"])),
        ({}, [member(0, revision="web-1"), member(1, revision="web-1"), member(2, is_ready=False)], ([], [])),
        ({"updateStrategy": {"type": "OnDelete"}}, [member(n, revision="web-1") for n in range(3)], ([], [])),
        (
            {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}},
            [member(0, revision="web-1"), member(1, revision="web-1"), member(2)],
            ([], []),
        ),
        ({"ordinals": {"start": 5}, "replicas": 1}, [], (["web-5"], [])),
        ({"podManagementPolicy": "Parallel"}, [member(0, revision="web-1", is_ready=False), member(1), member(2)], ([], ["web-0"])),
        ({"podManagementPolicy": "Parallel"}, [member(n, revision="web-1", is_ready=False) for n in range(3)], ([], ["web-2"])),
        ({"podManagementPolicy": "Parallel"}, [member(1, revision="web-1"), member(2)], (["web-0"], ["web-1"])),
        (
            {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}},
            [member(n, revision="web-1") for n in range(3)],
            ([], ["web-2"]),
        ),
    ],
)
def test_steps(spec: Obj, members: list[Obj], expected: tuple[list[str], list[str]]) -> None:
    assert steps(statefulset(**spec), members) == expected


def test_a_set_that_is_being_deleted_does_nothing() -> None:
    given = statefulset()
    given["metadata"]["deletionTimestamp"] = "now"
    assert steps(given, [member(7)]) == ([], [])


def test_below_the_partition_pods_come_back_in_the_old_revision() -> None:
    given = statefulset(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 1}})
    (first,) = plan.make(given, [], REVISIONS, NOW).create
    assert identity.revision_of(first) == "web-1"


def test_identity_and_claims() -> None:
    claim = {"metadata": {"name": "data", "labels": {"kind": "data"}}, "spec": {"resources": {}}}
    made = identity.new_pod(statefulset(volumeClaimTemplates=[claim]), template(), 2, "web-2")
    assert made["metadata"]["labels"][identity.POD_INDEX] == "2"
    assert (made["spec"]["hostname"], made["spec"]["subdomain"]) == ("web-2", "web")
    assert made["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-web-2"}}]
    assert identity.is_named(made) and identity.has_storage(statefulset(volumeClaimTemplates=[claim]), made)
    (wanted,) = identity.claims(statefulset(volumeClaimTemplates=[claim]), made).values()
    assert wanted["metadata"]["labels"] == {"kind": "data", "app": "web"}


def test_a_complete_update_makes_the_update_revision_current() -> None:
    found = status(statefulset(), [member(n) for n in range(3)])
    assert (found["currentRevision"], found["currentReplicas"], found["availableReplicas"]) == ("web-2", 3, 3)
    mixed = [member(0, revision="web-1"), member(1), member(2)]
    found = status(statefulset(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}), mixed)
    assert (found["currentRevision"], found["currentReplicas"], found["updatedReplicas"]) == ("web-1", 1, 2)
    assert "currentReplicas" not in status(statefulset(), mixed), "the pod that is being replaced does not count"


def test_what_is_worth_writing() -> None:
    found = status(statefulset(), [member(n) for n in range(3)])
    assert not plan.is_news({**found, "collisionCount": 7, "conditions": [{"type": "Foreign"}]}, found)
    assert plan.is_news({**found, "readyReplicas": 2}, found)


def test_an_update_is_not_complete_while_a_pod_is_missing() -> None:
    found = status(statefulset(status={}), [member(1), member(2)])
    assert (found["currentRevision"], found.get("currentReplicas", 0)) == ("web-1", 0)
