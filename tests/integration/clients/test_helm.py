"""helm: the life of a release with a definition, hooks, a test and `--wait`, of the chart beside this file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.clients.conftest import Kubectl

pytestmark = [pytest.mark.kubectl, pytest.mark.skipif(shutil.which("helm") is None, reason="needs helm")]
CHART = Path(__file__).parent / "chart"


def test_a_release_from_installation_to_removal(kubectl: Kubectl) -> None:
    def helm(*argv: object, status: int = 0) -> str:
        return kubectl.plane.run("helm", f"--namespace={kubectl.namespace}", *argv, status=status)

    def shown(path: str, *what: str) -> str:
        return kubectl("get", *what, "-o", f"jsonpath={path}")

    wait = ("--wait", "--timeout=45s")
    assert "STATUS: deployed" in helm("install", "one", CHART, *wait)
    # With --wait, what was installed is ready, and the hook before it has run.
    assert shown("{.status.readyReplicas}", "deployment", "one") == "2"
    assert shown("{.status.succeeded}", "job", "one-pre-install") == "1"
    assert json.loads(shown("{.data}", "configmap", "one")).items() >= {"autoscaling": "true", "system": "kube-system"}.items()
    assert "one    2" in kubectl("get", "shops")

    helm("upgrade", "one", CHART, "--set=replicas=3", *wait)
    assert shown("{.status.readyReplicas}", "deployment", "one") == "3"
    assert shown("{.status.succeeded}", "job", "one-post-upgrade") == "1"
    assert "Phase:          Succeeded" in helm("test", "one", "--timeout=30s")

    refused = helm("upgrade", "one", CHART, "--set=replicas=0", status=1)
    assert "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1" in refused
    helm("rollback", "one", "1", *wait)
    assert shown("{.spec.size}", "shop", "one") == "2"
    statuses = [r["status"] for r in json.loads(helm("history", "one", "-o", "json"))]
    assert statuses == ["superseded", "superseded", "failed", "deployed"]

    helm("uninstall", "one", *wait)
    assert kubectl("get", "deployments,services,shops,pods", "-l", "app=one") == f"No resources found in {kubectl.namespace} namespace.\n"
    assert "release: not found" in helm("status", "one", status=1)
