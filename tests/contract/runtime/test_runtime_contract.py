"""What every runtime promises, whatever stands behind it."""

from __future__ import annotations

import asyncio
import ipaddress
import uuid
from collections.abc import Callable

import pytest

from kubelet.runtime.interface import ContainerSpec, PodIdentity, Resources, Runtime, Sandbox, SandboxSpec, State
from tests.contract.runtime.conftest import IMAGE, POD_CIDR


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition that events bring about."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def spec(pod: PodIdentity, name: str = "app", attempt: int = 0, script: str = "exec sleep 1000") -> ContainerSpec:
    """A container that runs a script."""
    return ContainerSpec(pod, name, attempt, IMAGE, image_name=IMAGE, command=("sh", "-c"), args=(script,), spec_hash="h1")


async def started(runtime: Runtime, sandbox: Sandbox, wanted: ContainerSpec) -> str:
    """Create and start; the id."""
    container = await runtime.create_container(sandbox, wanted)
    await runtime.start_container(container.id)
    return container.id


async def test_a_sandbox_has_an_address_of_the_nodes_range(runtime: Runtime, pod: PodIdentity) -> None:
    sandbox = await runtime.create_sandbox(SandboxSpec(pod, hostname="web-0"))
    other = await runtime.create_sandbox(SandboxSpec(PodIdentity("default", "web-1", str(uuid.uuid4()))))
    assert sandbox.running and other.running
    assert ipaddress.ip_address(sandbox.ip) in ipaddress.ip_network(POD_CIDR)
    assert sandbox.ip != other.ip
    view = runtime.view(pod.uid)
    assert view is not None and view.sandbox is not None and view.sandbox.id == sandbox.id


async def test_a_host_network_sandbox_has_none(runtime: Runtime, pod: PodIdentity) -> None:
    sandbox = await runtime.create_sandbox(SandboxSpec(pod, host_network=True))
    assert sandbox.ip == "" and sandbox.host_network


async def test_a_container_is_created_then_runs(runtime: Runtime, pod: PodIdentity) -> None:
    sandbox = await runtime.create_sandbox(SandboxSpec(pod))
    container = await runtime.create_container(sandbox, spec(pod))
    assert container.state is State.CREATED
    await runtime.start_container(container.id)
    view = runtime.view(pod.uid)
    assert view is not None
    latest = view.latest("app")
    assert latest is not None and latest.state is State.RUNNING and latest.started_at >= latest.created_at - 1
    assert latest.spec_hash == "h1" and latest.sandbox_id == sandbox.id and latest.image == IMAGE


async def test_stopping_is_seen_and_may_be_repeated(runtime: Runtime, pod: PodIdentity) -> None:
    sandbox = await runtime.create_sandbox(SandboxSpec(pod))
    container_id = await started(runtime, sandbox, spec(pod))
    await runtime.stop_container(container_id, 0)
    view = runtime.view(pod.uid)
    assert view is not None
    await until(lambda: view.latest("app").state is State.EXITED)  # type: ignore[union-attr]
    latest = view.latest("app")
    assert latest is not None and latest.exit_code == 137 and latest.finished_at >= latest.started_at
    await runtime.stop_container(container_id, 0)


async def test_the_newest_attempt_comes_first(runtime: Runtime, pod: PodIdentity) -> None:
    sandbox = await runtime.create_sandbox(SandboxSpec(pod))
    first = await started(runtime, sandbox, spec(pod))
    await runtime.stop_container(first, 0)
    second = await started(runtime, sandbox, spec(pod, attempt=1))
    view = runtime.view(pod.uid)
    assert view is not None and [c.id for c in view.containers] == [second, first]


async def test_what_is_removed_is_forgotten(runtime: Runtime, pod: PodIdentity) -> None:
    sandbox = await runtime.create_sandbox(SandboxSpec(pod))
    container_id = await started(runtime, sandbox, spec(pod))
    await runtime.remove_container(container_id)
    await runtime.remove_container(container_id)
    await runtime.remove_sandbox(sandbox.id)
    await runtime.remove_sandbox(sandbox.id)
    assert runtime.view(pod.uid) is None
    assert runtime.views() == []


async def test_an_address_that_was_given_back_can_be_given_again(runtime: Runtime, pod: PodIdentity) -> None:
    sandbox = await runtime.create_sandbox(SandboxSpec(pod))
    await runtime.remove_sandbox(sandbox.id)
    again = await runtime.create_sandbox(SandboxSpec(pod, ip=sandbox.ip, attempt=1))
    assert again.ip == sandbox.ip


async def test_resources_change_in_place(runtime: Runtime, pod: PodIdentity) -> None:
    sandbox = await runtime.create_sandbox(SandboxSpec(pod))
    container_id = await started(runtime, sandbox, spec(pod))
    for wanted in (Resources(cpu_shares=512), Resources(cpu_shares=512, cpu_quota=50_000, memory_limit=64 << 20)):
        await runtime.update_resources(container_id, wanted)
        view = runtime.view(pod.uid)
        assert view is not None and view.containers[0].resources == wanted
    assert view.containers[0].state is State.RUNNING


async def test_commands_run_in_running_containers(runtime: Runtime, pod: PodIdentity) -> None:
    sandbox = await runtime.create_sandbox(SandboxSpec(pod))
    container_id = await started(runtime, sandbox, spec(pod))
    code, _ = await runtime.exec_sync(container_id, ["true"], 10)
    assert code == 0
    await runtime.stop_container(container_id, 0)
    with pytest.raises(Exception, match="not running"):
        await runtime.exec_sync(container_id, ["true"], 10)


async def test_usage_names_what_runs(runtime: Runtime, pod: PodIdentity) -> None:
    sandbox = await runtime.create_sandbox(SandboxSpec(pod))
    container_id = await started(runtime, sandbox, spec(pod))
    usage = await runtime.usage()
    assert container_id in usage and usage[container_id].time > 0


async def test_the_image_is_known_by_name(runtime: Runtime) -> None:
    image = await runtime.image(IMAGE)
    assert image is not None and IMAGE in image.names
