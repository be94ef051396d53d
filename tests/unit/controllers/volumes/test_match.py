"""Which volume a claim gets."""

from typing import Any

from controllers.volumes import match
from tests.support.objects import meta

Obj = dict[str, Any]


def claim(size: str = "1Gi", modes: tuple[str, ...] = ("ReadWriteOnce",), **spec: Any) -> Obj:
    return {"metadata": meta("data"), "spec": {"accessModes": list(modes), "resources": {"requests": {"storage": size}}, **spec}}


def volume(
    name: str, size: str, modes: tuple[str, ...] = ("ReadWriteOnce",), labels: Obj | None = None, phase: str = "Available", **spec: Any
) -> Obj:
    metadata = {**meta(name), "labels": labels or {}}
    return {"metadata": metadata, "spec": {"capacity": {"storage": size}, "accessModes": list(modes), **spec}, "status": {"phase": phase}}


def best(wanted: Obj, *volumes: Obj, delay: bool = False) -> str | None:
    found = match.best(wanted, volumes, delay)
    return found["metadata"]["name"] if found else None


def test_the_smallest_that_is_large_enough() -> None:
    assert best(claim(), volume("tiny", "100Mi"), volume("large", "9Gi"), volume("right", "1Gi"), volume("more", "2Gi")) == "right"


def test_what_does_not_fit() -> None:
    assert (
        best(
            claim(),
            volume("x", "1Gi", phase="Released"),
            volume("y", "1Gi", storageClassName="fast"),
            volume("z", "1Gi", volumeMode="Block"),
        )
        is None
    )
    assert best(claim(modes=("ReadWriteMany",)), volume("x", "1Gi")) is None
    assert best(claim(), volume("x", "1Gi", claimRef={"namespace": "ns", "name": "other"})) is None


def test_fewer_modes_go_first_and_labels_select() -> None:
    many = volume("many", "1Gi", ("ReadWriteOnce", "ReadWriteMany"))
    assert best(claim(), many, volume("one", "5Gi")) == "one"
    chosen = claim(selector={"matchLabels": {"a": "b"}})
    assert best(chosen, volume("no", "1Gi"), volume("yes", "3Gi", labels={"a": "b"})) == "yes"


def test_a_reserved_volume_goes_before_all_and_waits_for_nobody() -> None:
    reserved = volume("mine", "9Gi", claimRef={"namespace": "ns", "name": "data"})
    assert best(claim(), volume("right", "1Gi"), reserved) == "mine"
    assert best(claim(), volume("right", "1Gi"), delay=True) is None
    assert best(claim(), reserved, delay=True) == "mine"
    taken = volume("taken", "1Gi", claimRef={"namespace": "ns", "name": "data", "uid": "another"})
    assert best(claim(), taken) is None


def test_who_deletes_a_volume() -> None:
    assert match.is_external({"metadata": {}, "spec": {"csi": {"driver": "x"}}})
    assert match.is_external({"metadata": {"annotations": {match.PROVISIONED_BY: "x"}}, "spec": {}})
    assert not match.is_external({"metadata": {}, "spec": {"nfs": {}}})
    assert match.is_scratch("/tmp/data") and not match.is_scratch("/tmp/") and not match.is_scratch("/data")
