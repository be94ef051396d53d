from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from kubepy.api.errors import BadRequest, Conflict, StatusError
from kubepy.api.patch.managed import LAST_APPLIED, ManagedFields, ignore_times
from kubepy.api.patch.scale import to_parent, to_scale
from kubepy.api.schema import Node, node_for
from tests.support.nodes import CONFIG_MAP, INTEGER, METADATA, POD, STRING, STRINGS, node, obj

T = [f"2024-01-01T00:00:{i:02}Z" for i in range(60)]
CM = ManagedFields(CONFIG_MAP, "v1", "ConfigMap")
PODS = ManagedFields(POD, "v1", "Pod")


def cm(**data: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "cm"}, **({"data": data} if data else {})}


class Server:
    """What an API server does with ownership, on one object."""

    def __init__(self, rules: ManagedFields = CM) -> None:
        self.rules = rules
        self.live: dict[str, Any] | None = None
        self.clock = 0

    def _store(self, new: dict[str, Any]) -> dict[str, Any]:
        new["metadata"].setdefault("uid", "u")
        self.live = new
        return new

    def update(self, new: dict[str, Any], manager: str) -> dict[str, Any]:
        self.clock += 1
        new = deepcopy(new)
        if self.live is not None:
            new["metadata"]["uid"] = "u"
        entries = self.rules.on_update(self.live, new, manager, T[self.clock])
        new["metadata"].pop("managedFields", None)
        if entries:
            new["metadata"]["managedFields"] = entries
        return self._store(new)

    def apply(self, config: dict[str, Any], manager: str, force: bool = False) -> dict[str, Any]:
        self.clock += 1
        before = deepcopy((self.live, config))
        new = self.rules.on_apply(self.live, config, manager, T[self.clock], force=force)
        assert before == (self.live, config), "inputs stay as they were"
        return self._store(deepcopy(new))

    def owners(self) -> dict[str, Any]:
        assert self.live is not None
        return {f"{e['manager']}/{e['operation']}": e["fieldsV1"] for e in self.live["metadata"].get("managedFields", [])}


def test_entries_are_in_the_order_of_their_names_which_clients_compare_as_text() -> None:
    s = Server()
    s.update({**cm(b="1", a="1"), "binaryData": {"c": ""}}, "creator")
    assert json.dumps(s.owners()["creator/Update"]) == '{"f:binaryData": {".": {}, "f:c": {}}, "f:data": {".": {}, "f:a": {}, "f:b": {}}}'


def test_a_creator_owns_all_it_sets_but_not_identity() -> None:
    s = Server()
    s.update(cm(a="1", b="1"), "creator")
    assert s.owners() == {"creator/Update": {"f:data": {".": {}, "f:a": {}, "f:b": {}}}}
    entry = s.live["metadata"]["managedFields"][0]
    assert list(entry) == ["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1"]


def test_structs_of_the_type_are_not_owned_but_those_of_custom_resources_are() -> None:
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "resources": {}}]}}
    s = Server(PODS)
    s.update(pod, "m")
    container = {'k:{"name":"c"}': {".": {}, "f:name": {}, "f:resources": {}}}
    assert s.owners()["m/Update"] == {"f:spec": {"f:containers": {".": {}, **container}}}
    custom = Server(ManagedFields(POD, "v1", "Pod", custom=True))
    custom.update(pod, "m")
    assert custom.owners()["m/Update"] == {"f:spec": {".": {}, "f:containers": {".": {}, **container}}}


def test_an_updater_takes_what_it_changes_and_removal_ends_ownership() -> None:
    s = Server()
    s.update(cm(a="1", b="1"), "creator")
    s.update(cm(a="2", b="1"), "putter")
    assert s.owners() == {"creator/Update": {"f:data": {".": {}, "f:b": {}}}, "putter/Update": {"f:data": {"f:a": {}}}}
    s.update(cm(a="2"), "putter")
    assert s.owners() == {"creator/Update": {"f:data": {}}, "putter/Update": {"f:data": {"f:a": {}}}}


def test_an_update_without_changes_keeps_the_times() -> None:
    s = Server()
    first = s.update(cm(a="1"), "m")["metadata"]["managedFields"]
    assert s.update(cm(a="1"), "m")["metadata"]["managedFields"] == first
    assert s.update(cm(a="2"), "m")["metadata"]["managedFields"][0]["time"] == T[3]


def test_managed_fields_in_requests() -> None:
    s = Server()
    s.update(cm(a="1"), "m")
    reset = cm(a="2")
    reset["metadata"]["managedFields"] = []
    assert "managedFields" not in s.update(reset, "m")["metadata"]
    assert "managedFields" not in s.update(cm(a="3"), "m")["metadata"], "an object without ownership stays so"
    s = Server()
    s.update(cm(a="1"), "m")
    wrong = cm(a="1")
    wrong["metadata"]["managedFields"] = [{"manager": "x", "operation": "Guess", "apiVersion": "v1", "fieldsType": "FieldsV1"}]
    assert list(s.owners()) == ["m/Update"]
    s.update(wrong, "m")
    assert list(s.owners()) == ["m/Update"]
    other = cm(a="1")
    other["metadata"]["managedFields"] = [
        {"manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}}
    ]
    s.update(other, "m")
    assert s.owners() == {"x/Apply": {"f:data": {"f:a": {}}}}


def test_apply_conflicts_shares_and_forces() -> None:
    s = Server()
    s.apply(cm(a="1", b="1", c="1"), "alpha")
    assert s.owners() == {"alpha/Apply": {"f:data": {"f:a": {}, "f:b": {}, "f:c": {}}}}
    with pytest.raises(Conflict) as e:
        s.apply(cm(a="2", b="2", d="2"), "beta")
    assert e.value.message == 'Apply failed with 2 conflicts: conflicts with "alpha":\n- .data.a\n- .data.b'
    assert e.value.details == {
        "causes": [
            {"reason": "FieldManagerConflict", "message": 'conflict with "alpha"', "field": ".data.a"},
            {"reason": "FieldManagerConflict", "message": 'conflict with "alpha"', "field": ".data.b"},
        ]
    }
    s.apply(cm(a="1", d="2"), "beta")
    with pytest.raises(Conflict, match=r'1 conflict: conflict with "beta": \.data\.a$'):
        s.apply(cm(a="3", b="1", c="1"), "alpha")
    assert s.apply(cm(b="1"), "alpha")["data"] == {"a": "1", "b": "1", "d": "2"}
    assert s.apply(cm(a="1", b="5"), "beta", force=True)["data"] == {"a": "1", "b": "5"}
    assert s.owners() == {"beta/Apply": {"f:data": {"f:a": {}, "f:b": {}}}}
    changed = cm(a="9", b="5")
    s.update(changed, "editor")
    with pytest.raises(Conflict, match=r'conflict with "editor" using v1: \.data\.a'):
        s.apply(cm(a="1", b="5"), "beta")


def test_applying_the_same_again_changes_nothing() -> None:
    s = Server()
    first = deepcopy(s.apply(cm(a="1"), "alpha"))
    assert s.apply(cm(a="1"), "alpha") == first


def test_omitting_everything_removes_it() -> None:
    s = Server()
    s.apply(cm(a="1"), "alpha")
    out = s.apply(cm(), "alpha")
    assert not out.get("data")
    assert s.owners() == {}


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": {**spec, "containers": list(containers)}}


def test_lists_by_key_are_shared_and_atomics_are_not() -> None:
    s = Server(PODS)
    first = {"name": "one", "image": "i", "args": ["p"], "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"}]}
    s.apply(pod(first, nodeSelector={"x": "y"}, tolerations=[{"key": "k1"}]), "alpha")
    mine = {"name": "one", "env": [{"name": "B", "value": "2"}], "ports": [{"containerPort": 90, "protocol": "TCP"}]}
    out = s.apply(pod({"name": "two", "image": "j"}, mine), "beta")
    assert [c["name"] for c in out["spec"]["containers"]] == ["two", "one"]
    assert [e["name"] for e in out["spec"]["containers"][1]["env"]] == ["A", "B"]
    with pytest.raises(Conflict) as e:
        theirs = {"name": "one", "args": ["q"], "env": [{"name": "A", "value": "other"}]}
        s.apply(pod(theirs, nodeSelector={"z": "z"}, tolerations=[{"key": "k2"}]), "beta")
    assert e.value.message.splitlines()[1:] == [
        "- .spec.nodeSelector", "- .spec.tolerations",
        '- .spec.containers[name="one"].args', '- .spec.containers[name="one"].env[name="A"].value',
    ]  # fmt: skip
    out = s.apply(pod({"name": "one", "image": "i"}, nodeSelector={"x": "y"}), "alpha")
    one = out["spec"]["containers"][1]
    assert one["env"] == [{"name": "B", "value": "2"}]
    assert one["ports"] == [{"containerPort": 90, "protocol": "TCP"}]
    assert "args" not in one
    assert "tolerations" not in out["spec"]


def test_an_item_key_may_come_from_a_default() -> None:
    s = Server(PODS)
    s.apply(pod({"name": "c", "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]}), "alpha")
    ports = s.owners()["alpha/Apply"]["f:spec"]["f:containers"]['k:{"name":"c"}']["f:ports"]
    assert sorted(ports) == ['k:{"containerPort":80,"protocol":"TCP"}', 'k:{"containerPort":80,"protocol":"UDP"}']


def test_wrong_configurations() -> None:
    with pytest.raises(BadRequest, match="invalid object type: /v2, Kind=ConfigMap"):
        CM.on_apply(None, {**cm(), "apiVersion": "v2"}, "m", T[0])
    with pytest.raises(BadRequest, match=r"metadata\.managedFields must be nil"):
        CM.on_apply(None, {**cm(), "metadata": {"name": "cm", "managedFields": []}}, "m", T[0])
    with pytest.raises(StatusError, match=r"failed to create typed patch object \(/cm; /v1, Kind=ConfigMap\): \.date: field not declared"):
        CM.on_apply(None, {**cm(), "date": {}}, "m", T[0])
    with pytest.raises(StatusError, match=r'\.spec\.containers: duplicate entries for key \[name="c"\]') as e:
        PODS.on_apply(None, pod({"name": "c"}, {"name": "c"}), "m", T[0])
    assert e.value.status_code == 500
    with pytest.raises(StatusError, match=r"\.spec\.replicas: expected numeric \(int or float\), got string"):
        PODS.on_apply(None, pod(replicas="x"), "m", T[0])


def test_fields_an_endpoint_ignores_are_not_owned() -> None:
    whole = {**pod({"name": "c"}), "status": {"phase": "Running"}}
    s = Server(ManagedFields(POD, "v1", "Pod", reset_fields=("status",)))
    s.update(whole, "m")
    assert "f:status" not in s.owners()["m/Update"]
    status = Server(ManagedFields(POD, "v1", "Pod", subresource="status", only_fields=("status",)))
    status.live = s.live
    status.update({**whole, "status": {"phase": "Failed"}, "spec": {"replicas": 1}}, "kubelet")
    assert status.owners()["kubelet/Update"] == {"f:status": {"f:phase": {}}}
    entry = next(e for e in status.live["metadata"]["managedFields"] if e["manager"] == "kubelet")
    assert entry["subresource"] == "status"


def test_the_eleventh_updater_folds_the_oldest() -> None:
    s = Server()
    data = {}
    for i in range(13):
        data[f"k{i}"] = "v"
        s.update(cm(**data), f"m{i}")
    owners = s.owners()
    assert len(owners) == 10
    assert owners["ancient-changes/Update"] == {"f:data": {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}, "f:k3": {}}}


def test_first_apply_over_untracked_fields_conflicts_with_before_first_apply() -> None:
    s = Server()
    s.live = {**cm(a="1"), "metadata": {"name": "cm", "uid": "u"}}
    with pytest.raises(Conflict, match='conflict with "before-first-apply" using v1'):
        s.apply(cm(a="2"), "alpha")
    s.apply(cm(a="1", b="1"), "alpha")
    assert set(s.owners()) == {"alpha/Apply", "before-first-apply/Update"}


def test_kubectl_takes_over_its_client_side_apply() -> None:
    last = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm"},"data":{"a":"1"}}'
    s = Server()
    live = cm(a="1")
    live["metadata"]["annotations"] = {LAST_APPLIED: last}
    s.update(live, "kubectl-client-side-apply")
    out = s.apply(cm(a="2"), "kubectl")
    assert out["data"] == {"a": "2"}
    assert out["metadata"]["annotations"][LAST_APPLIED].endswith("}\n")
    with pytest.raises(Conflict):
        s.apply(cm(a="3"), "other")


def test_versions_are_converted_and_unserved_ones_dropped() -> None:
    old = obj(apiVersion=node("string"), kind=node("string"), metadata=CONFIG_MAP.fields["metadata"], values=STRINGS)

    def convert(o: dict[str, Any], version: str) -> Any:
        if version == "v0":
            return {**{k: v for k, v in o.items() if k != "data"}, "values": o.get("data", {})}, old
        return None

    s = Server(ManagedFields(CONFIG_MAP, "v1", "ConfigMap", convert=convert))
    s.live = cm(a="1", b="1")
    fields = {"f:values": {"f:a": {}, "f:b": {}}}
    s.live["metadata"]["managedFields"] = [
        {"manager": "old", "operation": "Update", "apiVersion": "v0", "fieldsType": "FieldsV1", "fieldsV1": fields},
        {"manager": "gone", "operation": "Update", "apiVersion": "v9", "fieldsType": "FieldsV1", "fieldsV1": fields},
    ]
    s.update(cm(a="2", b="1"), "new")
    assert s.owners() == {"old/Update": {"f:values": {"f:b": {}}}, "new/Update": {"f:data": {"f:a": {}}}}


def test_a_granular_field_that_became_atomic_is_owned_whole() -> None:
    s = Server(PODS)
    s.live = pod({"name": "c"}, nodeSelector={"x": "y"})
    fields = {"f:spec": {"f:nodeSelector": {".": {}, "f:x": {}}}}
    s.live["metadata"]["managedFields"] = [
        {"manager": "m", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    ]
    s.apply(pod({"name": "c"}, nodeSelector={"x": "y"}), "n")
    assert s.owners()["m/Apply"] == {"f:spec": {"f:nodeSelector": {}}}


def test_a_write_that_changes_only_times_is_undone() -> None:
    s = Server()
    old = s.update(cm(a="1"), "m")
    new = deepcopy(old)
    new["metadata"]["managedFields"][0]["time"] = T[9]
    ignore_times(new, old)
    assert new == old
    new["data"]["a"] = "2"
    new["metadata"]["managedFields"][0] = {**new["metadata"]["managedFields"][0], "time": T[9]}
    ignore_times(new, old)
    assert new["metadata"]["managedFields"][0]["time"] == T[9]


def test_scale_moves_replicas_between_owners() -> None:
    fields = {"f:spec": {"f:replicas": {}, "f:x": {}}}
    parent = [{"manager": "m", "operation": "Apply", "apiVersion": "apps/v1", "time": T[0], "fieldsType": "FieldsV1", "fieldsV1": fields}]
    paths = {"apps/v1": "spec.replicas"}
    replicas = {"f:spec": {"f:replicas": {}}}
    assert [e["fieldsV1"] for e in to_scale(parent, paths)] == [replicas]
    hpa = {"manager": "hpa", "operation": "Update", "apiVersion": "autoscaling/v1", "fieldsType": "FieldsV1", "subresource": "scale"}
    out = to_parent(parent, [{**hpa, "fieldsV1": replicas, "time": T[1]}], paths, "apps/v1")
    assert {e["manager"]: (e["fieldsV1"], e["apiVersion"]) for e in out} == {
        "m": ({"f:spec": {"f:x": {}}}, "apps/v1"), "hpa": (replicas, "apps/v1"),
    }  # fmt: skip
    assert to_parent(parent, to_scale(parent, paths), paths, "apps/v1") == parent


def test_what_a_creator_owns_is_the_same_whether_remembered_or_not() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "1"}
    metadata: list[dict[str, Any]] = [
        {"name": "a"}, {"name": "b"}, {"generateName": "a-"}, {"name": "a", "labels": {"x": "1"}}, {"name": "a", "labels": {"x": ""}},
        {"name": "a", "labels": {"y": "1"}}, {"name": "a", "labels": {}}, {"name": "a", "labels": None},
        {"name": "a", "annotations": {"x": "1"}},
        {"name": "a", "finalizers": ["x/y"]}, {"name": "a", "finalizers": ["x/z"]}, {"name": "a", "finalizers": []},
        {"name": "a", "ownerReferences": [owner]}, {"name": "a", "ownerReferences": [{**owner, "uid": "2"}]},
        {"name": "a", "ownerReferences": [{**owner, "controller": True}]}, {"name": ""}, {"name": "a", "deletionGracePeriodSeconds": 0},
    ]  # fmt: skip
    specs = [({"name": "c", "image": "i"}, {"nodeName": "n"}), ({"name": "c", "image": "j"}, {}), ({"name": "d", "image": "i"}, {})]
    made = [{**pod(container, **spec), "metadata": m} for m in metadata for container, spec in specs]
    alone = [ManagedFields(POD, "v1", "Pod").on_update(None, deepcopy(o), "m", T[0]) for o in made]
    rules = ManagedFields(POD, "v1", "Pod")
    for _ in range(2):
        assert [rules.on_update(None, deepcopy(o), "m", T[0]) for o in made] == alone


def test_what_the_creator_of_another_name_owns_need_not_be_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = ManagedFields(POD, "v1", "Pod")
    first = pod({"name": "c", "image": "i"})
    mine = rules.on_update(None, {**first, "metadata": {"name": "a", "labels": {"x": "1"}}}, "m", T[0])
    monkeypatch.setattr("kubepy.api.patch.typed.compare", None)
    again = rules.on_update(None, {**first, "metadata": {"name": "b", "labels": {"x": "2"}}}, "m", T[1])
    assert again == [{**mine[0], "time": T[1]}]


def test_a_null_container_takes_nothing_away() -> None:
    s = Server()
    s.update(cm(a="1", b="2"), "creator")
    s.apply({**cm(), "data": None}, "other")
    assert s.live is not None
    assert s.live["data"] == {"a": "1", "b": "2"}
    assert s.owners()["other/Apply"] == {"f:data": {}}


def test_an_item_key_that_go_always_writes_is_empty_by_default() -> None:
    s = Server(ManagedFields(node_for("v1", "Pod"), "v1", "Pod"))
    s.apply(pod({"image": "i"}), "alpha")
    assert list(s.owners()["alpha/Apply"]["f:spec"]["f:containers"]) == ['k:{"name":""}']


def test_ownership_is_given_up_where_another_version_does_not_know_a_field() -> None:
    def convert(value: dict[str, Any], api_version: str) -> tuple[dict[str, Any], Node]:
        return {**value, "apiVersion": api_version}, CONFIG_MAP

    s = Server(ManagedFields(CONFIG_MAP, "v1", "ConfigMap"))
    s.update(cm(a="1"), "creator")
    assert s.live is not None
    new = {**s.live, "apiVersion": "v2", "new": 1}
    rules = ManagedFields(
        obj(apiVersion=STRING, kind=STRING, metadata=METADATA, new=INTEGER), "v2", "ConfigMap", custom=True, convert=convert
    )
    assert rules.on_update(s.live, new, "m", T[9]) == []
    with pytest.raises(StatusError, match=r"\.new: field not declared in schema"):
        rules.on_apply(new, {"apiVersion": "v2", "kind": "ConfigMap", "new": 2}, "m", T[9])
