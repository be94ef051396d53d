"""Pods: defaults, every family of validation errors, updates, and what validation may cost."""

from __future__ import annotations

import copy
import time

import pytest

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric "
    "character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def pod(container=None, **spec):
    containers = [{"name": "c", "image": "i", **(container or {})}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers, **spec}}


VALID = [
    pod(),
    pod({"env": [{"name": "A-b.c!", "value": "x"}]}),
    pod({"ports": [{"containerPort": 80, "hostPort": 8080}]}, hostNetwork=False),
    pod({"lifecycle": {"preStop": {"sleep": {"seconds": 0}}}}),
    pod({"resources": {"limits": {"example.com/gpu": "2"}}}),
    pod(initContainers=[{"name": "s", "image": "i", "restartPolicy": "Always", "startupProbe": {"exec": {"command": ["a"]}}}]),
    pod(tolerations=[{"operator": "Exists"}]),
    pod(volumes=[{"name": "v"}]),
    pod(dnsPolicy="None", dnsConfig={"nameservers": ["192.0.2.1"], "searches": ["_x.example.com", "."]}),
]

INVALID = [
    (pod({"name": "Bad"}), [f'spec.containers[0].name: Invalid value: "Bad": {LABEL}']),
    (pod({"image": ""}), ["spec.containers[0].image: Required value"]),
    (pod({"image": " i"}), ['spec.containers[0].image: Invalid value: " i": must not have leading or trailing whitespace']),
    (
        pod({"imagePullPolicy": "Often"}),
        ['spec.containers[0].imagePullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", "Never"'],
    ),
    (
        pod({"ports": [{"containerPort": 0}, {"containerPort": 70000, "protocol": "ICMP"}]}),
        [
            "spec.containers[0].ports[0].containerPort: Required value",
            "spec.containers[0].ports[1].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            'spec.containers[0].ports[1].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
        ],
    ),
    (
        pod({"env": [{"name": "A", "value": "v", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
        ['spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    ),
    (
        pod({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.bogus"}}}]}),
        [
            'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.bogus": '
            "error converting fieldPath: field label not supported: spec.bogus"
        ],
    ),
    (
        pod({"volumeMounts": [{"name": "no", "mountPath": "/x"}, {"name": "no", "mountPath": "/x"}]}),
        [
            'spec.containers[0].volumeMounts[0].name: Not found: "no"',
            'spec.containers[0].volumeMounts[1].name: Not found: "no"',
            'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
        ],
    ),
    (
        pod({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}),
        ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
    ),
    (
        pod({"resources": {"limits": {"hugepages-2Mi": "3Mi"}}}),
        [
            'spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "3Mi": '
            "3Mi is not positive integer multiple of hugepages-2Mi",
            'spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: "3Mi": '
            "3Mi is not positive integer multiple of hugepages-2Mi",
            "spec.containers[0].resources: Forbidden: HugePages require cpu or memory",
        ],
    ),
    (
        pod({"livenessProbe": {"successThreshold": 2, "tcpSocket": {"port": 1}, "exec": {"command": ["x"]}}}),
        [
            "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
            "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ],
    ),
    (
        pod({"securityContext": {"runAsUser": -1, "procMount": "Some"}}),
        [
            "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            'spec.containers[0].securityContext.procMount: Unsupported value: "Some": supported values: "Default", "Unmasked"',
        ],
    ),
    (pod(restartPolicy="Often"), ['spec.restartPolicy: Unsupported value: "Often": supported values: "Always", "OnFailure", "Never"']),
    (
        pod(volumes=[{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]),
        ["spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type"],
    ),
    (
        pod(volumes=[{"name": "v", "nfs": {"server": "s", "path": "rel"}}]),
        ['spec.volumes[0].nfs.path: Invalid value: "rel": must be an absolute path'],
    ),
    (
        pod(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
        ["spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'"],
    ),
    (
        pod(topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "No"}]),
        [
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
            'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "No": '
            'supported values: "DoNotSchedule", "ScheduleAnyway"',
        ],
    ),
    (
        pod(nodeName="n", schedulingGates=[{"name": "a/b"}]),
        ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
    ),
    (pod(hostAliases=[{"ip": "01.2.3.4"}]), ['spec.hostAliases[0].ip: Invalid value: "01.2.3.4": must not have leading 0s']),
    (pod(dnsPolicy="None"), ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"]),
]


@pytest.mark.parametrize("obj", VALID)
def test_valid(create, obj):
    assert create(obj).errors == []


@pytest.mark.parametrize(("obj", "errors"), INVALID)
def test_invalid(create, obj, errors):
    assert create(obj).errors == errors


def test_defaults_that_depend_on_other_fields(create):
    obj = pod(
        {"resources": {"limits": {"cpu": "1"}}, "ports": [{"containerPort": 80}]},
        hostNetwork=True,
        serviceAccount="old",
        volumes=[{"name": "v"}],
        initContainers=[{"name": "a", "image": "r.example:5000/a"}, {"name": "b", "image": "b:1"}],
    )
    spec = create(obj).obj["spec"]
    c = spec["containers"][0]
    assert c["resources"]["requests"] == {"cpu": "1"}
    assert c["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]
    assert [i["imagePullPolicy"] for i in spec["initContainers"]] == ["Always", "IfNotPresent"]
    assert (spec["serviceAccount"], spec["serviceAccountName"]) == ("old", "old")
    assert spec["volumes"] == [{"name": "v", "emptyDir": {}}]
    assert spec["enableServiceLinks"] is True


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
    ],
)
def test_quality_of_service(create, resources, expected):
    assert create(pod({"resources": resources})).obj["status"]["qosClass"] == expected


def test_match_label_keys_become_expressions(create):
    term = {"topologyKey": "zone", "labelSelector": {}, "matchLabelKeys": ["app", "absent"], "mismatchLabelKeys": ["tier"]}
    obj = pod(affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})
    obj["metadata"]["labels"] = {"app": "a", "tier": "t"}
    found = create(obj).obj["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]
    assert found["labelSelector"]["matchExpressions"] == [
        {"key": "app", "operator": "In", "values": ["a"]},
        {"key": "tier", "operator": "NotIn", "values": ["t"]},
    ]


def test_gated_fields_are_dropped(create):
    found = create(pod({"lifecycle": {"stopSignal": "SIGUSR1"}})).obj["spec"]["containers"][0]
    assert "lifecycle" not in found


def test_warnings(create):
    obj = pod({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, nodeSelector={"beta.kubernetes.io/os": "linux"})
    assert create(obj).warnings == [
        'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
    ]


def test_only_images_deadline_and_tolerations_change(update):
    old = pod(tolerations=[{"key": "a", "operator": "Exists"}])
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["image"] = "other"
    new["spec"]["tolerations"].append({"key": "b", "operator": "Exists"})
    new["spec"]["activeDeadlineSeconds"] = 5
    assert update(old, new).errors == []
    new["spec"]["hostname"] = "h"
    (error,) = update(old, new).errors
    assert error.startswith("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`")
    assert '\n- "Hostname": "",\n+ "Hostname": "h",\n' in error


def test_ephemeral_containers_are_only_added(update):
    old = pod(ephemeralContainers=[{"name": "e", "image": "i", "imagePullPolicy": "Always"}])
    more = copy.deepcopy(old)
    more["spec"]["ephemeralContainers"].append({"name": "f", "image": "i"})
    assert update(old, more, "ephemeralcontainers").errors == []
    changed = copy.deepcopy(old)
    changed["spec"]["ephemeralContainers"][0]["image"] = "j"
    (error,) = update(old, changed, "ephemeralcontainers").errors
    assert error.startswith('spec.ephemeralContainers: Forbidden: existing ephemeral containers "e" may not be changed\n@@')


def test_resize_keeps_the_quality_of_service(update):
    old = pod({"resources": {"requests": {"cpu": "1"}}})
    new = pod({"resources": {"requests": {"cpu": "2"}}, "image": "ignored"})
    done = update(old, new, "resize")
    assert done.errors == [] and done.obj["spec"]["containers"][0]["image"] == "i"
    removed = update(old, pod({"resources": {}}), "resize").errors
    assert "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed" in removed


@pytest.mark.parametrize(
    ("new", "errors"),
    [
        (
            pod({"name": "other", "resources": {"requests": {"cpu": "1"}}}),
            ["spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize"],
        ),
        (
            pod({"resources": {"requests": {"cpu": "1"}}}, initContainers=[{"name": "i", "image": "i"}]),
            ["spec.initContainers: Forbidden: initContainers may not be added or removed on resize"],
        ),
        (
            pod({"resources": {"requests": {"cpu": "1", "ephemeral-storage": "1"}}}),
            ["spec: Forbidden: only cpu and memory resources are mutable"],
        ),
        (pod({"resources": {"requests": {"cpu": "1"}}}, resources={"requests": {"memory": "1Mi"}}), []),
    ],
)
def test_what_a_resize_may_not_change(update, new, errors):
    found = update(pod({"resources": {"requests": {"cpu": "1"}}}), new, "resize").errors
    assert [e for e in found if "Forbidden" in e] == errors


def test_init_containers_are_resized_unless_they_were_to_be_restarted(update):
    def with_init(cpu, **more):
        resources = {"requests": {"cpu": cpu}}
        return pod({"resources": resources}, initContainers=[{"name": "i", "image": "i", "resources": resources, **more}])

    assert update(with_init("1"), with_init("2"), "resize").errors == []
    policy = [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]
    (error,) = update(with_init("1", resizePolicy=policy), with_init("2", resizePolicy=policy), "resize").errors
    assert error.endswith("non-sidecar init containers with a resize policy of RestartContainer cannot be resized")


def test_resize_names_the_init_containers_it_may_not_change(update):
    init = {"name": "i", "image": "i", "resources": {"requests": {"cpu": "1"}}}
    old = pod({"resources": {"requests": {"cpu": "1"}}}, initContainers=[init])
    assert update(old, pod({"resources": {"requests": {"cpu": "1"}}}), "resize").errors == [
        "spec.initContainers: Forbidden: initContainers may not be added or removed on resize"
    ]
    renamed = pod({"resources": {"requests": {"cpu": "1"}}}, initContainers=[{**init, "name": "j"}])
    assert update(old, renamed, "resize").errors == [
        "spec.initContainers[0].name: Forbidden: initContainers may not be renamed or reordered on resize"
    ]
    more = pod({"resources": {"requests": {"cpu": "1"}}}, initContainers=[{**init, "resources": {"requests": {"cpu": "2"}}}])
    assert update(old, more, "resize").errors == []
    disk = {**init, "resources": {"requests": {"cpu": "1", "ephemeral-storage": "1"}}}
    assert update(old, pod({"resources": {"requests": {"cpu": "1"}}}, initContainers=[disk]), "resize").errors == [
        "spec.initContainers[0]: Forbidden: only cpu and memory resources for init or sidecar containers are mutable"
    ]


def test_resize_of_the_pod_itself(update):
    old = pod(resources={"requests": {"cpu": "1"}})
    assert update(old, pod(resources={"requests": {"cpu": "2"}}), "resize").errors == []
    assert "spec.resources: Forbidden: pod-level resources cannot be removed" in update(old, pod(), "resize").errors
    claims = pod(resources={"requests": {"memory": "1"}})
    assert "spec.resources.requests: Forbidden: pod-level resource requests cannot be removed" in update(old, claims, "resize").errors


def test_status_of_containers_that_ended(update):
    old = pod(restartPolicy="Never")
    old["status"] = {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 0}}}]}
    new = copy.deepcopy(old)
    new["status"]["containerStatuses"][0]["state"] = {"running": {}}
    assert update(old, new, "status").errors == [
        "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    ]


def test_validation_is_cheap(create):
    """A pod of usual size takes well under a millisecond, so that admission and storage dominate a create."""
    mounts = [{"name": f"v{i}", "mountPath": f"/v{i}"} for i in range(5)]
    obj = pod({"volumeMounts": mounts, "env": [{"name": f"E{i}", "value": "x"} for i in range(10)]})
    obj["spec"]["volumes"] = [{"name": f"v{i}", "configMap": {"name": "c"}} for i in range(5)]
    create(obj)

    def took() -> float:
        start = time.process_time()
        create(obj)
        return time.process_time() - start

    # The quickest of many, by processor time: what else the machine does is not measured.
    assert min(took() for _ in range(20)) < 0.005


def test_a_spec_that_was_sound_once_may_be_wrong_in_another_pod(create):
    claim = {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}
    obj = pod(volumes=[{"name": "v", "ephemeral": claim}, {"name": "w", "persistentVolumeClaim": {"claimName": "q-v"}}])
    assert create(obj).errors == []
    named = {**obj, "metadata": {"name": "q"}}
    text = "must not reference a PVC that gets created for an ephemeral volume"
    assert create(named).errors == [f'spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: "q-v": {text}']


def test_errors_and_warnings_are_told_every_time(create):
    wrong, odd = pod({"name": "Bad"}), pod({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]})
    assert create(wrong).errors == create(wrong).errors != []
    assert list(create(odd).warnings) == list(create(odd).warnings) != []
    seccomp = {**pod(), "metadata": {"name": "p", "annotations": {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}}}
    assert list(create(pod()).warnings) == []
    assert len(create(seccomp).warnings) == 1
