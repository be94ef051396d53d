"""The life of a pod, on the simulated runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kubelet.runtime.interface import State, Usage
from kubepy.api.errors import Forbidden
from tests.unit.kubelet.harness import Node, Obj, deleting, pod, until


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with Node(tmp_path) as out:
        yield out


async def test_a_pod_comes_up_and_is_reported(node: Node) -> None:
    node.run(pod())
    await until(lambda: node.phase() == "Running")
    status = node.status()
    assert (status["podIP"], status["hostIP"]) == ("10.0.0.2", "192.0.2.9")
    assert {c["type"]: c["status"] for c in status["conditions"]}["Ready"] == "True"
    assert node.events.reasons() == ["Pulled", "Created", "Started"]


async def test_init_containers_run_in_turn(node: Node) -> None:
    worker = node.run(pod(initContainers=[{"name": "i1", "image": "i:1"}, {"name": "i2", "image": "i:1"}]))

    def shown() -> list[str]:
        view = node.runtime.view(worker.uid)
        return [c.name for c in reversed(view.containers)] if view else []

    await until(lambda: shown() == ["i1"])
    assert node.phase() in ("", "Pending")
    node.exit(worker.uid, "i1", 0)
    await until(lambda: shown() == ["i1", "i2"])
    node.exit(worker.uid, "i2", 0)
    await until(lambda: node.phase() == "Running")
    assert shown() == ["i1", "i2", "a"]


async def test_a_crashing_container_is_restarted_once_and_then_backs_off(node: Node) -> None:
    worker = node.run(pod())
    await until(lambda: node.phase() == "Running")
    node.exit(worker.uid, "a", 1)
    await until(lambda: node.status()["containerStatuses"][0]["restartCount"] == 1)
    node.exit(worker.uid, "a", 1)
    await until(lambda: "waiting" in node.status()["containerStatuses"][0]["state"])
    container = node.status()["containerStatuses"][0]
    assert container["state"]["waiting"] == {
        "reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container=a pod=p_default(uid-p)",
    }  # fmt: skip
    assert container["lastState"]["terminated"]["exitCode"] == 1 and node.phase() == "Running"
    assert ("BackOff", "Back-off restarting failed container a in pod p_default(uid-p)") in node.events.seen


async def test_a_finished_pod_keeps_its_containers_until_it_is_deleted(node: Node) -> None:
    wanted = pod(restartPolicy="Never")
    worker = node.run(wanted)
    await until(lambda: node.phase() == "Running")
    node.exit(worker.uid, "a", 0)
    await until(lambda: node.phase() == "Succeeded")
    await until(lambda: (view := node.runtime.view(worker.uid)) is not None and not view.sandboxes)
    assert node.client.deleted == []
    worker.update(deleting(wanted))
    await until(lambda: node.finished == [worker.uid])
    assert node.runtime.view(worker.uid) is None
    assert node.client.deleted == [("p", 0, {"uid": "uid-p"})]


async def test_deletion_kills_reports_and_removes_the_object(node: Node) -> None:
    wanted = pod()
    worker = node.run(wanted)
    await until(lambda: node.phase() == "Running")
    worker.update(deleting(wanted))
    await until(lambda: node.finished == [worker.uid])
    assert "terminated" in node.status()["containerStatuses"][0]["state"]
    assert node.phase() == "Succeeded" and node.client.deleted == [("p", 0, {"uid": "uid-p"})]
    assert ("Killing", "Stopping container a") in node.events.seen


async def test_an_object_removed_by_force_leaves_nothing_behind(node: Node) -> None:
    wanted = pod()
    worker = node.run(wanted)
    await until(lambda: node.phase() == "Running")
    worker.removed(wanted)
    await until(lambda: node.finished == [worker.uid])
    assert node.runtime.views() == [] and node.client.deleted == []


async def test_a_pod_removed_by_force_while_its_end_is_reported_does_not_hold_its_name(node: Node) -> None:
    """A StatefulSet makes the pod anew at once: reports on the old one are refused from then on."""
    wanted = pod()
    worker = node.run(wanted)
    await until(lambda: node.phase() == "Running")
    refused: list[str] = []

    async def refuse(*_: object, **__: object) -> Obj:
        refused.append("")
        raise Forbidden("the pod of that name is another node's")

    node.client.patch = refuse  # type: ignore[method-assign,assignment]
    worker.update(deleting(wanted))
    await until(lambda: refused)
    worker.removed(deleting(wanted, 0))
    await until(lambda: node.finished == [worker.uid])
    assert node.client.deleted == []


async def test_sidecars_end_last(node: Node) -> None:
    wanted = pod(restartPolicy="Never", initContainers=[{"name": "s", "image": "i:1", "restartPolicy": "Always"}])
    worker = node.run(wanted)
    await until(lambda: node.phase() == "Running")
    assert all(c["ready"] for c in node.status()["initContainerStatuses"])
    node.exit(worker.uid, "a", 0)
    await until(lambda: node.phase() == "Succeeded")
    view = node.runtime.view(worker.uid)
    assert view is not None and all(c.state is State.EXITED for c in view.containers)


async def test_a_lost_sandbox_is_made_anew(node: Node) -> None:
    worker = node.run(pod())
    await until(lambda: node.phase() == "Running")
    view = node.runtime.view(worker.uid)
    assert view is not None and view.sandbox is not None
    await node.runtime.stop_sandbox(view.sandbox.id)
    await until(lambda: view.sandbox is not None and view.sandbox.attempt == 1 and (a := view.latest("a")) is not None and a.attempt == 1)
    assert "SandboxChanged" in node.events.reasons()


async def test_the_deadline_of_a_pod(node: Node) -> None:
    node.run(pod(activeDeadlineSeconds=0, terminationGracePeriodSeconds=0))
    await until(lambda: node.phase() == "Failed")
    assert node.status()["reason"] == "DeadlineExceeded"


async def test_limits_change_in_place(node: Node) -> None:
    wanted = pod()
    worker = node.run(wanted)
    await until(lambda: node.phase() == "Running")
    container = {"name": "a", "image": "i:1", "resources": {"limits": {"memory": "64Mi", "cpu": "1"}}}
    worker.update({**wanted, "spec": {**wanted["spec"], "containers": [container]}})
    view = node.runtime.view(worker.uid)
    assert view is not None
    await until(lambda: view.containers[0].resources.memory_limit == 64 << 20)
    assert len(view.containers) == 1 and view.containers[0].resources.cpu_quota == 100_000


async def test_limits_that_need_a_restart(node: Node) -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    wanted = pod(containers=[{"name": "a", "image": "i:1", "resizePolicy": policy}])
    worker = node.run(wanted)
    await until(lambda: node.phase() == "Running")
    container = {**wanted["spec"]["containers"][0], "resources": {"limits": {"memory": "64Mi"}}}
    worker.update({**wanted, "spec": {**wanted["spec"], "containers": [container]}})
    view = node.runtime.view(worker.uid)
    assert view is not None
    await until(lambda: (latest := view.latest("a")) is not None and latest.attempt == 1 and latest.resources.memory_limit == 64 << 20)
    assert ("Killing", "Container a resize requires restart") in node.events.seen


async def test_what_was_pretended_goes_on_after_a_restart(node: Node) -> None:
    status = {
        "phase": "Running", "podIP": "10.0.0.77", "podIPs": [{"ip": "10.0.0.77"}],
        "containerStatuses": [{"name": "a", "state": {"running": {}}, "lastState": {}, "restartCount": 4, "ready": True}],
    }  # fmt: skip
    worker = node.run({**pod(), "status": status})
    await until(lambda: "containerStatuses" in node.status())
    assert node.status()["containerStatuses"][0]["restartCount"] == 4
    view = node.runtime.view(worker.uid)
    assert view is not None and view.sandbox is not None and view.sandbox.ip == "10.0.0.77"


async def test_a_pod_waits_for_the_nodes_network(tmp_path: Path) -> None:
    async with Node(tmp_path) as node:
        node.host.network_ready.clear()
        node.run(pod())
        await until(lambda: "NetworkNotReady" in node.events.reasons())
        assert node.runtime.views() == []
        node.host.network_ready.set()
        await until(lambda: node.phase() == "Running")


async def test_our_own_report_coming_back_wakes_nobody(node: Node) -> None:
    wanted = pod()
    worker = node.run(wanted)
    await until(lambda: node.phase() == "Running")
    before = len(node.events.seen)
    worker.update({**wanted, "metadata": {**wanted["metadata"], "resourceVersion": "9"}, "status": {"phase": "Running"}})
    assert not worker._wake.is_set() and len(node.events.seen) == before


async def test_a_resize_waits_until_the_node_has_room(node: Node) -> None:
    def sized(name: str, cpu: str, generation: int = 1) -> Obj:
        out = pod(name, containers=[{"name": "a", "image": "i:1", "resources": {"requests": {"cpu": cpu}}}])
        out["metadata"]["generation"] = generation
        return out

    def shares(uid: str) -> int:
        view = node.runtime.view(uid)
        return view.containers[0].resources.cpu_shares if view else 0

    def resize() -> list[tuple[str, str]]:
        return [(c["type"], c.get("reason", "")) for c in node.status()["conditions"] if "Resize" in c["type"] and "$patch" not in c]

    node.host.allocatable["cpu"] = "2"
    worker, other = node.run(sized("p", "1")), node.run(sized("q", "500m"))
    await until(lambda: node.phase() == node.phase("q") == "Running")
    worker.update(sized("p", "2", 2))
    await until(lambda: resize() == [("PodResizePending", "Deferred")])
    assert shares(worker.uid) == 1024
    assert node.status()["containerStatuses"][0]["allocatedResources"] == {"cpu": "1"}
    other.update(deleting(sized("q", "500m")))
    await until(lambda: resize() == [] and shares(worker.uid) == 2048)
    assert node.status()["containerStatuses"][0]["allocatedResources"] == {"cpu": "2"}
    assert [r for r in node.events.reasons() if r.startswith("Resize")] == ["ResizeDeferred", "ResizeStarted", "ResizeCompleted"]


async def test_a_resize_under_way_is_told_with_what_holds(node: Node) -> None:
    def sized(generation: int, **limits: str) -> Obj:
        out = pod(containers=[{"name": "a", "image": "i:1", "resources": {"requests": dict(limits), "limits": limits}}])
        out["metadata"]["generation"] = generation
        return out

    worker = node.run(sized(1, cpu="100m", memory="35Mi"))
    await until(lambda: node.phase() == "Running")
    shown: list[tuple[list[str], Obj]] = []
    set_status = node.host.statuses.set

    def note(uid: str, status: Obj) -> None:
        shown.append(([c["type"] for c in status["conditions"] if "Resize" in c["type"]], status["containerStatuses"][0]["resources"]))
        set_status(uid, status)

    node.host.statuses.set = note  # type: ignore[method-assign]
    worker.update(sized(2, cpu="200m", memory="40Mi"))
    await until(lambda: bool(shown) and shown[-1] == ([], {k: {"cpu": "200m", "memory": "40Mi"} for k in ("requests", "limits")}))
    before = {"limits": {"cpu": "100m", "memory": str(35 << 20)}, "requests": {"cpu": "100m", "memory": "40Mi"}}
    assert shown[0] == (["PodResizeInProgress"], before)


async def test_a_memory_limit_is_not_lowered_below_what_is_used(node: Node) -> None:
    def sized(generation: int, memory: str) -> Obj:
        out = pod(containers=[{"name": "a", "image": "i:1", "resources": {"limits": {"memory": memory}}}])
        out["metadata"]["generation"] = generation
        return out

    async def usage() -> dict[str, Usage]:
        view = node.runtime.view(worker.uid)
        return {c.id: Usage(0.0, memory_bytes=1 << 20) for c in view.containers} if view else {}

    worker = node.run(sized(1, "35Mi"))
    node.runtime.usage = usage  # type: ignore[method-assign]
    await until(lambda: node.phase() == "Running")
    worker.update(sized(2, "10Ki"))
    text = 'cannot decrease memory limits: attempting to set container "a" memory limit (10240) below current usage (1048576)'
    await until(lambda: any(c.get("message") == text and c["reason"] == "Error" for c in node.status()["conditions"]))
    assert node.status()["containerStatuses"][0]["resources"]["limits"]["memory"] == str(35 << 20)


async def test_an_init_container_is_resized_while_it_runs(node: Node) -> None:
    def sized(generation: int, cpu: str) -> Obj:
        out = pod(initContainers=[{"name": "i", "image": "i:1", "resources": {"requests": {"cpu": cpu}}}])
        out["metadata"]["generation"] = generation
        return out

    def shares() -> int:
        view = node.runtime.view(worker.uid)
        latest = view.latest("i") if view else None
        return latest.resources.cpu_shares if latest else 0

    worker = node.run(sized(1, "1"))
    await until(lambda: shares() == 1024)
    worker.update(sized(2, "2"))
    await until(lambda: shares() == 2048 and "ResizeCompleted" in node.events.reasons())
