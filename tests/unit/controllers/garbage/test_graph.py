"""What the owner graph asks for after each change."""

from typing import Any

from controllers.garbage.graph import FOREGROUND, ORPHAN, Graph

Obj = dict[str, Any]


def obj(
    name: str, *owners: str, namespace: str = "ns", finalizers: tuple[str, ...] = (), deleting: bool = False, block: bool = False
) -> Obj:
    refs = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": o, "uid": f"u-{o}", **({"blockOwnerDeletion": True} if block else {})}
        for o in owners
    ]
    metadata: Obj = {"name": name, "namespace": namespace, "uid": f"u-{name}", "ownerReferences": refs, "finalizers": list(finalizers)}
    if deleting:
        metadata["deletionTimestamp"] = "now"
    return {"metadata": metadata}


def put(graph: Graph, made: Obj) -> Any:
    return graph.upsert(made, "v1", "ConfigMap")


def test_an_owner_never_seen_is_looked_up() -> None:
    graph = Graph()
    assert put(graph, obj("child", "owner")).delete == ["u-owner"]
    assert graph.nodes["u-owner"].virtual
    assert put(graph, obj("owner")).delete == []
    assert not graph.nodes["u-owner"].virtual


def test_dependents_are_looked_at_when_the_owner_goes() -> None:
    graph = Graph()
    put(graph, obj("owner"))
    put(graph, obj("child", "owner"))
    assert graph.remove("u-owner").delete == ["u-child"]
    assert graph.is_absent("u-owner", "ns")


def test_foreground_looks_at_the_dependents_and_then_at_the_owner_again() -> None:
    graph = Graph()
    put(graph, obj("owner"))
    put(graph, obj("child", "owner", block=True))
    effects = put(graph, obj("owner", finalizers=(FOREGROUND,), deleting=True))
    assert set(effects.delete) == {"u-child", "u-owner"}
    assert graph.nodes["u-child"].blocks("u-owner")
    assert graph.remove("u-child").delete == ["u-owner"]


def test_orphaning() -> None:
    graph = Graph()
    put(graph, obj("owner"))
    assert put(graph, obj("owner", finalizers=(ORPHAN,), deleting=True)).orphan == ["u-owner"]


def test_an_owner_of_another_namespace_is_reported_and_the_child_looked_at() -> None:
    graph = Graph()
    put(graph, obj("owner", namespace="far"))
    effects = put(graph, obj("child", "owner"))
    assert effects.delete == ["u-child"]
    assert [ref["name"] for _, ref in effects.invalid] == ["owner"]


def test_a_virtual_owner_nobody_names_any_more_is_forgotten() -> None:
    graph = Graph()
    put(graph, obj("child", "owner"))
    graph.remove("u-child")
    assert graph.nodes == {}
    put(graph, obj("child", "owner"))
    put(graph, obj("child"))
    assert list(graph.nodes) == ["u-child"]
