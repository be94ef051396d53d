"""What a node needs attached, when it may be detached, and the messages, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.attachdetach import plan

Obj = dict[str, Any]
NODE = {"metadata": {"name": "n", "annotations": {plan.MANAGED: "true"}}}
KEEPING = {"metadata": {"name": "n", "annotations": {plan.MANAGED: "true", plan.KEEP_TERMINATED: "true"}}}
RUNNING = {"containerStatuses": [{"state": {"running": {}}}]}
ENDED = {"containerStatuses": [{"state": {"terminated": {}}}]}


def pod(volume: Obj | None = None, deleting: bool = False, **status: Any) -> Obj:
    metadata = {"name": "p", "namespace": "ns", "uid": "pod", **({"deletionTimestamp": "2024-01-01T00:00:00Z"} if deleting else {})}
    return {
        "metadata": metadata,
        "spec": {"volumes": [volume or {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
        "status": status,
    }


def claim(phase: str = "Bound", owner: str = "") -> Obj:
    refs = [{"kind": "Pod", "uid": owner, "controller": True}] if owner else []
    return {"metadata": {"uid": "claim", "ownerReferences": refs}, "spec": {"volumeName": "pv"}, "status": {"phase": phase}}


def volume(uid: str = "claim", csi: bool = True, modes: tuple[str, ...] = ("ReadWriteOnce",)) -> Obj:
    source = {"csi": {"driver": "d.example.com", "volumeHandle": "h"}} if csi else {"hostPath": {"path": "/x"}}
    return {"metadata": {"name": "pv"}, "spec": {**source, "claimRef": {"uid": uid}, "accessModes": list(modes)}}


def driver(required: bool) -> Obj:
    return {"spec": {"attachRequired": required}}


@pytest.mark.parametrize(
    ("node", "subject", "claims", "volumes", "drivers", "expected"),
    [
        (NODE, pod(), {"ns/c": claim()}, volume(), None, True),
        (NODE, pod(), {"ns/c": claim()}, volume(), driver(True), True),
        (NODE, pod(), {"ns/c": claim()}, volume(), driver(False), False),
        (NODE, pod(), {"ns/c": claim()}, volume(csi=False), None, False),
        (NODE, pod(), {"ns/c": claim("Lost")}, volume(), None, False),
        (NODE, pod(), {"ns/c": claim()}, volume("other"), None, False),
        (NODE, pod(), {}, volume(), None, False),
        (NODE, pod(phase="Failed"), {"ns/c": claim()}, volume(), None, False),
        (KEEPING, pod(phase="Failed"), {"ns/c": claim()}, volume(), None, True),
        (NODE, pod(deleting=True, **RUNNING), {"ns/c": claim()}, volume(), None, True),
        (NODE, pod(deleting=True, **ENDED), {"ns/c": claim()}, volume(), None, False),
        (NODE, pod({"name": "v", "ephemeral": {}}), {"ns/p-v": claim(owner="pod")}, volume(), None, True),
        (NODE, pod({"name": "v", "ephemeral": {}}), {"ns/p-v": claim(owner="other")}, volume(), None, False),
        (NODE, pod({"name": "v", "emptyDir": {}}), {}, volume(), None, False),
    ],
)
def test_wanted(node: Obj, subject: Obj, claims: dict[str, Obj], volumes: Obj, drivers: Obj | None, expected: bool) -> None:
    found = plan.wanted(node, [subject], claims.get, {"pv": volumes}.get, lambda name: drivers)
    assert [entry.pods for entry in found.values()] == ([[subject]] if expected else [])


def test_names() -> None:
    assert plan.unique_name(volume()) == "kubernetes.io/csi/d.example.com^h"
    # sha256 of "hd.example.comn"
    assert plan.attachment_name("h", "d.example.com", "n") == "csi-6f50f41227a8b176bdb8f16917f5785c6f29d47af0c6e4fb07ef999717e5cb6d"


@pytest.mark.parametrize(
    ("modes", "exclusive"),
    [
        ((), False),
        (("ReadWriteOnce",), True),
        (("ReadWriteOncePod",), True),
        (("ReadWriteOnce", "ReadOnlyMany"), False),
        (("ReadWriteMany",), False),
    ],
)
def test_exclusive(modes: tuple[str, ...], exclusive: bool) -> None:
    assert plan.Wanted(volume(modes=modes), "d").exclusive is exclusive


def node(ready: str, *taints: str) -> Obj:
    return {
        "metadata": {"name": "n"},
        "spec": {"taints": [{"key": t} for t in taints]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


@pytest.mark.parametrize(
    ("subject", "waited", "on_timeout", "expected"),
    [
        (node("True"), 9999.0, True, False),
        (node("Unknown"), 359.0, True, False),
        (node("Unknown"), 361.0, True, True),
        (node("Unknown"), 361.0, False, False),
        (node("True", plan.OUT_OF_SERVICE), 0.0, False, True),
        (node("True", "other"), 0.0, True, False),
        (None, 0.0, False, True),
    ],
)
def test_force(subject: Obj | None, waited: float, on_timeout: bool, expected: bool) -> None:
    assert plan.may_force(subject, waited, on_timeout=on_timeout) is expected


def named(namespace: str, name: str) -> Obj:
    return {"metadata": {"namespace": namespace, "name": name}}


@pytest.mark.parametrize(
    ("others", "text"),
    [
        ([], "Volume is already exclusively attached to one node and can't be attached to another"),
        ([named("ns", "a"), named("ns", "b")], "Volume is already used by pod(s) a, b"),
        ([named("ns", "a"), named("x", "b")], "Volume is already used by pod(s) a and 1 pod(s) in different namespaces"),
        ([named("x", "a"), named("y", "b")], "Volume is already used by 2 pod(s) in different namespaces"),
    ],
)
def test_multi_attach(others: list[Obj], text: str) -> None:
    assert plan.multi_attach("pv", "ns", others) == f'Multi-Attach error for volume "pv" {text}'
