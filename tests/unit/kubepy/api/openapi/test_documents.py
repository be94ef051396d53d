"""The OpenAPI documents."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from kubepy.api.kinds import RESOURCES, resource
from kubepy.api.openapi import Documents, Source, schemas
from kubepy.api.openapi.schemas import references
from kubepy.api.resource import Resource, Subresource

WIDGET = Resource(
    "example.com", "v1", "widgets", "Widget", "widget", True,
    subresources=(Subresource("status", "Widget", ("get", "patch", "update")),), custom=True,
)  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"size": {"x-kubernetes-int-or-string": True, "anyOf": [{}], "nullable": True}}}
    },
}
BUILT_IN = [Source(r) for r in RESOURCES]


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents("v1.36.0", [*BUILT_IN, Source(WIDGET, SCHEMA)])


def load(documents: Documents, path: str) -> dict[str, Any]:
    body = documents.v3(path)
    assert body is not None
    found: dict[str, Any] = orjson.loads(body)
    return found


def test_the_index_leads_to_every_group_version(documents: Documents) -> None:
    paths = documents.index()["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/autoscaling/v1", "apis/autoscaling/v2", "apis/example.com/v1"} <= set(paths)
    for path, entry in paths.items():
        url, _, query = entry["serverRelativeURL"].partition("?")
        status, media, _, headers = documents.answer(url, {}, query)
        assert (status, media, headers["Cache-Control"]) == (200, "application/json", "public, immutable"), path


def test_every_reference_resolves_and_every_operation_is_unique(documents: Documents) -> None:
    for path in documents.index()["paths"]:
        document = load(documents, path)
        schemas = document["components"]["schemas"]
        assert set(references(document)) <= set(schemas)
        operations = [o for item in document["paths"].values() for m, o in item.items() if m != "parameters"]
        ids = [o["operationId"] for o in operations]
        assert len(ids) == len(set(ids))


def test_a_kind_is_found_by_its_group_version_kind(documents: Documents) -> None:
    schemas = load(documents, "apis/apps/v1")["components"]["schemas"]
    gvk = {"group": "apps", "version": "v1", "kind": "Deployment"}
    found = [name for name, s in schemas.items() if gvk in s.get("x-kubernetes-group-version-kind", ())]
    assert found == ["io.k8s.api.apps.v1.Deployment"]
    spec = schemas["io.k8s.api.apps.v1.DeploymentSpec"]
    assert spec["required"] == ["selector", "template"] and spec["properties"]["replicas"]["format"] == "int32"
    port = schemas["io.k8s.api.core.v1.ContainerPort"]["properties"]["protocol"]
    assert (port["type"], port["default"], port["enum"]) == ("string", "TCP", ["SCTP", "TCP", "UDP"])
    assert "enum" not in schemas["io.k8s.api.apps.v1.DeploymentCondition"]["properties"]["status"]
    assert all(isinstance(s.get("type", ""), str) for s in schemas.values())
    assert "enum" not in schemas["io.k8s.api.apps.v1.Deployment"]["properties"]["kind"]


def test_operations_say_what_clients_look_for(documents: Documents) -> None:
    item = load(documents, "apis/apps/v1")["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    patch = item["patch"]
    assert patch["operationId"] == "patchAppsV1NamespacedDeployment"
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert {"dryRun", "fieldManager", "fieldValidation", "force"} <= {p["name"] for p in patch["parameters"]}
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
    core = load(documents, "api/v1")["paths"]
    assert core["/api/v1/namespaces/{namespace}/pods/{name}/eviction"]["post"]["x-kubernetes-group-version-kind"]["group"] == "policy"
    assert core["/api/v1/nodes/{name}/proxy/{path}"]["get"]["operationId"] == "connectCoreV1GetNodeProxyWithPath"
    assert core["/api/v1/namespaces/{namespace}/pods/{name}/log"]["get"]["operationId"] == "readCoreV1NamespacedPodLog"


def test_custom_resources(documents: Documents) -> None:
    document = load(documents, "apis/example.com/v1")
    assert document["info"]["title"] == "Kubernetes CRD Swagger"
    schema = document["components"]["schemas"]["com.example.v1.Widget"]
    assert schema["properties"]["spec"]["properties"]["size"]["nullable"] is True
    assert set(schema["properties"]) == {"spec", "apiVersion", "kind", "metadata"}
    item = document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/status"]
    assert "application/strategic-merge-patch+json" not in item["patch"]["requestBody"]["content"]


def test_v2_holds_everything(documents: Documents) -> None:
    document = orjson.loads(documents.v2())
    assert document["swagger"] == "2.0"
    assert set(references(document)) <= set(document["definitions"])
    size = document["definitions"]["com.example.v1.Widget"]["properties"]["spec"]["properties"]["size"]
    assert size == {"x-kubernetes-int-or-string": True}
    quantity = document["definitions"]["io.k8s.apimachinery.pkg.api.resource.Quantity"]
    assert quantity["type"] == "string"
    post = document["paths"]["/api/v1/namespaces/{namespace}/pods"]["post"]
    assert post["parameters"][0]["in"] == "body"
    assert post["parameters"][0]["schema"] == {"$ref": "#/definitions/io.k8s.api.core.v1.Pod"}


def test_only_what_changes_is_made_anew() -> None:
    documents = Documents("v1", [Source(resource("pods")), Source(WIDGET, SCHEMA)])
    before = documents.index()["paths"]
    core = documents.v3("api/v1")
    documents.replace([Source(resource("pods")), Source(WIDGET, {"type": "object"})])
    after = documents.index()["paths"]
    assert after["api/v1"] == before["api/v1"] and after["apis/example.com/v1"] != before["apis/example.com/v1"]
    assert documents.v3("api/v1") is core
    documents.replace([Source(resource("pods"))])
    assert documents.answer("/openapi/v3/apis/example.com/v1", {}, "")[0] == 404


def test_conditional_requests_and_media_types(documents: Documents) -> None:
    _, _, _, headers = documents.answer("/openapi/v3/api/v1", {}, "")
    assert documents.answer("/openapi/v3/api/v1", {"if-none-match": headers["Etag"]}, "")[0] == 304
    assert documents.answer("/openapi/v2", {"accept": "application/xml"}, "")[0] == 406
    assert documents.answer("/openapi/v2", {"accept": "application/json"}, "")[0] == 200


def test_custom_resources_describe_their_type_as_all_kinds_do() -> None:
    resource = Resource("x.example.com", "v1", "foos", "Foo", "foo", True, custom=True)
    inner = {"type": "object", "x-kubernetes-embedded-resource": True}
    found = schemas.custom_schemas(resource, {"type": "object", "properties": {"inner": inner}})
    own, listing = found["com.example.x.v1.Foo"]["properties"], found["com.example.x.v1.FooList"]["properties"]
    assert own["apiVersion"] == listing["apiVersion"] == schemas.definition("io.k8s.api.core.v1.Pod")["properties"]["apiVersion"]
    assert own["metadata"]["description"].startswith("Standard object's metadata. More info: https://")
    assert own["inner"]["properties"]["apiVersion"]["description"].startswith("apiVersion defines the versioned schema")
    assert own["inner"]["required"] == ["kind", "apiVersion"]
    assert listing["items"]["description"].startswith("List of foos. More info: https://")


def test_numbers_or_strings_and_selectable_fields_of_custom_resources() -> None:
    widget = Resource("example.com", "v1", "widgets", "Widget", "widget", True, ("get",), custom=True, selectable_fields=("spec.a",))
    schema = {"type": "object", "properties": {"p": {"x-kubernetes-int-or-string": True}}}
    one, many = schemas.custom_schemas(widget, schema).values()
    assert one["properties"]["p"]["anyOf"] == [{"type": "integer"}, {"type": "string"}]
    assert one["x-kubernetes-selectable-fields"] == many["x-kubernetes-selectable-fields"] == [{"fieldPath": "spec.a"}]
