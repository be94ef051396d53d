"""Default objects: made when missing, repaired when they lost something, left alone when told so."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest

from apiserver.bootstrap.grammar import RBAC, parse_rule
from apiserver.bootstrap.reconcile import ensure_defaults
from apiserver.context import Obj
from kubepy.api.errors import AlreadyExists
from tests.support.lister import FakeLister

FLOW = "flowcontrol.apiserver.k8s.io"


class FakeWriter:
    """Writes into a FakeLister."""

    def __init__(self, lister: FakeLister) -> None:
        self.lister = lister
        self.written: list[str] = []

    async def create_object(self, group: str, plural: str, obj: Obj, namespace: str = "") -> Obj:
        if self.lister.get(group, plural, namespace, obj["metadata"]["name"]) is not None:
            raise AlreadyExists("there")
        return self._put(group, plural, deepcopy(obj))

    async def update_object(self, group: str, plural: str, namespace: str, name: str, transform: Callable[[Obj | None], Obj]) -> Obj:
        return self._put(group, plural, transform(self.lister.get(group, plural, namespace, name)))

    def _put(self, group: str, plural: str, obj: Obj) -> Obj:
        self.written.append(f"{plural}/{obj['metadata']['name']}")
        self.lister.put(group, plural, obj)
        return obj


@pytest.fixture
async def writer() -> FakeWriter:
    writer = FakeWriter(FakeLister())
    await ensure_defaults(writer, writer.lister)
    writer.written.clear()
    return writer


async def test_everything_is_made_once(writer: FakeWriter) -> None:
    lister = writer.lister
    assert {o["metadata"]["name"] for o in lister.list("", "namespaces")} == {"default", "kube-system", "kube-public", "kube-node-lease"}
    assert lister.get("scheduling.k8s.io", "priorityclasses", None, "system-node-critical")
    assert len(list(lister.list(RBAC, "clusterroles"))) > 60
    assert lister.get(FLOW, "flowschemas", None, "catch-all")
    await ensure_defaults(writer, lister)
    assert writer.written == []


async def test_lost_rules_and_subjects_come_back_and_own_ones_stay(writer: FakeWriter) -> None:
    role = deepcopy(writer.lister.get(RBAC, "clusterroles", None, "system:basic-user"))
    binding = deepcopy(writer.lister.get(RBAC, "clusterrolebindings", None, "system:basic-user"))
    assert role is not None
    assert binding is not None
    mine = parse_rule("get - pods")
    role["rules"] = [mine]
    binding["subjects"] = []
    writer.lister.put(RBAC, "clusterroles", role)
    writer.lister.put(RBAC, "clusterrolebindings", binding)
    await ensure_defaults(writer, writer.lister)
    assert sorted(writer.written) == ["clusterrolebindings/system:basic-user", "clusterroles/system:basic-user"]
    repaired = writer.lister.get(RBAC, "clusterroles", None, "system:basic-user")
    assert repaired is not None
    assert repaired["rules"][0] == mine
    assert parse_rule("create authentication.k8s.io selfsubjectreviews") in repaired["rules"]


async def test_a_protected_role_is_left_alone(writer: FakeWriter) -> None:
    role = deepcopy(writer.lister.get(RBAC, "clusterroles", None, "system:discovery"))
    assert role is not None
    role["rules"] = []
    role["metadata"]["annotations"] = {"rbac.authorization.kubernetes.io/autoupdate": "false"}
    writer.lister.put(RBAC, "clusterroles", role)
    await ensure_defaults(writer, writer.lister)
    assert writer.written == []


async def test_mandatory_flow_objects_are_restored_even_when_protected(writer: FakeWriter) -> None:
    for name in ("catch-all", "global-default"):
        schema = deepcopy(writer.lister.get(FLOW, "flowschemas", None, name))
        assert schema is not None
        schema["spec"]["matchingPrecedence"] = 7
        schema["metadata"]["annotations"] = {"apf.kubernetes.io/autoupdate-spec": "false"}
        writer.lister.put(FLOW, "flowschemas", schema)
    await ensure_defaults(writer, writer.lister)
    assert writer.written == ["flowschemas/catch-all"]
