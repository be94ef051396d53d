"""The table of kinds agrees with itself and with the type definitions."""

from __future__ import annotations

import pytest

from kubepy.api import kinds
from kubepy.api.fields import value_of
from kubepy.api.kinds import RESOURCES, Resource
from kubepy.api.schema.definitions import definition_name


def test_paths_and_kinds_are_unique() -> None:
    assert len({(r.group, r.version, r.plural) for r in RESOURCES}) == len(RESOURCES)
    assert len({(r.api_version, r.kind) for r in RESOURCES}) == len(RESOURCES)


def test_groups_are_contiguous_and_lead_with_the_preferred_version() -> None:
    order = list(dict.fromkeys(r.group for r in RESOURCES))
    assert [r.group for r in RESOURCES] == sorted((r.group for r in RESOURCES), key=order.index)
    assert kinds.resource("horizontalpodautoscalers.autoscaling").version == "v2"


@pytest.mark.parametrize("r", RESOURCES, ids=lambda r: f"{r.qualified}/{r.version}")
def test_each_entry_is_found_and_defined(r: Resource) -> None:
    assert kinds.find(r.group, r.version, r.plural) is r
    assert kinds.by_kind(r.api_version, r.kind) is r
    assert kinds.preferred(r.group, r.kind) is not None
    assert r.singular == r.kind.lower()
    assert definition_name(r.api_version, r.kind) is not None
    assert tuple(sorted(r.verbs)) == tuple(r.verbs)
    for s in r.subresources:
        assert r.subresource(s.name) is s
        assert (s.group is None) == (s.version is None)


def test_short_names_are_unique_within_a_server() -> None:
    taken: dict[str, str] = {}
    for r in RESOURCES:
        for short in r.short_names:
            assert taken.setdefault(short, r.plural) == r.plural


def test_shared_storage() -> None:
    core, new = kinds.resource("events"), kinds.resource("events.events.k8s.io")
    assert core.storage_prefix == new.storage_prefix == "/registry/events/"
    assert core.storage_version_hash == new.storage_version_hash == "r2yiGXH7wu8="
    v1, v2 = (kinds.find("autoscaling", v, "horizontalpodautoscalers") for v in ("v1", "v2"))
    assert v1 is not None and v2 is not None
    assert v1.storage_prefix == v2.storage_prefix
    assert v1.storage_version_hash == v2.storage_version_hash


def test_paths_and_keys() -> None:
    pods, deployments, nodes = (kinds.resource(n) for n in ("pods", "deployments.apps", "nodes"))
    assert pods.path("default", "a", "log") == "/api/v1/namespaces/default/pods/a/log"
    assert deployments.path() == "/apis/apps/v1/deployments"
    assert deployments.key("default", "web") == "/registry/apps/deployments/default/web"
    assert nodes.key(None, "n1") == "/registry/nodes/n1"
    assert nodes.path("ignored", "n1") == "/api/v1/nodes/n1"


def test_unknown_names() -> None:
    assert kinds.find("apps", "v9", "deployments") is None
    assert kinds.by_kind("apps/v1", "Nope") is None
    with pytest.raises(KeyError):
        kinds.resource("nopes.apps")


def test_every_selectable_field_can_be_read() -> None:
    for r in RESOURCES:
        for field in r.selectable_fields:
            assert isinstance(value_of(r, {}, field), str)
