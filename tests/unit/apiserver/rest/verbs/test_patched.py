"""Patches that make something of another kind or version."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from apiserver.context import SYSTEM_USER, Context, Obj, RequestInfo
from apiserver.registry.builtin import built_in
from apiserver.registry.catalog import Catalog, Served
from apiserver.rest.verbs import patched
from kubepy.api import errors
from kubepy.api.resource import Resource
from kubepy.api.schema import structural


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    out = Catalog()
    out.add(*built_in({}, {}))
    return out


def request(name: str = "a", subresource: str = "") -> Any:
    info = RequestInfo(True, "/", "patch", name=name, subresource=subresource)
    return SimpleNamespace(ctx=Context(SYSTEM_USER, info, field_validation="Warn"), info=info)


def built(catalog: Catalog, kind: tuple[str, str], obj: Obj) -> Obj:
    served = catalog.by_kind(*kind)
    assert served is not None
    return patched.built_in(request(), catalog, served, obj, None, lambda: "shown")


@pytest.mark.parametrize(
    ("version", "kind", "text"),
    [
        ("apps/v2", "Deployment", 'no kind "Deployment" is registered for version "apps/v2" in scheme'),
        ("apps/v1", "Deploy", 'no kind "Deploy" is registered for version "apps/v1" in scheme'),
        ("apps/v1", "StatefulSet", r"converting \(v1.StatefulSet\) to \(apps.Deployment\): unknown conversion"),
        ("", "ConfigMap", 'no kind "ConfigMap" is registered for the internal version of group "apps" in scheme'),
        ("a/b/c", "Deployment", "unexpected GroupVersion string: a/b/c"),
        (1, "Deployment", "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .apiVersion"),
    ],
)
def test_other_kinds_are_refused(catalog: Catalog, version: Any, kind: str, text: str) -> None:
    with pytest.raises(errors.Invalid, match=f'patch: Invalid value: "shown": {text}'):
        built(catalog, ("apps/v1", "Deployment"), {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}})


@pytest.mark.parametrize("version", ["apps/v1", "apps/v1beta1", "extensions/v1beta1"])
def test_other_versions_of_the_kind_are_taken(catalog: Catalog, version: str) -> None:
    out = built(catalog, ("apps/v1", "Deployment"), {"apiVersion": version, "metadata": {"name": "a"}, "spec": {}})
    assert (out["apiVersion"], out["kind"]) == ("apps/v1", "Deployment")


def test_a_version_that_is_served_is_converted(catalog: Catalog) -> None:
    sent = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "a"}, "message": "m", "involvedObject": {"name": "x"}}
    out = built(catalog, ("events.k8s.io/v1", "Event"), sent)
    assert (out["apiVersion"], out["note"], out["regarding"]["name"]) == ("events.k8s.io/v1", "m", "x")


def test_without_a_version_nothing_is_known(catalog: Catalog) -> None:
    with pytest.raises(errors.BadRequest, match="name must be provided"):
        built(catalog, ("v1", "ConfigMap"), {"apiVersion": "", "kind": "ConfigMap", "metadata": {"name": "a"}})


@pytest.fixture(scope="module")
def foo() -> Served:
    resource = Resource("x.io", "v1", "foos", "Foo", "foo", namespaced=True, custom=True)
    return Served(resource, structural.node_of({"type": "object"}))


@pytest.mark.parametrize(
    ("version", "kind", "text"),
    [
        ("x.io/v1", "Bar", '^Bar.x.io "a" is invalid: kind: Invalid value: "Bar": must be Foo$'),
        ("v1", "Foo", '^Foo "a" is invalid: apiVersion: Invalid value: "v1": must be x.io/v1$'),
        ("x.io/v1", "", "Object 'Kind' is missing in 'shown'$"),
        (None, "Foo", ".apiVersion accessor error: <nil> is of the type <nil>, expected string$"),
        ("", "Foo", "^Internal error occurred: Object 'apiVersion' is missing in 'object has no apiVersion field'$"),
    ],
)
def test_custom_resources_of_another_type(catalog: Catalog, foo: Served, version: Any, kind: str, text: str) -> None:
    obj = {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}}
    with pytest.raises(errors.StatusError, match=text):
        patched.custom(request(), catalog, foo, obj, None, lambda: "shown")


def test_only_the_status_counts_where_the_status_is_patched(catalog: Catalog, foo: Served) -> None:
    obj = {"apiVersion": "v1", "kind": "Bar", "metadata": {"name": "a"}}
    out = patched.custom(request(subresource="status"), catalog, foo, obj, None, lambda: "shown")
    assert (out["apiVersion"], out["kind"]) == ("x.io/v1", "Foo")
