"""Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs."""

from __future__ import annotations

import copy

import pytest

from apiserver.registry.strategies.cronjobs import schedule_problem
from apiserver.registry.strategies.jobpolicies import index_count


def template(labels=None, **spec):
    return {"metadata": {"labels": labels or {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


def workload(kind, api="apps/v1", **spec):
    base = {"selector": {"matchLabels": {"app": "a"}}, "template": template()}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "w"}, "spec": {**base, **spec}}


def job(**spec):
    base = {"template": {"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {**base, **spec}}


INVALID = [
    (
        workload("Deployment", selector={"matchLabels": {"app": "b"}}),
        ['spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'],
    ),
    (workload("Deployment", selector={}), ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"]),
    (
        workload("Deployment", strategy={"type": "Sometimes"}),
        ['spec.strategy: Unsupported value: {"Type":"Sometimes","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"'],
    ),
    (
        workload("Deployment", strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}),
        ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
    ),
    (
        workload("ReplicaSet", template=template(restartPolicy="Never")),
        ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ),
    (
        workload("DaemonSet", updateStrategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}),
        ["spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"],
    ),
    (
        workload("StatefulSet", podManagementPolicy="Odd"),
        ["spec.podManagementPolicy: Invalid value: \"Odd\": must be 'OrderedReady' or 'Parallel'"],
    ),
    (job(completionMode="Indexed"), []),
    (
        job(completionMode="NonIndexed", backoffLimitPerIndex=1),
        ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
    ),
    (
        job(template={"spec": {"containers": [{"name": "c", "image": "i"}]}}),
        ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ),
    (
        job(podFailurePolicy={"rules": [{"action": "Ignore"}]}),
        ["spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"],
    ),
]


@pytest.mark.parametrize(("obj", "errors"), INVALID)
def test_invalid(create, obj, errors):
    assert create(obj).errors == errors


def test_deployment_defaults(create):
    assert create(workload("Deployment")).obj["spec"]["strategy"] == {
        "type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }  # fmt: skip


def test_deployment_generation_follows_annotations_too(update):
    old = workload("Deployment")
    old["metadata"]["generation"] = 4
    new = copy.deepcopy(old)
    assert update(old, new).obj["metadata"]["generation"] == 4
    new["metadata"]["annotations"] = {"a": "b"}
    assert update(old, new).obj["metadata"]["generation"] == 5


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "DaemonSet"])
def test_selectors_do_not_change(update, kind):
    new = workload(kind, selector={"matchLabels": {"app": "b"}}, template=template({"app": "b"}))
    assert update(workload(kind), new).errors == ['spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable']


def test_daemonset_counts_its_templates(create, update):
    old = create(workload("DaemonSet")).obj
    assert old["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "1"}
    new = workload("DaemonSet", template=template(hostNetwork=True))
    assert update(old, new).obj["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "2"}


def test_statefulsets_lose_max_unavailable_which_is_off(create):
    obj = workload("StatefulSet", updateStrategy={"rollingUpdate": {"partition": 1, "maxUnavailable": 2}})
    assert create(obj).obj["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}


def test_statefulset_containers_may_mount_claim_templates(create, update):
    claims = [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]
    mounts = [{"name": "c", "image": "i", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}]
    obj = workload("StatefulSet", volumeClaimTemplates=claims, template=template(containers=mounts))
    done = create(obj)
    assert done.errors == []
    changed = copy.deepcopy(obj)
    changed["spec"]["serviceName"] = "other"
    (error,) = update(obj, changed).errors
    assert error.startswith("spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template'")


def test_job_selector_is_generated(create):
    obj = create(job()).obj
    labels = {
        "controller-uid": "uid-1", "batch.kubernetes.io/controller-uid": "uid-1", "job-name": "j", "batch.kubernetes.io/job-name": "j",
    }  # fmt: skip
    assert obj["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "uid-1"}}
    assert obj["spec"]["template"]["metadata"]["labels"] == labels == obj["metadata"]["labels"]
    assert (obj["spec"]["completions"], obj["spec"]["parallelism"], obj["spec"]["backoffLimit"]) == (1, 1, 6)
    given = job(template={"metadata": {"labels": {"app": "a"}}, **job()["spec"]["template"]})
    obj = create(given).obj
    assert obj["metadata"]["labels"] == {"app": "a", **labels}, "labels that come from the template gain what the template gains"


def test_suspended_jobs_may_be_placed_elsewhere(create, update):
    old = create(job(suspend=True)).obj
    new = copy.deepcopy(old)
    new["spec"]["template"]["spec"]["nodeSelector"] = {"a": "b"}
    assert update(old, new).errors == []
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    (error,) = update(old, new).errors
    assert error.startswith('spec.template.spec: Invalid value: {"Volumes":null,') and error.endswith("field is immutable")


def test_job_status_tells_one_story(create, update):
    old = create(job()).obj
    new = copy.deepcopy(old)
    done = {"type": "Complete", "status": "True"}
    new["status"] = {"startTime": "2024-01-01T00:00:00Z", "completionTime": "2024-01-01T00:01:00Z", "conditions": [done]}
    assert update(old, new, "status").errors == [
        "status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
    ]


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ("*/5 * * * *", None),
        ("0 0 1-15/2 JAN,feb mon-fri", None),
        ("@hourly", None),
        ("@every 1h30m", None),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("@often", "unrecognized descriptor: @often"),
    ],
)
def test_schedules(schedule, problem):
    assert schedule_problem(schedule) == problem


@pytest.mark.parametrize(("text", "count"), [("", 0), ("0", 1), ("0,2-4", 4)])
def test_index_count(text, count):
    assert index_count(text, 5) == count


@pytest.mark.parametrize(("text", "problem"), [("5", 'too large index: "5"'), ("2,1", "non-increasing order, previous: 2, current: 1")])
def test_malformed_indexes(text, problem):
    with pytest.raises(ValueError, match=problem.replace('"', '"')):
        index_count(text, 5)
