"""The last status of a pod: nothing is left waiting or running, and the phase is final."""

from __future__ import annotations

from typing import Any

import pytest

from kubelet.pods.ending import ended

Obj = dict[str, Any]
WAITING: Obj = {"waiting": {"reason": "ContainerCreating"}}
RUNNING: Obj = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def done(code: int) -> Obj:
    return {"terminated": {"exitCode": code}}


def entry(name: str, state: Obj, last: Obj | None = None, **more: Any) -> Obj:
    return {"name": name, "state": state, "lastState": last or {}, **more}


def pod(*inits: str, sidecar: str = "") -> Obj:
    wanted = [{"name": n} | ({"restartPolicy": "Always"} if n == sidecar else {}) for n in inits]
    return {"metadata": {}, "spec": {"containers": [{"name": "c"}], "initContainers": wanted}}


def codes(status: Obj, kind: str) -> list[int | None]:
    return [s["state"].get("terminated", {}).get("exitCode") for s in status[kind]]


@pytest.mark.parametrize(
    ("phase", "state", "wanted"),
    [
        ("Pending", WAITING, ("Failed", 137)),
        ("Running", RUNNING, ("Failed", 137)),
        ("Succeeded", done(0), ("Succeeded", 0)),
        ("Failed", done(2), ("Failed", 2)),
    ],
)
def test_phases(phase: str, state: Obj, wanted: tuple[str, int]) -> None:
    out = ended(pod(), {"phase": phase, "containerStatuses": [entry("c", state)]})
    assert (out["phase"], codes(out, "containerStatuses")) == (wanted[0], [wanted[1]])


@pytest.mark.parametrize(
    ("inits", "regular", "init_codes"),
    [
        ([WAITING, WAITING], None, [137, None]),
        ([done(0), RUNNING], None, [0, 137]),
        ([done(0), done(1)], None, [0, 1]),
        ([done(0), done(0)], 137, [0, 0]),
    ],
)
def test_containers_that_cannot_have_run_stay_as_they_are(inits: list[Obj], regular: int | None, init_codes: list[int | None]) -> None:
    statuses = [entry(name, state) for name, state in zip("ab", inits, strict=True)]
    out = ended(pod("a", "b"), {"phase": "Pending", "initContainerStatuses": statuses, "containerStatuses": [entry("c", WAITING)]})
    assert (codes(out, "initContainerStatuses"), codes(out, "containerStatuses")) == (init_codes, [regular])


def test_a_started_sidecar_lets_the_others_have_run() -> None:
    statuses = {"initContainerStatuses": [entry("s", RUNNING, started=True)], "containerStatuses": [entry("c", WAITING)]}
    assert codes(ended(pod("s", sidecar="s"), {"phase": "Pending", **statuses}), "containerStatuses") == [137]


def test_a_static_pod_keeps_its_phase() -> None:
    static = pod()
    static["metadata"] = {"annotations": {"kubernetes.io/config.source": "file"}}
    assert ended(static, {"phase": "Running"})["phase"] == "Running"
