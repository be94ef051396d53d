"""A real cluster for the end-to-end tests: `kubepy up` with its own folder and port, real Docker, an unmodified kubectl."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

IMAGE = "kubepy-e2e/busybox"
APPLETS = (
    "sh",
    "httpd",
    "wget",
    "cat",
    "echo",
    "sleep",
    "ls",
    "hostname",
    "nslookup",
    "true",
    "false",
    "tar",
    "test",
    "mkdir",
    "stty",
    "nc",
    "id",
)


def free_port() -> int:
    """A TCP port that is free now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def until(condition: Callable[[], Any], seconds: float = 60.0, what: str = "the condition") -> Any:
    """Poll until `condition` returns something true; returns it. Fails the test when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come true in {seconds:.0f} s")
        time.sleep(0.1)


class Cluster:
    """A cluster and kubectl pointed at it."""

    def __init__(self, directory: Path) -> None:
        self.dir = directory / "cluster"
        self.name = f"e2e-{uuid.uuid4().hex[:6]}"
        self.port = free_port()
        self.env = {**os.environ, "KUBECONFIG": str(directory / "kubeconfig"), "HOME": str(directory), "KUBEPY_HOME": str(directory)}

    def kubepy(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the kubepy command on this cluster."""
        command = [sys.executable, "-m", "kubepy", argv[0], f"--data-dir={self.dir}", f"--name={self.name}", *argv[1:]]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, timeout=180)
        if check and done.returncode:
            pytest.fail(f"kubepy {' '.join(argv)}: {done.stdout}{done.stderr}\n{self.logs()}")
        return done

    def up(self, *argv: str) -> float:
        """`kubepy up`; returns the seconds it took."""
        start = time.monotonic()
        self.kubepy("up", f"--port={self.port}", *argv)
        return time.monotonic() - start

    def kubectl(self, *argv: str, stdin: str | None = None, check: bool = True, seconds: float = 90.0) -> str:
        """Run kubectl; returns its output."""
        done = subprocess.run(["kubectl", *argv], env=self.env, input=stdin, capture_output=True, text=True, check=False, timeout=seconds)
        if check and done.returncode:
            pytest.fail(f"kubectl {' '.join(argv)}: {done.stdout}{done.stderr}")
        return done.stdout + ("" if check else done.stderr)

    def get(self, *argv: str) -> Any:
        """`kubectl get … -o json`, parsed."""
        return json.loads(self.kubectl("get", *argv, "-o", "json"))

    def status(self) -> dict[str, Any]:
        """`kubepy status -o json`, parsed."""
        report: dict[str, Any] = json.loads(self.kubepy("status", "-o", "json", check=False).stdout)
        return report

    def pids(self) -> dict[str, int]:
        """The pid of each running process."""
        return {c["name"]: c["pid"] for c in self.status()["components"] if c["running"]}

    def containers(self) -> list[str]:
        """Names of all Docker containers of this cluster."""
        identity = json.loads((self.dir / "cluster.json").read_text())["id"]
        client = docker.from_env()
        try:
            found = client.containers.list(all=True, filters={"label": f"io.kubepy.cluster={identity}"}, ignore_removed=True)
            return [str(c.name) for c in found]
        finally:
            client.close()

    def logs(self) -> str:
        """The ends of all logs, for a failed test's report."""
        out = []
        for file in sorted((self.dir / "logs").glob("*.log")):
            lines = file.read_text(errors="replace").splitlines()[-15:]
            out.append(f"--- {file.name}\n" + "\n".join(lines))
        return "\n".join(out)


FETCH = r"""#!/bin/bash
# fetch HOST [PORT]: print the body of a page. bash resolves names with the C library; static busybox cannot.
exec 3<>"/dev/tcp/$1/${2:-80}" || exit 1
printf 'GET / HTTP/1.0\r\nHost: %s\r\n\r\n' "$1" >&3
read -r status <&3
while read -r line <&3 && [ "$line" != $'\r' ]; do :; done
cat <&3
[[ $status == *" 200 "* ]]
"""


def _rootfs() -> bytes:
    """busybox, and bash with its libraries, as a tar."""
    files = {"bin/busybox": Path(shutil.which("busybox") or "/bin/busybox"), "bin/bash": Path("/bin/bash")}
    linked = subprocess.run(["ldd", "/bin/bash"], capture_output=True, text=True, check=True).stdout
    for path in re.findall(r"(/\S+)", linked):
        files[path.lstrip("/")] = Path(path)
    for extra in ("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"):
        libc = next(Path(p) for p in re.findall(r"(/\S+)", linked) if "/libc.so" in p)
        if (libc.parent / extra).exists():
            files[str(libc.parent / extra).lstrip("/")] = libc.parent / extra
    folders = {"tmp", "www", "etc", "root", "proc", "sys", "dev"}
    folders |= {str(parent) for name in files for parent in Path(name).parents if str(parent) != "."}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in sorted(folders):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(info)
        contents = {name: path.resolve().read_bytes() for name, path in files.items()} | {"bin/fetch": FETCH.encode()}
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
        for applet in APPLETS:
            info = tarfile.TarInfo(f"bin/{applet}")
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
    return out.getvalue()


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """An image of a few megabytes with a shell and a web server; tags 1 and 2 are the same bytes."""
    client = docker.from_env()
    rootfs = _rootfs()
    for tag in ("1", "2"):
        client.api.import_image_from_data(rootfs, repository=IMAGE, tag=tag)
    yield IMAGE
    for tag in ("1", "2"):
        with contextlib.suppress(docker.errors.APIError):
            client.images.remove(f"{IMAGE}:{tag}", force=True)
    client.close()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, image: str) -> Iterator[Cluster]:
    """One cluster for all tests of the session; removed with its containers at the end."""
    out = Cluster(tmp_path_factory.mktemp("e2e"))
    out.up()
    yield out
    out.kubepy("delete")
    assert out_of(out) == []


def out_of(cluster: Cluster) -> list[str]:
    """Docker containers and networks that a removed cluster left behind."""
    client = docker.from_env()
    try:
        names = [str(c.name) for c in client.containers.list(all=True, ignore_removed=True)]
        return [n for n in names if cluster.name in n]
    finally:
        client.close()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace, deleted afterwards with all that is in it."""
    name = f"test-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", name)
    until(
        lambda: cluster.kubectl("-n", name, "get", "serviceaccount", "default", check=False).startswith("NAME"), 20, "the service account"
    )
    yield name
    cluster.kubectl("delete", "namespace", name, "--timeout=90s", seconds=100)
    until(lambda: not [c for c in cluster.containers() if f"_{name}_" in c], 30, "the removal of the containers")
