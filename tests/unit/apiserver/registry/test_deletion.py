"""Which finalizers of the garbage collector a deletion leaves on the object; races for its last step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from apiserver.registry import deletion
from apiserver.registry.deletion import collector_finalizers
from apiserver.registry.store import Stale
from apiserver.registry.strategies import STRATEGIES
from apiserver.storage.entry import Entry
from kubepy.api import kinds


@pytest.mark.parametrize(
    ("plural", "present", "policy", "orphan", "wanted"),
    [
        ("configmaps", [], None, None, []),
        ("configmaps", ["x/y"], "Foreground", None, ["x/y", "foregroundDeletion"]),
        ("configmaps", ["x/y", "foregroundDeletion"], "Background", None, ["x/y"]),
        ("configmaps", [], "Orphan", None, ["orphan"]),
        ("configmaps", ["orphan"], None, None, ["orphan"]),
        ("configmaps", [], None, True, ["orphan"]),
        ("configmaps", ["orphan"], None, False, []),
        ("replicationcontrollers", [], None, None, ["orphan"]),
        ("replicationcontrollers", [], "Background", None, []),
        ("events", [], "Foreground", None, []),
    ],
)
def test_finalizers(plural: str, present: list[str], policy: str | None, orphan: bool | None, wanted: list[str]) -> None:
    assert collector_finalizers("", plural, present, policy, orphan) == wanted


class LostRace:
    """A registry in which somebody else removes the object between the two steps of its deletion, or changes it."""

    def __init__(self, pod: dict[str, Any], left: Entry | None) -> None:
        self.pod, self.left = pod, left

    async def load(self, *_: Any) -> dict[str, Any]:
        return self.pod

    async def admit(self, *_: Any) -> None:
        pass

    validate = admit

    async def put(self, _served: Any, key: str, obj: dict[str, Any], *_: Any) -> Entry:
        return Entry(key, 2, orjson.dumps(obj), "ns", "p")

    async def remove(self, *_: Any) -> None:
        raise Stale(self.left)


async def _delete_now(left: Entry | None) -> deletion.Deleted:
    meta = {"name": "p", "namespace": "ns", "uid": "u"}
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 0}}
    entry = Entry("/p", 1, orjson.dumps(pod), "ns", "p")
    served: Any = SimpleNamespace(resource=kinds.resource("pods"))
    ctx: Any = SimpleNamespace(info=SimpleNamespace(verb="delete"), dry_run=False)
    registry: Any = LostRace(pod, left)
    return await deletion._delete_once(registry, ctx, served, "ns", "p", "/p", entry, {}, STRATEGIES["", "pods"], "")


async def test_a_pod_that_its_kubelet_removed_first_is_deleted_all_the_same() -> None:
    assert (await _delete_now(None)).gone
    with pytest.raises(Stale):
        await _delete_now(Entry("/p", 3, b"{}", "ns", "p"))
