"""Tables of (spec, observed) → actions."""

from __future__ import annotations

from typing import Any

import pytest

from kubelet.pods import plan, spec
from kubelet.pods.plan import Observed, Verdict
from kubelet.runtime.interface import Container, PodIdentity, PodView, Sandbox, State

Obj = dict[str, Any]
POD = PodIdentity("default", "p", "u1")


def pod(policy: str = "Always", init: tuple[Obj, ...] = (), names: tuple[str, ...] = ("a",), **extra: Any) -> Obj:
    containers = [{"name": n, "image": "i"} for n in names]
    meta = {"name": "p", "namespace": "default", "uid": "u1"}
    return {"metadata": meta, "spec": {"restartPolicy": policy, "initContainers": list(init), "containers": containers, **extra}}


INIT = {"name": "i1", "image": "i"}
INIT2 = {"name": "i2", "image": "i"}
SIDECAR = {"name": "s1", "image": "i", "restartPolicy": "Always"}


def ran(name: str, state: State, code: int = 0, attempt: int = 0, sandbox: str = "s0") -> Container:
    return Container(f"{name}-{attempt}", POD, name, attempt, state, float(attempt), exit_code=code, sandbox_id=sandbox,
                     spec_hash=spec.container_hash({"name": name, "image": "i"}))  # fmt: skip


def view(*containers: Container, running: bool = True, ip: str = "10.0.0.2", attempt: int = 0) -> PodView:
    return PodView(POD, [Sandbox(f"s{attempt}", POD, attempt, running, ip, False, 0.0)], list(containers))


R, X, C = State.RUNNING, State.EXITED, State.CREATED


@pytest.mark.parametrize(
    ("wanted", "seen", "sandbox", "init", "start", "kill_pod"),
    [
        (pod(), None, True, [], ["a"], False),
        (pod(init=(INIT,)), None, True, ["i1"], [], False),
        (pod(), view(), False, [], ["a"], False),
        (pod(), view(ran("a", R)), False, [], [], False),
        (pod(), view(ran("a", X, 1)), False, [], ["a"], False),
        (pod(), view(ran("a", C)), False, [], ["a"], False),
        (pod("OnFailure"), view(ran("a", X, 1)), False, [], ["a"], False),
        (pod("OnFailure"), view(ran("a", X, 0)), False, [], [], True),
        (pod("Never"), view(ran("a", X, 1)), False, [], [], True),
        (pod("Never", names=("a", "b")), view(ran("a", X, 1), ran("b", R)), False, [], [], False),
        (pod(), view(ran("a", X, 1), running=False), True, [], ["a"], True),
        (pod("Never"), view(ran("a", X, 1), running=False), False, [], [], True),
        (pod("OnFailure"), view(ran("a", X, 0), running=False), False, [], [], True),
        (pod(), view(ran("a", R), ip=""), True, [], ["a"], True),
        (pod(init=(INIT, INIT2)), view(ran("i1", R)), False, [], [], False),
        (pod(init=(INIT, INIT2)), view(ran("i1", X)), False, ["i2"], [], False),
        (pod(init=(INIT, INIT2)), view(ran("i2", X), ran("i1", X)), False, [], ["a"], False),
        (pod(init=(INIT,)), view(ran("i1", X, 1)), False, ["i1"], [], False),
        (pod("Never", init=(INIT,)), view(ran("i1", X, 1)), False, [], [], True),
        (pod(init=(SIDECAR,)), view(ran("s1", R)), False, [], ["a"], False),
        (pod(init=(SIDECAR,)), view(ran("a", R), ran("s1", X)), False, ["s1"], [], False),
        (pod("Never", init=(SIDECAR,)), view(ran("a", X), ran("s1", R)), False, [], [], True),
        (pod(init=(SIDECAR, INIT)), view(ran("i1", R), ran("s1", X, 1)), False, ["s1"], [], False),
        (pod(init=(INIT,)), view(ran("i1", X, sandbox="old")), False, ["i1"], [], False),
    ],
)  # fmt: skip
def test_the_next_actions(wanted: Obj, seen: PodView | None, sandbox: bool, init: list[str], start: list[str], kill_pod: bool) -> None:
    todo = plan.compute(wanted, Observed(seen))
    assert (todo.create_sandbox, todo.init, todo.start, todo.kill_pod) == (sandbox, init, start, kill_pod)
    assert todo.idle == (not (sandbox or init or start or kill_pod))


def test_a_new_sandbox_has_the_next_attempt() -> None:
    assert plan.compute(pod(), Observed(view(running=False, attempt=3))).attempt == 4


def test_failed_probes_kill_and_restart_unless_the_policy_is_never() -> None:
    seen = Observed(view(ran("a", R)), lambda _: Verdict.LIVENESS)
    todo = plan.compute(pod(), seen)
    assert [(k.id, k.why) for k in todo.kill] == [("a-0", "Container a failed liveness probe, will be restarted")]
    assert todo.start == ["a"]
    never = plan.compute(pod("Never"), seen)
    assert [k.why for k in never.kill] == ["Container a failed liveness probe"] and never.start == []


def test_a_changed_image_restarts_even_when_the_policy_is_never() -> None:
    changed = pod("Never")
    changed["spec"]["containers"][0]["image"] = "other"
    todo = plan.compute(changed, Observed(view(ran("a", R))))
    assert [k.why for k in todo.kill] == ["Container a definition changed, will be restarted"] and todo.start == ["a"]


def test_a_sidecar_holds_up_what_follows_until_it_has_started() -> None:
    seen = Observed(view(ran("s1", R)), started=lambda _: False)
    assert plan.compute(pod(init=(SIDECAR,)), seen).start == []


def test_ephemeral_containers_are_started_once() -> None:
    wanted = pod(ephemeralContainers=[{"name": "debug", "image": "i"}])
    assert plan.compute(wanted, Observed(view(ran("a", R)))).ephemeral == ["debug"]
    assert plan.compute(wanted, Observed(view(ran("a", R), ran("debug", X, 1)))).ephemeral == []


def test_a_pod_being_deleted_starts_nothing() -> None:
    wanted = pod()
    wanted["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    assert plan.compute(wanted, Observed(view(ran("a", X, 1)))).start == []


def rules(operator: str) -> list[Obj]:
    return [{"action": "Restart", "exitCodes": {"operator": operator, "values": [42]}}]


@pytest.mark.parametrize(
    ("container", "policy", "code", "again"),
    [
        ({}, "Always", 0, True), ({}, "OnFailure", 0, False), ({}, "OnFailure", 2, True), ({}, "Never", 2, False),
        ({"restartPolicy": "Never"}, "Always", 1, False), ({"restartPolicy": "Always"}, "Never", 0, True),
        ({"restartPolicy": "Never", "restartPolicyRules": rules("In")}, "Never", 42, True),
        ({"restartPolicy": "Never", "restartPolicyRules": rules("NotIn")}, "Never", 42, False),
    ],
)  # fmt: skip
def test_who_is_restarted(container: Obj, policy: str, code: int, again: bool) -> None:
    assert spec.should_restart({"name": "a", **container}, pod(policy), code) is again


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}, "Burstable"),
        ({"limits": {"memory": "1Gi"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources: Obj, qos: str) -> None:
    wanted = pod()
    wanted["spec"]["containers"][0]["resources"] = resources
    assert spec.qos(wanted) == qos
