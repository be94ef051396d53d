"""What only a runtime that really runs things can show."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from kubelet.runtime.docker import elf
from kubelet.runtime.docker.cleanup import remove_all
from kubelet.runtime.docker.runtime import DockerRuntime
from kubelet.runtime.interface import (
    ContainerSpec,
    ExecTimeout,
    LogOptions,
    Mount,
    PodIdentity,
    Resources,
    RuntimeFailure,
    SandboxSpec,
    Security,
    State,
)  # fmt: skip
from tests.contract.runtime.conftest import CIDR, POD_CIDR
from tests.contract.runtime.test_runtime_contract import spec, started, until

pytestmark = pytest.mark.docker


class Made:
    """A runtime that can be stopped and started anew, as a kubelet that was killed."""

    def __init__(self) -> None:
        self.cluster = f"ct{uuid.uuid4().hex[:8]}"
        self.runtime = DockerRuntime(self.cluster, "node-a", CIDR)
        self.changed: list[str] = []

    async def start(self) -> DockerRuntime:
        await self.runtime.start(self.changed.append)
        await self.runtime.set_pod_cidr(POD_CIDR)
        return self.runtime

    async def restart(self) -> DockerRuntime:
        await self.runtime.stop()
        self.runtime = DockerRuntime(self.cluster, "node-a", CIDR)
        return await self.start()


@pytest.fixture
async def made(docker_image: str) -> AsyncIterator[Made]:
    """A running one."""
    out = Made()
    try:
        await out.start()
        yield out
    finally:
        await out.runtime.stop()
        await remove_all(out.cluster)


async def output(runtime: DockerRuntime, container_id: str, **options: bool) -> bytes:
    """The whole log."""
    pieces = [data async for _, data in runtime.logs(container_id, LogOptions(**options))]  # type: ignore[arg-type]
    return b"".join(pieces)


async def run(runtime: DockerRuntime, pod: PodIdentity, wanted: ContainerSpec) -> str:
    """In a new sandbox, to its end; the id."""
    sandbox = await runtime.create_sandbox(SandboxSpec(pod, hostname="web-0"))
    container_id = await started(runtime, sandbox, wanted)
    view = runtime.view(pod.uid)
    assert view is not None
    await until(lambda: view.latest(wanted.name).state is State.EXITED)  # type: ignore[union-attr]
    return container_id


async def test_exit_codes_streams_and_settings(made: Made, pod: PodIdentity, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mounted")
    tmp_path.chmod(0o755)
    wanted = replace(
        spec(pod, script='echo "$GREETING $(hostname) $(pwd) $(id -u):$(id -g)"; cat /mnt/file; touch /mnt/x; echo bad >&2; exit 3'),
        env=(("GREETING", "hi"),), working_dir="/tmp", mounts=(Mount(str(tmp_path), "/mnt", True),),
        security=Security(user="65534:1000", no_new_privileges=True, cap_drop=("ALL",)),
    )  # fmt: skip
    container_id = await run(made.runtime, pod, wanted)
    view = made.runtime.view(pod.uid)
    assert view is not None and (view.containers[0].exit_code, view.containers[0].reason) == (3, "Error")
    assert await output(made.runtime, container_id, stderr=False) == b"hi web-0 /tmp 65534:1000\nmounted"
    assert b"Read-only file system" in await output(made.runtime, container_id, stdout=False)
    assert pod.uid in made.changed


async def test_a_container_beyond_its_memory_is_oom_killed(made: Made, pod: PodIdentity) -> None:
    await run(made.runtime, pod, replace(spec(pod, script="exec tail -c 200m /dev/zero"), resources=Resources(memory_limit=16 << 20)))
    view = made.runtime.view(pod.uid)
    assert view is not None and (view.containers[0].reason, view.containers[0].exit_code) == ("OOMKilled", 137)


async def test_a_command_that_does_not_exist_is_a_start_error(made: Made, pod: PodIdentity) -> None:
    sandbox = await made.runtime.create_sandbox(SandboxSpec(pod))
    container = await made.runtime.create_container(sandbox, replace(spec(pod), command=("/nosuch",)))
    with pytest.raises(RuntimeFailure, match="nosuch"):
        await made.runtime.start_container(container.id)
    runtime = await made.restart()
    view = runtime.view(pod.uid)
    assert view is not None and (view.containers[0].state, view.containers[0].reason) == (State.EXITED, "StartError")


async def test_a_restarted_kubelet_adopts_and_starts_nothing_twice(made: Made, pod: PodIdentity) -> None:
    sandbox = await made.runtime.create_sandbox(SandboxSpec(pod))
    running = await started(made.runtime, sandbox, spec(pod))
    left = await made.runtime.create_container(sandbox, spec(pod, "never-started"))
    runtime = await made.restart()
    view = runtime.view(pod.uid)
    assert view is not None and view.sandbox is not None
    assert (view.sandbox.id, view.sandbox.ip, view.sandbox.running) == (sandbox.id, sandbox.ip, True)
    assert [(c.id, c.state) for c in view.containers] == [(running, State.RUNNING)]
    other = await runtime.create_sandbox(SandboxSpec(PodIdentity("default", "b", str(uuid.uuid4()))))
    assert other.ip != sandbox.ip
    again = await runtime.create_container(sandbox, spec(pod, "never-started"))
    assert again.id != left.id
    await runtime.remove_container(running)


async def test_containers_share_the_sandboxs_network_and_pods_reach_each_other(made: Made, pod: PodIdentity) -> None:
    runtime = made.runtime
    sandbox = await runtime.create_sandbox(SandboxSpec(pod))
    await started(runtime, sandbox, spec(pod, "server", script="echo served > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"))
    beside = await started(runtime, sandbox, spec(pod, "beside"))
    other = await runtime.create_sandbox(SandboxSpec(PodIdentity("default", "b", str(uuid.uuid4()))))
    client = await started(runtime, other, spec(other.pod, "client"))
    fetch = ["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do wget -qO- http://$0:8080/index.html && exit; sleep 0.1; done; exit 1"]
    assert await runtime.exec_sync(beside, [*fetch, "127.0.0.1"], 10) == (0, b"served\n")
    assert await runtime.exec_sync(client, [*fetch, sandbox.ip], 10) == (0, b"served\n")
    connection = await runtime.connect(sandbox, 8080)
    await connection.write(b"GET /index.html HTTP/1.0\r\n\r\n")
    answer = b""
    while data := await connection.read():
        answer += data
    await connection.close()
    assert answer.endswith(b"served\n")


async def test_exec_streams_stdin_and_tells_the_exit_code(made: Made, pod: PodIdentity) -> None:
    runtime = made.runtime
    sandbox = await runtime.create_sandbox(SandboxSpec(pod))
    container_id = await started(runtime, sandbox, spec(pod))
    stream = await runtime.exec(container_id, ["sh", "-c", "cat; echo done >&2; exit 5"], tty=False, stdin=True)
    payload = bytes(range(256)) * 2000
    await stream.write(payload)
    await stream.close_stdin()
    seen = {1: b"", 2: b""}
    while (piece := await stream.read())[0]:
        seen[piece[0]] += piece[1]
    assert seen == {1: payload, 2: b"done\n"}
    assert await stream.exit_code() == 5
    await stream.close()


async def test_a_command_that_overruns_is_given_up(made: Made, pod: PodIdentity) -> None:
    sandbox = await made.runtime.create_sandbox(SandboxSpec(pod))
    container_id = await started(made.runtime, sandbox, spec(pod))
    with pytest.raises(ExecTimeout):
        await made.runtime.exec_sync(container_id, ["sleep", "100"], 0.5)


async def test_stop_gives_time_to_end(made: Made, pod: PodIdentity) -> None:
    sandbox = await made.runtime.create_sandbox(SandboxSpec(pod))
    script = "trap 'echo bye; exit 0' TERM; echo up; while true; do sleep 0.05; done"
    container_id = await started(made.runtime, sandbox, spec(pod, script=script))
    follow = made.runtime.logs(container_id, LogOptions(follow=True))
    assert (await anext(follow))[1] == b"up\n"
    await made.runtime.stop_container(container_id, 10)
    assert (await anext(follow))[1] == b"bye\n"
    assert await anext(follow, None) is None
    view = made.runtime.view(pod.uid)
    assert view is not None and (view.containers[0].exit_code, view.containers[0].reason) == (0, "Completed")


async def test_a_sandbox_that_dies_is_noticed(made: Made, pod: PodIdentity) -> None:
    sandbox = await made.runtime.create_sandbox(SandboxSpec(pod))
    await made.runtime.stop_sandbox(sandbox.id)
    view = made.runtime.view(pod.uid)
    assert view is not None and view.sandbox is not None
    await until(lambda: not sandbox.running or not view.sandbox.running)  # type: ignore[union-attr]


async def test_tail_and_timestamps(made: Made, pod: PodIdentity) -> None:
    container_id = await run(made.runtime, pod, spec(pod, script="for i in 1 2 3 4; do echo line $i; done"))
    pieces = [d async for _, d in made.runtime.logs(container_id, LogOptions(tail=2))]
    assert b"".join(pieces) == b"line 3\nline 4\n"
    stamped = b"".join([d async for _, d in made.runtime.logs(container_id, LogOptions(tail=1, timestamps=True))])
    assert stamped.endswith(b"Z line 4\n") and stamped.startswith(b"20")


async def test_many_pods_start_side_by_side(made: Made) -> None:
    async def one(n: int) -> str:
        pod = PodIdentity("default", f"p{n}", str(uuid.uuid4()))
        sandbox = await made.runtime.create_sandbox(SandboxSpec(pod))
        await started(made.runtime, sandbox, spec(pod))
        return sandbox.ip

    addresses = await asyncio.gather(*(one(n) for n in range(4)))
    assert len(set(addresses)) == 4


@pytest.mark.skipif(platform.machine() != "x86_64", reason="runs the x86-64 program")
def test_the_sandbox_program_sleeps_reaps_and_ends(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(elf.program("x86_64"))
    program.chmod(0o755)
    running = subprocess.Popen([program])
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.2)
    running.terminate()
    assert running.wait(5) == 0
