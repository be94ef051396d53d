"""Discovery documents."""

from __future__ import annotations

from kubepy.api import discovery
from kubepy.api.kinds import RESOURCES, resource
from kubepy.api.resource import Resource, Subresource


def test_resource_list_puts_subresources_after_their_resource() -> None:
    document = discovery.resource_list("v1", [resource("pods"), resource("serviceaccounts")])
    assert "apiVersion" not in document  # only the legacy group's list lacks it
    names = [e["name"] for e in document["resources"]]
    assert names[0] == "pods" and names[-2:] == ["serviceaccounts", "serviceaccounts/token"]
    entries = {e["name"]: e for e in document["resources"]}
    assert entries["pods"] == {
        "name": "pods",
        "singularName": "pod",
        "namespaced": True,
        "kind": "Pod",
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "shortNames": ["po"],
        "categories": ["all"],
        "storageVersionHash": "xPOwRZ+Yhw8=",
    }
    eviction = entries["pods/eviction"]
    assert (eviction["group"], eviction["version"], eviction["kind"]) == ("policy", "v1", "Eviction")
    assert "group" not in entries["pods/binding"]


def test_what_is_not_stored_has_no_hash() -> None:
    document = discovery.resource_list("authentication.k8s.io/v1", [resource("tokenreviews.authentication.k8s.io")])
    assert document["apiVersion"] == "v1"
    assert "storageVersionHash" not in document["resources"][0]


def test_group_list_leaves_out_the_legacy_group() -> None:
    groups = [(g, list(v)) for g, v in discovery.by_group_version(RESOURCES).items()]
    listed = discovery.group_list(groups)["groups"]
    assert [g["name"] for g in listed[:3]] == ["apiregistration.k8s.io", "apps", "events.k8s.io"]
    autoscaling = next(g for g in listed if g["name"] == "autoscaling")
    assert [v["version"] for v in autoscaling["versions"]] == ["v2", "v1"]
    assert autoscaling["preferredVersion"]["version"] == "v2"


def test_aggregated() -> None:
    widget = Resource(
        "example.com", "v1", "widgets", "Widget", "widget", False, subresources=(Subresource("status", "Widget", ("get",)),), custom=True
    )
    document = discovery.aggregated_of([resource("pods"), widget])
    core, custom = document["items"]
    assert core["metadata"] == {} and custom["metadata"] == {"name": "example.com"}
    [entry] = custom["versions"][0]["resources"]
    assert entry["scope"] == "Cluster"
    assert entry["responseKind"] == {"group": "example.com", "version": "v1", "kind": "Widget"}
    assert entry["subresources"][0]["subresource"] == "status"
    assert core["versions"][0]["resources"][0]["responseKind"] == {"group": "", "version": "", "kind": "Pod"}
    eviction = next(s for s in core["versions"][0]["resources"][0]["subresources"] if s["subresource"] == "eviction")
    assert eviction["responseKind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}


def test_hashes_speak_of_the_version_that_upstream_stores_in() -> None:
    assert resource("customresourcedefinitions.apiextensions.k8s.io").storage_version_hash == "jfWCUB31mvA="
