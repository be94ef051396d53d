"""Statuses from specs and views."""

from __future__ import annotations

from typing import Any

import pytest

from kubelet.pods.status import Known, generate
from kubelet.pods.statuses import difference
from kubelet.runtime.interface import Container, PodIdentity, PodView, Sandbox, State

Obj = dict[str, Any]
POD = PodIdentity("default", "p", "u1")
NOW = 1_800_000_000.0
STAMP = "2027-01-15T08:00:00Z"


def pod(policy: str = "Always", **extra: Any) -> Obj:
    meta = {"name": "p", "namespace": "default", "uid": "u1", "generation": 2}
    return {"metadata": meta, "spec": {"restartPolicy": policy, "containers": [{"name": "a", "image": "i"}], **extra}, "status": {}}


def made(name: str, state: State, code: int = 0, attempt: int = 0, reason: str = "") -> Container:
    return Container(f"{name}{attempt}", POD, name, attempt, state, NOW + attempt, image="i", image_id="docker://sha256:1", started_at=NOW,
                     finished_at=NOW if state is State.EXITED else 0, exit_code=code, reason=reason, sandbox_id="s")  # fmt: skip


def view(*containers: Container) -> PodView:
    return PodView(POD, [Sandbox("s", POD, 0, True, "10.0.0.2", False, NOW)], list(containers))


def conditions(status: Obj) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c.get("reason", "")) for c in status["conditions"]}


def test_a_new_pod_is_pending_and_creating() -> None:
    status = generate(pod(), None, {}, Known(("192.0.2.9",), start_time=STAMP), NOW)
    assert status["phase"] == "Pending" and status["hostIP"] == "192.0.2.9" and "podIP" not in status
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert conditions(status) == {
        "PodReadyToStartContainers": ("False", ""), "Initialized": ("True", ""), "Ready": ("False", "ContainersNotReady"),
        "ContainersReady": ("False", "ContainersNotReady"), "PodScheduled": ("True", ""),
    }  # fmt: skip
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert ready["message"] == "containers with unready status: [a]" and ready["observedGeneration"] == 2
    assert ready["lastTransitionTime"] == STAMP


def test_a_running_pod_is_ready() -> None:
    status = generate(pod(), view(made("a", State.RUNNING)), {}, Known(("192.0.2.9",)), NOW)
    assert (status["phase"], status["podIP"], status["podIPs"]) == ("Running", "10.0.0.2", [{"ip": "10.0.0.2"}])
    container = status["containerStatuses"][0]
    assert container["ready"] and container["started"] and container["state"] == {"running": {"startedAt": STAMP}}
    assert container["containerID"] == "docker://a0" and container["imageID"] == "docker://sha256:1"
    assert set(conditions(status).values()) == {("True", "")}


def test_readiness_and_startup_probes_count() -> None:
    seen = view(made("a", State.RUNNING))
    assert not generate(pod(), seen, {}, Known(ready=lambda n, i: False), NOW)["containerStatuses"][0]["ready"]
    waiting = generate(pod(), seen, {}, Known(started=lambda n, i: False), NOW)["containerStatuses"][0]
    assert (waiting["started"], waiting["ready"]) == (False, False)


def test_crash_loop_shows_the_last_state() -> None:
    known = Known(reasons={"a": ("CrashLoopBackOff", "back-off 10s")}, messages={"a1": "why"})
    status = generate(pod(), view(made("a", State.EXITED, 1, 1, "Error"), made("a", State.EXITED, 2, 0, "Error")), {}, known, NOW)
    container = status["containerStatuses"][0]
    assert status["phase"] == "Running" and container["restartCount"] == 1
    assert container["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert container["lastState"]["terminated"]["exitCode"] == 1 and container["lastState"]["terminated"]["message"] == "why"


@pytest.mark.parametrize(
    ("policy", "code", "terminal", "phase"),
    [
        ("Never", 0, False, "Succeeded"), ("Never", 1, False, "Failed"), ("OnFailure", 1, False, "Running"),
        ("OnFailure", 0, False, "Succeeded"), ("Always", 0, False, "Running"), ("Always", 0, True, "Succeeded"),
        ("Always", 137, True, "Failed"),
    ],
)  # fmt: skip
def test_phases_of_an_ended_pod(policy: str, code: int, terminal: bool, phase: str) -> None:
    assert generate(pod(policy), view(made("a", State.EXITED, code)), {}, Known(terminal=terminal), NOW)["phase"] == phase


def test_a_terminal_phase_is_never_left() -> None:
    wanted = pod()
    wanted["status"] = {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}
    status = generate(wanted, view(made("a", State.RUNNING)), {}, Known(), NOW)
    assert (status["phase"], status["containerStatuses"][0]["ready"]) == ("Failed", False)


def test_init_containers_hold_the_pod_pending() -> None:
    wanted = pod(initContainers=[{"name": "i1", "image": "i"}, {"name": "i2", "image": "i"}])
    status = generate(wanted, view(made("i1", State.RUNNING)), {}, Known(), NOW)
    assert status["phase"] == "Pending" and status["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"
    initialized = next(c for c in status["conditions"] if c["type"] == "Initialized")
    assert initialized["message"] == "containers with incomplete status: [i1 i2]"
    over = generate(wanted, view(made("a", State.RUNNING), made("i2", State.EXITED), made("i1", State.EXITED)), {}, Known(), NOW)
    assert over["phase"] == "Running" and all(s["ready"] for s in over["initContainerStatuses"])


def test_a_failed_init_container_fails_the_pod_only_when_it_may_not_restart() -> None:
    seen = view(made("i1", State.EXITED, 1, reason="Error"))
    for policy, phase in (("Never", "Failed"), ("OnFailure", "Pending"), ("Always", "Pending")):
        wanted = pod(policy, initContainers=[{"name": "i1", "image": "i"}])
        assert generate(wanted, seen, {}, Known(), NOW)["phase"] == phase


def test_readiness_gates() -> None:
    wanted = pod(readinessGates=[{"conditionType": "x/ok"}])
    seen = view(made("a", State.RUNNING))
    ready = next(c for c in generate(wanted, seen, {}, Known(), NOW)["conditions"] if c["type"] == "Ready")
    assert ready["message"] == 'corresponding condition of pod readiness gate "x/ok" does not exist.'
    wanted["status"] = {"conditions": [{"type": "x/ok", "status": "True"}]}
    status = generate(wanted, seen, {}, Known(), NOW)
    assert conditions(status)["Ready"] == ("True", "") and conditions(status)["x/ok"] == ("True", "")


def test_a_lost_container_is_accounted_for() -> None:
    old = {"containerStatuses": [{"name": "a", "state": {"running": {}}, "lastState": {}, "restartCount": 2}]}
    container = generate(pod(), None, old, Known(), NOW)["containerStatuses"][0]
    assert container["restartCount"] == 3 and container["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"


def test_condition_times_change_with_the_condition_only() -> None:
    first = generate(pod(), None, {}, Known(), NOW - 60)
    second = generate(pod(), view(made("a", State.RUNNING)), first, Known(), NOW)
    times = {c["type"]: c["lastTransitionTime"] for c in second["conditions"]}
    assert times["PodScheduled"] == "2027-01-15T07:59:00Z" and times["Ready"] == STAMP


def test_only_differences_are_reported() -> None:
    first = generate(pod(), None, {}, Known(("192.0.2.9",)), NOW)
    assert difference(first, first) == {}
    second = generate(pod(), view(made("a", State.RUNNING)), first, Known(("192.0.2.9",)), NOW)
    patch = difference(first, second)
    assert "hostIP" not in patch and patch["phase"] == "Running" and "PodScheduled" not in {c["type"] for c in patch["conditions"]}
    gone = difference({"conditions": [{"type": "A", "status": "True"}], "reason": "x"}, {"conditions": []})
    assert gone == {"conditions": [{"$patch": "delete", "type": "A"}], "reason": None}
