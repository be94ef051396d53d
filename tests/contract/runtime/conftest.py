"""The runtimes under contract, and an image that every one of them can run."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kubelet.runtime.interface import PodIdentity, Runtime

IMAGE = "kubepy-contract/busybox:1"
CIDR, POD_CIDR = "10.247.0.0/16", "10.247.3.0/24"


def rootfs(binary: Path) -> bytes:
    """A root file system of one static busybox and links to it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("bin", "etc", "tmp", "proc", "sys", "dev"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        data = binary.read_bytes()
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(data), 0o755
        tar.addfile(entry, io.BytesIO(data))
        for applet in subprocess.run([str(binary), "--list"], capture_output=True, text=True, check=True).stdout.split():
            if applet != "busybox":
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
    return out.getvalue()


@pytest.fixture(scope="session")
def docker_image() -> Iterator[str]:
    """The image on the Docker engine; skips where there is no engine or no static busybox."""
    docker = pytest.importorskip("docker")
    busybox = shutil.which("busybox")
    try:
        client = docker.APIClient(version="auto")
        client.ping()
    except docker.errors.DockerException:
        pytest.skip("no Docker engine")
    if busybox is None:
        pytest.skip("no busybox")
    name, _, tag = IMAGE.partition(":")
    client.import_image_from_data(rootfs(Path(busybox)), repository=name, tag=tag, changes=["ENV PATH=/bin", 'CMD ["sh"]'])
    yield IMAGE
    with contextlib.suppress(docker.errors.APIError):
        client.remove_image(IMAGE, force=True)
    client.close()


@pytest.fixture(params=[pytest.param("docker", marks=pytest.mark.docker), "simulated"])
async def runtime(request: pytest.FixtureRequest) -> AsyncIterator[Runtime]:
    """A started runtime with a pod network, emptied afterwards."""
    if request.param == "simulated":
        from kubelet.runtime.simulated.runtime import SimulatedRuntime

        simulated: Runtime = SimulatedRuntime()
        await simulated.start(lambda uid: None)
        await simulated.set_pod_cidr(POD_CIDR)
        yield simulated
        await simulated.stop()
        return
    request.getfixturevalue("docker_image")
    from kubelet.runtime.docker.cleanup import remove_all
    from kubelet.runtime.docker.runtime import DockerRuntime

    cluster = f"ct{uuid.uuid4().hex[:8]}"
    real: Runtime = DockerRuntime(cluster, "node-a", CIDR)
    await real.start(lambda uid: None)
    try:
        await real.set_pod_cidr(POD_CIDR)
        yield real
    finally:
        await real.stop()
        await remove_all(cluster)


@pytest.fixture
def pod() -> PodIdentity:
    """A pod that nobody else has."""
    return PodIdentity("default", "web-0", str(uuid.uuid4()))
