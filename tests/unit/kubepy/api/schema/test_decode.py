"""The decoder does to an object what Go's round trip does."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kubepy.api.kinds import RESOURCES
from kubepy.api.schema import DecodeError, decoder_for, node_for, with_empties
from kubepy.api.schema.decode import Decoded
from kubepy.api.schema.defaults import DEFAULTS
from kubepy.api.schema.definitions import node_for_definition

Obj = dict[str, Any]


def decode(api_version: str, kind: str, obj: Any) -> Obj:
    return decoder_for(node_for(api_version, kind)).decode(obj).obj


def pod(**container: Any) -> Obj:
    return decode("v1", "Pod", {"spec": {"containers": [container]}})["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("api_version", "kind", "obj", "message"),
    [
        ("v1", "ConfigMap", {"data": {"a": 1}}, "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        (
            "apps/v1", "Deployment", {"spec": {"replicas": "three"}},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "v1", "Pod", {"spec": {"containers": {"name": "c"}}},
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            "v1", "Pod", {"spec": {"containers": [{"image": 1}]}},
            "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string",
        ),
        (
            "v1", "Pod", {"spec": {"restartPolicy": True}},
            "json: cannot unmarshal bool into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy",
        ),
        (
            "apps/v1", "Deployment", {"spec": {"replicas": 3000000000}},
            "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "apps/v1", "Deployment", {"spec": {"replicas": 1.5}},
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "v1", "Service", {"spec": {"ports": [{"targetPort": []}]}},
            "json: cannot unmarshal array into Go struct field ServicePort.spec.ports.targetPort of type int32",
        ),
        (
            "v1", "Pod", {"spec": {"volumes": [{"secret": 1}]}},
            "json: cannot unmarshal number into Go struct field Volume.spec.volumes.VolumeSource.secret of type v1.SecretVolumeSource",
        ),
        (
            "v1", "Pod", {"spec": {"containers": [{"livenessProbe": {"httpGet": {"path": 1}}}]}},
            "json: cannot unmarshal number into Go struct field HTTPGetAction.spec.containers.livenessProbe.ProbeHandler.httpGet.path "
            "of type string",
        ),
        ("v1", "Secret", {"data": {"a": "!!"}}, "illegal base64 data at input byte 0"),
        (
            "v1", "Pod", {"spec": {"containers": [{"resources": {"limits": {"cpu": "lots"}}}]}},
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            "v1", "ConfigMap", {"metadata": {"creationTimestamp": "yesterday"}},
            'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
        ),
    ],
)  # fmt: skip
def test_type_errors(api_version: str, kind: str, obj: Obj, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(api_version, kind, obj)
    assert str(caught.value) == message


def test_unknown_fields_are_pruned_and_named() -> None:
    found = decoder_for(node_for("v1", "Pod")).decode(
        {"metadata": {"lables": {}}, "spec": {"containers": [{"name": "a"}, {"ports": [{"containerport": 1}]}]}, "foo": {"bar": 1}}
    )
    assert found.unknown == ["metadata.lables", "spec.containers[1].ports[0].containerport", "foo"]
    assert found.obj["spec"]["containers"][1]["ports"] == [{"containerPort": 0, "protocol": "TCP"}]
    assert "foo" not in found.obj


def test_a_struct_without_fields_is_a_struct() -> None:
    def crd(status: Any) -> Obj:
        return {"spec": {"versions": [{"name": "v1", "subresources": {"status": status}}]}}

    decode = decoder_for(node_for("apiextensions.k8s.io/v1", "CustomResourceDefinition")).decode
    out = decode(crd({"q": 1}))
    assert out.obj["spec"]["versions"][0]["subresources"] == {"status": {}}
    assert out.unknown == ["spec.versions[0].subresources.status.q"]
    with pytest.raises(DecodeError, match=r"status of type v1.CustomResourceSubresourceStatus$"):
        decode(crd(""))


def test_opaque_fields_keep_everything() -> None:
    entry = {"manager": "m", "fieldsV1": {"f:spec": {"f:x": {}}}}
    assert decode("v1", "ConfigMap", {"metadata": {"managedFields": [entry]}})["metadata"]["managedFields"] == [entry]


def test_nulls_and_empty_values_go_where_go_drops_them() -> None:
    spec = decode("v1", "Pod", {"spec": {"hostname": "", "hostNetwork": False, "nodeSelector": {}, "tolerations": [], "overhead": None}})[
        "spec"
    ]
    assert not {"hostname", "hostNetwork", "nodeSelector", "tolerations", "overhead"} & spec.keys()


@pytest.mark.parametrize(
    ("schema", "normal"),
    [
        ({"items": {"type": "string", "format": "", "nullable": False, "bogus": 1}}, {"items": {"type": "string"}}),
        ({"items": [{"type": "string", "title": ""}]}, {"items": [{"type": "string"}]}),
        ({"items": {"items": {"pattern": "", "type": "object"}}}, {"items": {"items": {"type": "object"}}}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        ({"additionalProperties": {"id": "", "type": "object"}}, {"additionalProperties": {"type": "object"}}),
        ({"dependencies": {"a": ["b"], "c": {"id": "", "title": "t"}}}, {"dependencies": {"a": ["b"], "c": {"title": "t"}}}),
    ],
)
def test_schemas_inside_schemas_are_normalised_too(schema: Obj, normal: Obj) -> None:
    node = node_for_definition("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
    assert decoder_for(node).decode(schema) == Decoded(normal, [])


def test_a_schema_or_a_boolean_is_nothing_else() -> None:
    node = node_for_definition("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
    with pytest.raises(DecodeError, match="boolean or JSON schema expected"):
        decoder_for(node).decode({"additionalProperties": "x"})


def test_pointers_keep_zeros() -> None:
    spec = decode("apps/v1", "Deployment", {"spec": {"replicas": 0, "minReadySeconds": 0}})["spec"]
    assert spec["replicas"] == 0 and "minReadySeconds" not in spec
    assert decode("v1", "ConfigMap", {"immutable": False})["immutable"] is False
    assert pod(securityContext={"privileged": False})["securityContext"] == {"privileged": False}


def test_what_go_always_writes_is_written() -> None:
    event = decode("v1", "Event", {})
    assert {k: event[k] for k in ("eventTime", "firstTimestamp", "source", "reportingComponent")} == {
        "eventTime": None,
        "firstTimestamp": None,
        "source": {},
        "reportingComponent": "",
    }
    status = decode("apps/v1", "DaemonSet", {})["status"]
    assert status == {"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0}
    assert decode("apps/v1", "Deployment", {})["spec"]["template"]["metadata"] == {}
    assert pod()["resources"] == {} and pod()["name"] == ""


def test_null_elements_become_zero_values() -> None:
    assert decode("v1", "ConfigMap", {"data": {"a": None}, "binaryData": {"b": None}}) == {
        "data": {"a": ""},
        "binaryData": {"b": ""},
        "metadata": {},
    }
    assert pod(args=["a", None])["args"] == ["a", ""]
    assert decode("v1", "Pod", {"spec": {"containers": [None]}})["spec"]["containers"][0]["name"] == ""


def test_scalars_are_made_canonical() -> None:
    limits = pod(resources={"limits": {"cpu": 1, "memory": "1024Mi", "ephemeral-storage": "0.1m"}})["resources"]["limits"]
    assert limits == {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1m"}
    lease = decode("coordination.k8s.io/v1", "Lease", {"spec": {"renewTime": "2024-01-01T00:00:00.000001+01:00"}})
    assert lease["spec"]["renewTime"] == "2023-12-31T23:00:00.000001Z"
    when = {"metadata": {"deletionTimestamp": "2024-02-29T12:00:00.5-02:30"}}
    assert decode("v1", "ConfigMap", when)["metadata"]["deletionTimestamp"] == "2024-02-29T14:30:00Z"
    assert decode("v1", "Secret", {"data": {"a": "Zm\n9v"}})["data"]["a"] == "Zm9v"


def test_static_defaults() -> None:
    spec = decode("v1", "Pod", {"spec": {"containers": [{"livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 0}}]}})["spec"]
    assert (spec["restartPolicy"], spec["dnsPolicy"], spec["schedulerName"]) == ("Always", "ClusterFirst", "default-scheduler")
    assert spec["terminationGracePeriodSeconds"] == 30 and spec["securityContext"] == {}
    probe = spec["containers"][0]["livenessProbe"]
    assert (probe["periodSeconds"], probe["failureThreshold"]) == (10, 3)
    assert probe["httpGet"] == {"port": 80, "path": "/", "scheme": "HTTP"}
    spec = decode("v1", "Pod", {"spec": {"terminationGracePeriodSeconds": 0}})["spec"]
    assert spec["terminationGracePeriodSeconds"] == 0
    assert decode("autoscaling/v2", "HorizontalPodAutoscaler", {})["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 80


def test_defaults_are_not_shared() -> None:
    first = decode("storage.k8s.io/v1", "CSIDriver", {})["spec"]["volumeLifecycleModes"]
    first.append("Ephemeral")
    assert decode("storage.k8s.io/v1", "CSIDriver", {})["spec"]["volumeLifecycleModes"] == ["Persistent"]
    security = decode("v1", "Pod", {})["spec"]["securityContext"]
    security["x"] = 1
    assert decode("v1", "Pod", {})["spec"]["securityContext"] == {}


def test_every_default_names_a_field() -> None:
    for definition, fields in DEFAULTS.items():
        assert set(fields) <= set(node_for_definition(definition).fields), definition


@pytest.mark.parametrize("kind", ["Pod", "Service", "Node", "Event"])
def test_the_input_is_left_alone_and_decoding_twice_changes_nothing(kind: str) -> None:
    obj = {"kind": kind, "apiVersion": "v1", "metadata": {"name": "a", "labels": {"x": "y"}}, "spec": {"containers": [{"args": ["x"]}]}}
    before = copy.deepcopy(obj)
    once = decode("v1", kind, obj)
    assert obj == before
    assert decode("v1", kind, once) == once
    assert list(once)[:3] == ["kind", "apiVersion", "metadata"]
    assert once["metadata"]["labels"] is not obj["metadata"]["labels"]  # type: ignore[index]


@pytest.mark.parametrize("r", RESOURCES, ids=lambda r: f"{r.qualified}/{r.version}")
def test_every_kind_compiles_and_its_empty_object_is_stable(r: Any) -> None:
    empty = decode(r.api_version, r.kind, {})
    assert decode(r.api_version, r.kind, empty) == empty


def test_recursive_types() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}, "b": {"bogus": 1}}}
    crd = {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}
    found = decoder_for(node_for("apiextensions.k8s.io/v1", "CustomResourceDefinition")).decode(crd)
    out = found.obj["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert out["properties"]["a"] == {"type": "array", "items": {"type": "object"}}
    assert found.unknown == ["spec.versions[0].schema.openAPIV3Schema.properties.b.bogus"]


def test_members_that_a_change_left_alone_are_copied() -> None:
    decoder = decoder_for(node_for("v1", "Pod"))
    live = decoder.decode({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}}).obj
    patched = {**live, "metadata": {"name": "p", "labels": {"a": "b"}, "nonsense": 1}}
    found = decoder.decode(patched, live)
    assert found == decoder.decode(patched)
    assert found.unknown == ["metadata.nonsense"]
    assert list(found.obj)[:3] == ["kind", "apiVersion", "metadata"]
    found.obj["spec"]["containers"].clear()
    assert live["spec"]["containers"]
    # Equal is not enough: 1 and true are.
    live["spec"]["priority"] = 1
    with pytest.raises(DecodeError, match="cannot unmarshal bool"):
        decoder.decode({**live, "spec": {**live["spec"], "priority": True}}, live)


def test_null_quantities_are_none_where_go_holds_pointers() -> None:
    assert "capacity" not in decode("storage.k8s.io/v1", "CSIStorageCapacity", {"capacity": None})


def test_lists_that_become_null_can_be_told() -> None:
    sent = {"kind": "Role", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "r"}, "rules": []}
    decoded = decoder_for(node_for("rbac.authorization.k8s.io/v1", "Role")).decode(sent)
    assert decoded.obj["rules"] is None
    assert decoded.emptied
    assert decoded.unknown == []
    assert with_empties(sent, decoded.obj)["rules"] == []
    assert not decoder_for(node_for("v1", "ConfigMap")).decode({"data": {}}).emptied
