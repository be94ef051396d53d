"""Keys are taken apart as the table of kinds puts them together."""

from __future__ import annotations

import pytest

from apiserver.storage import keys
from kubepy.api.kinds import RESOURCES, Resource


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: f"{r.plural}.{r.group}/{r.version}")
def test_every_resource(resource: Resource) -> None:
    key = resource.key("some-ns" if resource.namespaced else None, "a.name")
    assert keys.split(key) == (resource.storage_prefix, "some-ns" if resource.namespaced else "", "a.name")


@pytest.mark.parametrize("namespaced", [True, False])
def test_custom_resources(namespaced: bool) -> None:
    resource = Resource("example.com", "v1", "widgets", "Widget", "widget", namespaced, custom=True)
    key = resource.key("ns", "x")
    assert keys.split(key) == ("/registry/example.com/widgets/", "ns" if namespaced else "", "x")


@pytest.mark.parametrize("key", ["", "/elsewhere/pods/ns/x", "/registry/", "/registry/pods", "/registry/pods/a/b/c"])
def test_other_keys_are_not_objects(key: str) -> None:
    assert keys.split(key) is None
