"""A whole control plane with simulated nodes, started and removed with `kubepy up` and `kubepy delete`, and its users' programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.conftest import free_port

NAME = "clients"


@dataclass
class Plane:
    """A running cluster of three simulated nodes. `home` holds its state and what its clients keep."""

    home: Path

    @property
    def kubeconfig(self) -> Path:
        """The user's kubeconfig."""
        return self.home / "kubeconfig"

    @property
    def environment(self) -> dict[str, str]:
        """For the product and its clients: everything of theirs is in `home`."""
        folders = {f"HELM_{kind}_HOME": str(self.home / "helm") for kind in ("CACHE", "CONFIG", "DATA")}
        return {**os.environ, **folders, "KUBEPY_HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home)}

    def kubepy(self, *argv: str) -> None:
        """Run the product's command."""
        command = [sys.executable, "-m", "kubepy", *argv, "--name", NAME]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=110, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}\n{self.logs()}"

    def logs(self) -> str:
        """What the processes wrote."""
        return "\n".join(f"== {f.name}\n{f.read_text()}" for f in sorted(self.home.glob("*/logs/*.log")))

    def run(
        self,
        program: str,
        *argv: object,
        stdin: str = "",
        status: int | None = 0,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> str:
        """Run a client; what it wrote to both streams. Fails unless it ends with `status` (None: any)."""
        done = subprocess.run(
            [program, *map(str, argv)], input=stdin, env=self.environment | (env or {}), cwd=cwd or self.home,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert status is None or done.returncode == status, f"{program} {argv}: {done.returncode}: {done.stdout}"
        return done.stdout


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """One cluster for all tests of clients: they keep to namespaces of their own."""
    made = Plane(tmp_path_factory.mktemp("clients"))
    made.kubepy("up", "--nodes", "0", "--simulated-nodes", "3", "--port", str(free_port()))
    try:
        yield made
    finally:
        made.kubepy("delete")


@dataclass
class Kubectl:
    """kubectl in one namespace."""

    plane: Plane
    namespace: str

    def __call__(self, *argv: object, stdin: str = "", status: int | None = 0, env: dict[str, str] | None = None) -> str:
        return self.plane.run("kubectl", f"--namespace={self.namespace}", *argv, stdin=stdin, status=status, env=env)

    def until(self, text: str, *argv: object, seconds: float = 30) -> str:
        """Ask again until the answer holds `text`."""
        deadline = time.monotonic() + seconds
        while True:
            out = self(*argv, status=None)
            if text in out:
                return out
            assert time.monotonic() < deadline, f"{argv}: no {text!r} in\n{out}"
            time.sleep(0.1)


@pytest.fixture
def kubectl(plane: Plane, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """kubectl in a namespace of the test's own."""
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl")
    name = "".join(c if c.isalnum() else "-" for c in request.node.name.removeprefix("test_").lower())[:50].strip("-")
    plane.run("kubectl", "create", "namespace", name)
    made = Kubectl(plane, name)
    # Pods need the service account that the controllers make.
    made.until("default", "get", "serviceaccounts", "-o", "name")
    yield made
    plane.run("kubectl", "delete", "namespace", name, "--wait=false")
