"""[sig-apps] Job and CronJob."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.conformance.plane import Obj, Plane, condition, container, meta, running, template, until


def job(name: str, command: list[str] | None = None, *, policy: str = "Never", pod: Obj | None = None, **spec: Any) -> Obj:
    whole = template({"e2e-job": name}, command, restartPolicy=policy, **(pod or {}))
    return {"metadata": meta(name), "spec": {"template": whole, **spec}}


def finished(plane: Plane, ns: str, name: str, kind: str, **status: Any) -> Obj:
    got = plane.until("jobs.batch", name, ns, lambda o: condition(o, kind) == "True", 40)
    assert {k: got["status"].get(k) for k in status} == status, got["status"]
    return got


INDEX = 'if [ "$JOB_COMPLETION_INDEX" = x ]; then exit 1; fi; exit 0'
FAILS, WORKS, RUNS = ["sh", "-c", "exit 42"], ["true"], None


def set_phase(plane: Plane, ns: str, name: str, phase: str, code: int = 0) -> None:
    """What a kubelet would say of a pod that runs without end, to decide its outcome from outside."""
    state = {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed"}}
    one = {"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    plane.patch("pods", name, {"status": {"phase": phase, "containerStatuses": [one]}}, ns, sub="status")


def by_index(plane: Plane, ns: str, name: str, count: int) -> dict[str, Obj]:
    found = plane.until_list(
        "pods", ns, lambda pods: len(pods) >= count, labelSelector=f"batch.kubernetes.io/job-name={name}"
    )  # fmt: skip
    return {p["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"]: p for p in found}


def hanging(name: str, **spec: Any) -> Obj:
    """A job whose pods no node takes: the check plays the kubelet."""
    return job(name, pod={"nodeSelector": {"no": "node"}}, **spec)


def test_indexed_with_completion_indexes_and_hostnames(plane: Plane, ns: str) -> None:
    plane.create("jobs.batch", job("ix", WORKS, parallelism=2, completions=4, completionMode="Indexed"), ns)
    finished(plane, ns, "ix", "Complete", succeeded=4, completedIndexes="0-3", ready=0)
    pods = by_index(plane, ns, "ix", 4)
    assert set(pods) == set("0123")
    for index, pod in pods.items():
        assert pod["spec"]["hostname"] == f"ix-{index}" and pod["metadata"]["name"].startswith(f"ix-{index}-")
        assert pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] == index
        names = [e["name"] for e in pod["spec"]["containers"][0]["env"]]
        assert "JOB_COMPLETION_INDEX" in names


def test_pod_failure_policy_fails_early_by_exit_code(plane: Plane, ns: str) -> None:
    rule = {"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [42]}}
    plane.create("jobs.batch", job("pf", FAILS, backoffLimit=6, podFailurePolicy={"rules": [rule]}), ns)
    got = finished(plane, ns, "pf", "Failed", failed=1)
    assert {c["reason"] for c in got["status"]["conditions"]} == {"PodFailurePolicy"}


def test_pod_failure_policy_ignores_disruptions(plane: Plane, ns: str) -> None:
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    made = job("pi", RUNS, backoffLimit=0, completions=1, podFailurePolicy={"rules": [rule]})
    plane.create("jobs.batch", made, ns)
    (first,) = plane.until_list("pods", ns, running)
    name = first["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta(name, namespace=ns)}
    plane.create("pods", eviction, ns, name=name, sub="eviction")
    plane.until_list("pods", ns, lambda pods: any(p["metadata"]["name"] != name for p in running(pods)))
    got = plane.get("jobs.batch", "pi", ns)
    assert not got["status"].get("failed") and not condition(got, "Failed")


def test_backoff_limit_per_index_runs_all(plane: Plane, ns: str) -> None:
    plane.create("jobs.batch", hanging("bl", parallelism=2, completions=4, completionMode="Indexed", backoffLimitPerIndex=0), ns)
    for pair in (("0", "1"), ("2", "3")):
        until(lambda pair=pair: set(pair) <= set(by_index(plane, ns, "bl", 1)))
        pods = by_index(plane, ns, "bl", 1)
        for index in pair:
            set_phase(plane, ns, pods[index]["metadata"]["name"], "Failed" if int(index) % 2 else "Succeeded", int(index) % 2)
    got = finished(plane, ns, "bl", "Failed", failedIndexes="1,3", completedIndexes="0,2", succeeded=2, failed=2)
    assert {c["reason"] for c in got["status"]["conditions"]} == {"FailedIndexes"}


def test_max_failed_indexes_end_a_job(plane: Plane, ns: str) -> None:
    spec: Obj = {"completionMode": "Indexed", "backoffLimitPerIndex": 0, "maxFailedIndexes": 1, "completions": 10, "parallelism": 10}
    plane.create("jobs.batch", hanging("mf", **spec), ns)
    pods = by_index(plane, ns, "mf", 10)
    for index in "13":
        set_phase(plane, ns, pods[index]["metadata"]["name"], "Failed", 1)
    got = finished(plane, ns, "mf", "Failed")
    assert got["status"]["conditions"][-1]["reason"] == "MaxFailedIndexesExceeded"


def test_fail_index_of_a_pod_failure_policy(plane: Plane, ns: str) -> None:
    rule = {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [42]}}
    spec: Obj = {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1}
    plane.create("jobs.batch", hanging("fi", podFailurePolicy={"rules": [rule]}, **spec), ns)
    pods = by_index(plane, ns, "fi", 2)
    set_phase(plane, ns, pods["0"]["metadata"]["name"], "Failed", 42)
    set_phase(plane, ns, pods["1"]["metadata"]["name"], "Succeeded")
    finished(plane, ns, "fi", "Failed", failedIndexes="0", completedIndexes="1", failed=1, succeeded=1)


@pytest.mark.parametrize(
    ("rule", "indexes", "completed", "reason"),
    [
        ({"succeededIndexes": "0-2"}, "012", "0-2", "SuccessPolicy"),
        ({"succeededIndexes": "1"}, "1", "1", "SuccessPolicy"),
        ({"succeededCount": 2}, "04", "0,4", "SuccessPolicy"),
    ],
)
def test_success_policy(plane: Plane, ns: str, rule: Obj, indexes: str, completed: str, reason: str) -> None:
    spec: Obj = {"completionMode": "Indexed", "completions": 5, "parallelism": 5, "successPolicy": {"rules": [rule]}}
    plane.create("jobs.batch", hanging("sp", **spec), ns)
    pods = by_index(plane, ns, "sp", 5)
    for index in indexes:
        set_phase(plane, ns, pods[index]["metadata"]["name"], "Succeeded")
    got = finished(plane, ns, "sp", "Complete", completedIndexes=completed, succeeded=len(indexes))
    assert condition(got, "SuccessCriteriaMet") == "True"
    assert {c["reason"] for c in got["status"]["conditions"]} == {reason}
    assert not got["status"].get("terminating") and not got["status"].get("active")


def test_tasks_that_fail_sometimes_restart_locally(plane: Plane, ns: str) -> None:
    """The container restarts in place; the job ends when the pods have succeeded, and counts no failure."""
    plane.create("jobs.batch", job("rl", ["sh", "-c", "exit 1"], policy="OnFailure", completions=1, backoffLimit=1000), ns)
    found = plane.until_list("pods", ns, lambda pods: pods and (pods[0]["status"].get("containerStatuses") or [{}])[0].get("restartCount"))
    assert len(found) == 1
    got = plane.get("jobs.batch", "rl", ns)
    assert got["status"]["active"] == 1 and not got["status"].get("failed")


def test_a_job_is_deleted_with_its_pods(plane: Plane, ns: str) -> None:
    plane.create("jobs.batch", job("d", RUNS, parallelism=2, completions=4), ns)
    plane.until("jobs.batch", "d", ns, lambda o: o["status"].get("active") == 2)
    plane.delete("jobs.batch", "d", ns, propagationPolicy="Background")
    plane.gone("jobs.batch", "d", ns)
    plane.until_list("pods", ns, lambda pods: not pods)


def test_orphans_are_adopted_and_others_released(plane: Plane, ns: str) -> None:
    made = plane.create("jobs.batch", job("ao", RUNS, parallelism=2, completions=4), ns)
    name = plane.until_list("pods", ns, lambda pods: len(pods) == 2)[0]["metadata"]["name"]
    plane.patch("pods", name, {"metadata": {"ownerReferences": None}}, ns)
    owners = plane.until("pods", name, ns, lambda o: o["metadata"].get("ownerReferences"))["metadata"]["ownerReferences"]
    assert owners[0]["uid"] == made["metadata"]["uid"] and owners[0]["controller"]
    plane.patch("pods", name, {"metadata": {"labels": None}}, ns)
    plane.until("pods", name, ns, lambda o: not o["metadata"].get("ownerReferences"))


def test_suspend_lifecycle_and_status(plane: Plane, ns: str) -> None:
    plane.create("jobs.batch", job("s", WORKS, suspend=True, parallelism=1, completions=1), ns)
    plane.until("jobs.batch", "s", ns, lambda o: condition(o, "Suspended") == "True")
    now = plane.get("jobs.batch", "s", ns, "status")["status"]
    one = {"type": "CustomConditionType", "status": "True", "lastProbeTime": None, "lastTransitionTime": "2026-01-01T00:00:00Z"}
    now["conditions"].append(one)
    patched = plane.patch("jobs.batch", "s", {"status": {"conditions": now["conditions"]}}, ns, sub="status")
    assert condition(patched, "CustomConditionType") == "True"
    plane.patch("jobs.batch", "s", {"spec": {"suspend": False}}, ns)
    got = finished(plane, ns, "s", "Complete", succeeded=1)
    assert condition(got, "Suspended") == "False" and condition(got, "CustomConditionType") == "True"


def cronjob(name: str, command: list[str] | None, schedule: str = "*/1 * * * *", **spec: Any) -> Obj:
    inner = {
        "spec": {
            "template": {"spec": {"restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 0, "containers": [container(command)]}}
        }
    }
    return {"metadata": meta(name), "spec": {"schedule": schedule, "jobTemplate": inner, **spec}}


def test_cron_jobs_by_concurrency_policy(plane: Plane, ns: str) -> None:
    """What happens at the next minute, for a job that still runs: another one, none, or a replacement. Suspended ones do nothing."""
    policies = ("Allow", "Forbid", "Replace")
    past = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=2)).replace(second=0, microsecond=0)
    for policy in policies:
        plane.create("cronjobs.batch", cronjob(policy.lower(), None, concurrencyPolicy=policy, suspend=True), ns)
    plane.create("cronjobs.batch", cronjob("suspended", None, suspend=True), ns)
    for policy in policies:
        # its last run was two minutes ago: the next one is due
        stamp = past.strftime("%Y-%m-%dT%H:%M:%SZ")
        plane.patch("cronjobs.batch", policy.lower(), {"status": {"lastScheduleTime": stamp}}, ns, sub="status")
        plane.patch("cronjobs.batch", policy.lower(), {"spec": {"suspend": False}}, ns)
    first = {p: plane.until("cronjobs.batch", p.lower(), ns, lambda o: o["status"].get("active"))["status"]["active"] for p in policies}
    for policy in policies:
        stamp = past.strftime("%Y-%m-%dT%H:%M:%SZ")
        plane.patch("cronjobs.batch", policy.lower(), {"status": {"lastScheduleTime": stamp}}, ns, sub="status")
        plane.patch("cronjobs.batch", policy.lower(), {"metadata": {"labels": {"again": "yes"}}}, ns)
    # the same minute again has the same name: nothing new may appear
    assert {o["metadata"]["name"] for o in plane.list("jobs.batch", ns)} >= {a[0]["name"] for a in first.values()}
    assert not plane.get("cronjobs.batch", "suspended", ns)["status"].get("lastScheduleTime")
