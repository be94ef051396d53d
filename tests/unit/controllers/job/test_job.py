"""Jobs: indexes, policies, backoff, and what a look at the pods means."""

from typing import Any

import pytest

from controllers.job import backoff, indexes, policies
from controllers.job.pod import FINALIZER, build
from controllers.job.state import State
from kubepy.runtime.clock import format_time
from tests.support.objects import NOW, owner, pod, ready

Obj = dict[str, Any]


def job(status: Obj | None = None, **spec: Any) -> Obj:
    made = owner("Job", "work", api_version="batch/v1", status=status, **{"parallelism": 1, "completions": 1, "backoffLimit": 6, **spec})
    del made["spec"]["replicas"]
    return made


def child(
    name: str, phase: str, index: int | None = None, *, exit_code: int | None = None, annotations: Obj | None = None, **fields: Any
) -> Obj:
    notes = {**(annotations or {}), **({indexes.INDEX: str(index)} if index is not None else {})}
    made = pod(name, phase=phase, finalizers=[FINALIZER], annotations=notes, **fields)
    if exit_code is not None:
        ended = {"exitCode": exit_code, "finishedAt": format_time(NOW - 5)}
        made["status"]["containerStatuses"] = [{"name": "app", "state": {"terminated": ended}}]
    return made


@pytest.mark.parametrize(("numbers", "text"), [([], ""), ([0], "0"), ([0, 1], "0,1"), ([0, 1, 2], "0-2"), ([1, 3, 4, 5, 9], "1,3-5,9")])
def test_index_texts(numbers: list[int], text: str) -> None:
    assert indexes.render(numbers) == text
    assert indexes.parse(text, 100) == set(numbers)


def test_indexes_beyond_the_completions_are_dropped() -> None:
    assert indexes.parse("0-5,8", 4) == {0, 1, 2, 3}
    assert indexes.first_pending({0, 2}, 2, 4) == [1, 3]


def test_surplus_keeps_one_pod_per_index() -> None:
    unready, good = pod("a", annotations={indexes.INDEX: "0"}), pod("b", is_ready=True, node="n", annotations={indexes.INDEX: "0"})
    stray = pod("c", annotations={indexes.INDEX: "7"})
    assert indexes.surplus([unready, good, stray], 2, NOW) == ([stray, unready], [good])


def test_generated_names_leave_room() -> None:
    assert indexes.generate_name("work", 3) == "work-3-"
    assert len(indexes.generate_name("x" * 63, 12)) == 58


@pytest.mark.parametrize(
    ("rule", "result"),
    [
        ({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}, ("fails", True, "FailJob")),
        ({"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [42]}}, (None, True, None)),
        ({"action": "Ignore", "onExitCodes": {"operator": "In", "values": [42]}}, (None, False, "Ignore")),
        ({"action": "Count", "onExitCodes": {"operator": "In", "values": [42], "containerName": "other"}}, (None, True, None)),
        ({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}, (None, True, None)),
    ],
)
def test_failure_policy(rule: Obj, result: tuple[str | None, bool, str | None]) -> None:
    message, counts, action = policies.judge(job(podFailurePolicy={"rules": [rule]}), child("p", "Failed", exit_code=42))
    assert (counts, action) == result[1:]
    text = "Container app for pod ns/p failed with exit code 42 matching FailJob rule at index 0"
    assert message == (text if result[0] else None)


def test_success_policy() -> None:
    policy = {"rules": [{"succeededIndexes": "0-3", "succeededCount": 2}, {"succeededIndexes": "5"}]}
    made = job(completions=6, completionMode="Indexed", successPolicy=policy)
    assert policies.succeeded_enough(made, {0, 4}) is None
    assert policies.succeeded_enough(made, {0, 3}) == "Matched rules at index 0"
    assert policies.succeeded_enough(made, {5}) == "Matched rules at index 1"


def test_backoff_doubles_and_success_resets_it() -> None:
    failed = child("p", "Failed", exit_code=1)
    record = backoff.updated(backoff.Record(), [], [failed])
    assert record.remaining(NOW) == 5
    record = backoff.updated(record, [], [failed])
    assert record.remaining(NOW) == 15
    assert backoff.Record(50, NOW).remaining(NOW) == backoff.LIMIT
    assert backoff.updated(record, [child("s", "Succeeded", exit_code=0)], []) == backoff.Record()


def test_when_a_pod_finished() -> None:
    made = NOW - 3600
    assert backoff.finished_at(child("p", "Failed")) == made, "nothing but its creation is known"
    unready = child("p", "Failed")
    unready["status"]["conditions"] = [ready("False", NOW - 7)]
    assert backoff.finished_at(unready) == NOW - 7
    sidecar = child("p", "Failed", exit_code=1)
    sidecar["spec"]["initContainers"] = [{"name": "proxy", "restartPolicy": "Always"}, {"name": "setup"}]
    ended = {"exitCode": 0, "finishedAt": format_time(NOW - 1)}
    sidecar["status"]["initContainerStatuses"] = [{"name": "setup", "state": {}}, {"name": "proxy", "state": {"terminated": ended}}]
    assert backoff.finished_at(sidecar) == NOW - 1
    sidecar["status"]["containerStatuses"].append({"name": "other", "state": {"running": {}}})
    sidecar["status"]["initContainerStatuses"] = []
    assert backoff.finished_at(sidecar) == made, "while a container runs, ends say nothing"
    assert backoff.finished_at(child("p", "Running", deleting=True)) == NOW


@pytest.mark.parametrize(
    ("spec", "pods", "reason"),
    [
        ({}, [], None),
        ({"backoffLimit": 0}, [("Failed", None)], "BackoffLimitExceeded"),
        ({"backoffLimit": 1}, [("Failed", None)], None),
        (
            {"completions": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 0, "backoffLimit": 99},
            [("Failed", 0), ("Succeeded", 1)],
            "FailedIndexes",
        ),
        (
            {"completions": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 0, "maxFailedIndexes": 1, "backoffLimit": 99},
            [("Failed", 0), ("Failed", 1)],
            "MaxFailedIndexesExceeded",
        ),
    ],
)
def test_judgement(spec: Obj, pods: list[tuple[str, int | None]], reason: str | None) -> None:
    state = State(job(**spec), [child(f"p{i}", phase, index) for i, (phase, index) in enumerate(pods)], NOW, set())
    state.judge()
    assert (state.finished["reason"] if state.finished else None) == reason


def test_a_pod_counts_once() -> None:
    done = child("p", "Succeeded")
    uid = done["metadata"]["uid"]
    assert State(job(), [done], NOW, set()).succeeded == 1
    assert State(job({"uncountedTerminatedPods": {"succeeded": [uid]}}), [done], NOW, set()).succeeded == 1
    assert State(job({"succeeded": 1}), [done], NOW, {uid}).succeeded == 1


def test_the_deadline_counts_from_the_exact_start() -> None:
    state = State(job({"startTime": format_time(NOW)}, activeDeadlineSeconds=1), [], NOW + 1.5, set(), started=NOW + 0.9)
    assert state.judge() == pytest.approx(0.4)
    assert State(job({"startTime": format_time(NOW)}, activeDeadlineSeconds=1), [], NOW + 1.5, set()).judge() == pytest.approx(-0.5)


def test_the_pod_of_an_index() -> None:
    made = build(job(completions=2, completionMode="Indexed", backoffLimitPerIndex=1), 1, child("old", "Failed", 1))
    assert made["metadata"]["generateName"] == "work-1-"
    assert made["metadata"]["annotations"] == {indexes.INDEX: "1", policies.FAILURES: "1"}
    assert made["spec"]["hostname"] == "work-1"
    assert made["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
    assert made["metadata"]["finalizers"] == [FINALIZER]
