"""[sig-api-machinery] CustomResourceDefinition resources, watch, field selectors, published OpenAPI, field validation, aggregation."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import httpx
import pytest

from tests.conformance.backend import Backend
from tests.conformance.crds import ANY, CRDS, definition, established, instance
from tests.conformance.plane import Obj, Plane, condition, meta, path_of, unique, until, workload

SCHEMA: Obj = {
    "type": "object",
    "description": "Foo CRD for Testing",
    "properties": {
        "spec": {
            "type": "object",
            "description": "Specification of Foo",
            "properties": {
                "bars": {
                    "type": "array",
                    "description": "List of Bars and their specs.",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string"},
                            "age": {"type": "string"},
                            "feeling": {"type": "string", "enum": ["Great"]},
                        },
                    },
                }
            },
        },
        "status": {"type": "object", "description": "Status of Foo"},
    },
}


def swagger(plane: Plane, wanted: set[str], unwanted: set[str] = frozenset()) -> Obj:  # type: ignore[assignment]
    """The definitions of /openapi/v2 as soon as they have (and lack) these."""

    def holds() -> Any:
        found = plane.call("GET", "/openapi/v2")["definitions"]
        return found if wanted <= found.keys() and not unwanted & found.keys() else None

    found: Obj = until(holds)
    return found


def name_of(crd: Obj, version: str) -> str:
    return ".".join(reversed(crd["spec"]["group"].split("."))) + f".{version}.{crd['spec']['names']['kind']}"


def test_openapi_is_published(plane: Plane, ns: str) -> None:
    crd = definition(["v1"], SCHEMA)
    with established(plane, crd):
        found = swagger(plane, {name_of(crd, "v1")})[name_of(crd, "v1")]
        assert found["description"] == "Foo CRD for Testing" and set(found["properties"]) == {
            "kind",
            "apiVersion",
            "metadata",
            "spec",
            "status",
        }
        assert found["x-kubernetes-group-version-kind"] == [
            {"group": crd["spec"]["group"], "kind": crd["spec"]["names"]["kind"], "version": "v1"}
        ]
        v3 = plane.call("GET", f"/openapi/v3/apis/{crd['spec']['group']}/v1")
        assert name_of(crd, "v1") in v3["components"]["schemas"]
    swagger(plane, set(), {name_of(crd, "v1")})


@pytest.mark.parametrize("schema", [ANY, {"type": "object", "properties": {"spec": {**ANY, "x-kubernetes-embedded-resource": True}}}])
def test_openapi_of_unknown_fields(plane: Plane, schema: Obj) -> None:
    crd = definition(["v1"], schema)
    with established(plane, crd):
        found = swagger(plane, {name_of(crd, "v1")})[name_of(crd, "v1")]
        if schema is ANY:
            assert found["type"] == "object" and "properties" not in found  # so that kubectl accepts everything
        else:
            assert found["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"] is True


def test_openapi_of_several(plane: Plane) -> None:
    one, two, three = definition(["v1", "v2"], SCHEMA), definition(["v3"], SCHEMA), definition(["v4"], SCHEMA)
    other = definition(["v1"], SCHEMA, group=one["spec"]["group"])
    with established(plane, one), established(plane, two), established(plane, three), established(plane, other):
        swagger(plane, {name_of(one, "v1"), name_of(one, "v2"), name_of(two, "v3"), name_of(three, "v4"), name_of(other, "v1")})
        # a version is renamed, another one is no longer served
        renamed = [{"op": "replace", "path": "/spec/versions/1/name", "value": "v5"}]
        plane.patch(CRDS, one["metadata"]["name"], renamed, kind="json-patch+json")
        swagger(plane, {name_of(one, "v1"), name_of(one, "v5")}, {name_of(one, "v2")})
        unserved = [{"op": "replace", "path": "/spec/versions/1/served", "value": False}]
        plane.patch(CRDS, one["metadata"]["name"], unserved, kind="json-patch+json")
        swagger(plane, {name_of(one, "v1")}, {name_of(one, "v5")})


def test_aggregated_discovery_of_definitions(plane: Plane) -> None:
    crd = definition(["v1"])
    with established(plane, crd):
        accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}

        def there() -> Any:
            groups = {i["metadata"]["name"]: i for i in plane.call("GET", "/apis", headers=accept)["items"]}
            return groups.get(crd["spec"]["group"])

        (version,) = until(there)["versions"]
        assert version["resources"][0]["resource"] == crd["spec"]["names"]["plural"] and version["resources"][0]["scope"] == "Namespaced"


def test_watch_of_custom_resources_and_field_selectors(plane: Plane, ns: str) -> None:
    fields = {"type": "object", "properties": {"host": {"type": "string"}, "port": {"type": "integer"}}}
    crd = definition(["v1", "v2"], fields, selectableFields=[{"jsonPath": ".host"}, {"jsonPath": ".port"}])
    with established(plane, crd) as what, plane.watch(what, ns, fieldSelector="host=host1") as one:
        with plane.watch(what.replace(".v1.", ".v2."), ns, fieldSelector="host=host1,port=80") as two:
            plane.create(what, instance(crd, "a", host="host1", port=80), ns)
            plane.create(what, instance(crd, "b", host="host1", port=8080), ns)
            plane.create(what, instance(crd, "c", host="host2"), ns)
            assert [o["metadata"]["name"] for o in plane.list(what, ns, fieldSelector="host=host1")] == ["a", "b"]
            assert [o["metadata"]["name"] for o in plane.list(what, ns, fieldSelector="host=host1,port=80")] == ["a"]
            plane.patch(what, "a", {"host": "host3"}, ns)
            plane.delete(what, "b", ns)
            assert [(k, o["metadata"]["name"]) for k, o in islice(one, 4)] == [
                ("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("DELETED", "b"),
            ]  # fmt: skip
            assert [(k, o["metadata"]["name"]) for k, o in islice(two, 2)] == [("ADDED", "a"), ("DELETED", "a")]
        plane.call("GET", path_of(what, ns), code=400, fieldSelector="nope=1")


def test_definitions_list_status_and_collection(plane: Plane) -> None:
    label = unique("crds")
    made = [definition(["v1"]) for _ in range(3)]
    for crd in made:
        crd["metadata"]["labels"] = {"e2e": label}
        plane.create(CRDS, crd)
    assert len(plane.list(CRDS, labelSelector=f"e2e={label}")) == 3
    name = made[0]["metadata"]["name"]
    plane.until(CRDS, name, "", lambda o: condition(o, "Established") == "True")
    now = plane.get(CRDS, name, sub="status")
    now["status"]["conditions"].append({"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from an e2e test"})
    assert condition(plane.update(CRDS, now, "status"), "StatusUpdate") == "True"
    patch = {"status": {"conditions": [{"type": "StatusPatched", "status": "True", "reason": "E2E", "message": "m"}]}}
    assert condition(plane.patch(CRDS, name, patch, sub="status"), "StatusPatched") == "True"
    plane.delete_collection(CRDS, labelSelector=f"e2e={label}")
    plane.until_list(CRDS, "", lambda found: not found, labelSelector=f"e2e={label}")


def test_defaulting_of_requests_and_from_storage(plane: Plane, ns: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "default": "A"}, "b": {"type": "string"}}}
    crd = definition(["v1"], schema)
    with established(plane, crd) as what:
        assert plane.create(what, instance(crd, "x"), ns)["a"] == "A"
        path = "/spec/versions/0/schema/openAPIV3Schema/properties/b/default"
        plane.patch(CRDS, crd["metadata"]["name"], [{"op": "add", "path": path, "value": "B"}], kind="json-patch+json")
        plane.until(what, "x", ns, lambda o: o.get("b") == "B")
        gone = [{"op": "remove", "path": path.replace("/b/", "/a/")}, {"op": "replace", "path": path, "value": "C"}]
        plane.patch(CRDS, crd["metadata"]["name"], gone, kind="json-patch+json")
        assert plane.until(what, "x", ns, lambda o: o.get("b") == "C")["a"] == "A"


# -- field validation


def apply(plane: Plane, what: str, ns: str, name: str, text: str, validation: str = "Strict") -> httpx.Response:
    headers = {"Content-Type": "application/apply-patch+yaml"}
    params = {"fieldManager": "field-validation-mgr", "fieldValidation": validation}
    return plane.http.patch(path_of(what, ns, name), content=text, headers=headers, params=params)


def test_unknown_and_duplicate_fields_of_a_typed_object(plane: Plane, ns: str) -> None:
    made = workload("Deployment", "d", 1)
    made["spec"]["unknownField"] = "x"
    text = json.dumps(made).replace('"replicas": 1', '"replicas": 1, "replicas": 2')
    for kind in ("Strict", "Warn", "Ignore"):
        params = {"fieldValidation": kind, "dryRun": "All"}
        answer = plane.http.post(path_of("deployments.apps", ns), content=text, params=params, headers={"Content-Type": "application/json"})
        if kind == "Strict":
            message = answer.json()["message"]
            assert answer.status_code == 400 and "strict decoding error: " in message
            assert 'unknown field "spec.unknownField"' in message and 'duplicate field "spec.replicas"' in message
        else:
            assert answer.status_code == 201 and bool(answer.headers.get_list("warning")) == (kind == "Warn")
    got = apply(plane, "deployments.apps", ns, "d", json.dumps(made))
    assert got.status_code == 500 and ".spec.unknownField: field not declared in schema" in got.text


def test_unknown_metadata_fields(plane: Plane, ns: str) -> None:
    made = workload("Deployment", "d", 1)
    made["metadata"]["unknownMeta"] = "x"
    made["spec"]["template"]["metadata"]["unknownMeta"] = "x"
    got = plane.create("deployments.apps", made, ns, code=400, fieldValidation="Strict")
    assert 'unknown field "metadata.unknownMeta"' in got["message"]
    assert 'unknown field "spec.template.metadata.unknownMeta"' in got["message"]
    embedded = {**ANY, "x-kubernetes-embedded-resource": True}
    crd = definition(["v1"], {"type": "object", "properties": {"spec": {"type": "object", "properties": {"template": embedded}}}})
    with established(plane, crd) as what:
        inner = {"apiVersion": "v1", "kind": "Sub", "metadata": {"name": "s", "unknownSubMeta": "x"}}
        bad = instance(crd, "x", spec={"template": inner})
        bad["metadata"]["unknownMeta"] = "x"
        got = plane.create(what, bad, ns, code=400, fieldValidation="Strict")
        assert 'unknown field "metadata.unknownMeta"' in got["message"]
        assert 'unknown field "spec.template.metadata.unknownSubMeta"' in got["message"]


def test_field_validation_of_custom_resources(plane: Plane, ns: str) -> None:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "foo": {"type": "string"}, "cronSpec": {"type": "string"}}}}}  # fmt: skip
    crd = definition(["v1"], schema)
    with established(plane, crd) as what:
        good = instance(crd, "good", spec={"foo": "foo1", "cronSpec": "* * * * */5"})
        assert apply(plane, what, ns, "good", json.dumps(good)).status_code == 201
        extra = instance(crd, "extra", spec={"foo": "f", "extraProperty": "arbitrary-value"})
        got = apply(plane, what, ns, "extra", json.dumps(extra))
        assert got.status_code in (400, 500) and "extraProperty" in got.text
        assert "extraProperty" in plane.create(what, extra, ns, code=400, fieldValidation="Strict")["message"]
    crd = definition(["v1"])
    with established(plane, crd) as what:
        free = instance(crd, "free", spec={"unknown": "u"})
        assert apply(plane, what, ns, "free", json.dumps(free)).status_code == 201
        text = json.dumps(instance(crd, "twice", spec={"foo": 1})).replace('"foo": 1', '"foo": 1, "foo": 2')
        params = {"fieldValidation": "Strict"}
        got = plane.http.post(path_of(what, ns), content=text, params=params, headers={"Content-Type": "application/json"})
        assert got.status_code == 400 and 'duplicate field "spec.foo"' in got.json()["message"]
        assert 'key \\"foo\\" already set in map' in apply(plane, what, ns, "twice", text).text


# -- the aggregator


def test_an_extension_api_server_is_aggregated(plane: Plane, ns: str, backend: Backend) -> None:
    """A group that another server serves: discovery, objects, errors, APIService status and deletion."""
    group = f"{unique('wardle')}.example.com"
    base = f"/apis/{group}/v1alpha1"
    resource = {"name": "flunders", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["create", "delete", "get", "list"]}
    listed = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{group}/v1alpha1", "resources": [resource]}
    version = {"groupVersion": f"{group}/v1alpha1", "version": "v1alpha1"}
    objects: dict[str, Obj] = {}

    def flunders(path: str, body: Any) -> tuple[int, Any]:
        if body is not None and "metadata" in body:
            objects[body["metadata"]["name"]] = body
            return 201, body
        name = path.split("?")[0].rpartition("/")[2]
        if name == "flunders":
            return 200, {"kind": "FlunderList", "apiVersion": f"{group}/v1alpha1", "metadata": {}, "items": list(objects.values())}
        return (200, objects[name]) if name in objects else (404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})

    backend.handlers |= {
        "/apis": lambda p, b: (200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
            {"name": group, "versions": [version], "preferredVersion": version}]}),
        f"/apis/{group}": lambda p, b: (200, {"kind": "APIGroup", "apiVersion": "v1", "name": group,
                                           "versions": [version], "preferredVersion": version}),
        base: lambda p, b: (200, listed),
        f"{base}/namespaces": flunders,
    }  # fmt: skip
    name = f"v1alpha1.{group}"
    spec = {"group": group, "version": "v1alpha1", "groupPriorityMinimum": 2000, "versionPriority": 200, "insecureSkipTLSVerify": True,
            "service": {"name": "sample-api", "namespace": ns, "port": backend.port}}  # fmt: skip
    what = "apiservices.apiregistration.k8s.io"
    plane.create(what, {"metadata": meta(name, labels={"e2e": "yes"}), "spec": spec})
    try:
        got = plane.until(what, name, "", lambda o: condition(o, "Available"))
        assert condition(got, "Available") == "False"  # there is no such Service yet
        assert plane.http.get(base).status_code == 503
        # loopback is no endpoint: the address goes through a name instead
        plane.create("services", {"metadata": meta("sample-api"), "spec": {"type": "ExternalName", "externalName": "127.0.0.1"}}, ns)
        plane.until(what, name, "", lambda o: condition(o, "Available") == "True")
        assert until(lambda: (a := plane.http.get(base)).status_code == 200 and a.json()) == listed
        assert group in [g["name"] for g in plane.call("GET", "/apis")["groups"]]
        made = {"apiVersion": f"{group}/v1alpha1", "kind": "Flunder", "metadata": meta("f", namespace=ns)}
        collection = f"{base}/namespaces/{ns}/flunders"
        plane.call("POST", collection, made, code=201)
        assert plane.call("GET", f"{collection}/f") == made and plane.call("GET", collection)["items"] == [made]
        plane.call("GET", f"{collection}/none", code=404)
        now = plane.get(what, name, sub="status")
        now["status"]["conditions"].append({"type": "StatusUpdated", "status": "True", "reason": "E2E", "message": "Set by e2e test"})
        assert condition(plane.update(what, now, "status"), "StatusUpdated") == "True"
        assert plane.patch(what, name, {"spec": {"versionPriority": 400}})["spec"]["versionPriority"] == 400
    finally:
        plane.delete_collection(what, labelSelector="e2e=yes")
    plane.gone(what, name)
    until(lambda: plane.http.get(base).status_code == 404)
