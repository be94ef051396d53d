"""One plane with three simulated nodes for all conformance checks. `KUBEPY_CONFORMANCE_KUBECONFIG` names a running one instead."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.backend import Backend
from tests.conformance.plane import Plane, unique


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """The plane's administrator."""
    given = os.environ.get("KUBEPY_CONFORMANCE_KUBECONFIG")
    if given:
        made = Plane(Path(given))
        yield made
        made.http.close()
        return
    home = tmp_path_factory.mktemp("plane")
    kubeconfig = home / "kubeconfig"
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    environment = {**os.environ, "KUBEPY_HOME": str(home), "KUBECONFIG": str(kubeconfig)}
    name = f"conformance-{os.getpid()}"

    def kubepy(*arguments: str) -> None:
        done = subprocess.run([sys.executable, "-m", "kubepy", *arguments], env=environment, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        kubepy("up", "--name", name, "--port", str(port), "--simulated-nodes", "3")
        made = Plane(kubeconfig, home)
        yield made
        made.http.close()
    finally:
        kubepy("delete", "--name", name)


@pytest.fixture
def ns(plane: Plane, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace with its default service account; deleted in the background afterwards."""
    name = unique("c")
    labels = {"e2e-run": name, "pod-security.kubernetes.io/enforce": "privileged"}
    plane.create("namespaces", {"metadata": {"name": name, "labels": labels}})
    plane.until_list("serviceaccounts", name, lambda found: any(a["metadata"]["name"] == "default" for a in found))
    yield name
    plane.http.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A small HTTPS server of the test's."""
    made = Backend(tmp_path_factory.mktemp("backend"))
    yield made
    made.close()
