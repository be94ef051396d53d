"""kubectl against the server: what people type first."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.integration.conftest import ApiServer

pytestmark = [pytest.mark.kubectl, pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")]


def run(apiserver: ApiServer, *argv: str, stdin: str = "", status: int = 0) -> str:
    command = ["kubectl", f"--kubeconfig={apiserver.kubeconfig}", f"--cache-dir={apiserver.data_dir / 'cache'}", *argv]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, f"{argv}: {done.stderr}"
    return done.stdout + done.stderr


MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: "example/web:1"}]
"""


def test_a_deployment_from_creation_to_deletion(apiserver: ApiServer, namespace: str) -> None:
    n = f"--namespace={namespace}"
    assert "deployment.apps/web created" in run(apiserver, n, "apply", "-f", "-", stdin=MANIFEST)
    assert "deployment.apps/web unchanged" in run(apiserver, n, "apply", "-f", "-", stdin=MANIFEST)
    changed = MANIFEST.replace("replicas: 2", "replicas: 3")
    assert "-  replicas: 2\n+  replicas: 3" in run(apiserver, n, "diff", "-f", "-", stdin=changed, status=1)
    assert "deployment.apps/web configured" in run(apiserver, n, "apply", "-f", "-", stdin=changed)
    assert "serverside-applied" in run(apiserver, n, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=changed)
    assert "0/3" in run(apiserver, n, "get", "deployments", "-o", "wide")
    assert "Replicas:               3 desired" in run(apiserver, n, "describe", "deployment", "web")
    assert "scaled" in run(apiserver, n, "scale", "deployment/web", "--replicas=1")
    assert run(apiserver, n, "get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "1"
    assert "service/web exposed" in run(apiserver, n, "expose", "deployment", "web", "--port=80")
    assert 'deployment.apps "web" deleted' in run(apiserver, n, "delete", "deployment", "web")


def test_typed_clients_send_protobuf(apiserver: ApiServer, namespace: str) -> None:
    n = f"--namespace={namespace}"
    assert "created" in run(apiserver, n, "create", "deployment", "d", "--image=i", "--replicas=2")
    assert "created" in run(apiserver, n, "create", "configmap", "c", "--from-literal=k=v")
    assert "created" in run(apiserver, n, "create", "role", "r", "--verb=get", "--resource=pods")
    assert "yes" in run(apiserver, n, "auth", "can-i", "delete", "nodes")


def test_the_schema_is_explained(apiserver: ApiServer) -> None:
    assert "FIELD: containers <[]Container>" in run(apiserver, "explain", "pod.spec.containers")
    assert "deployments" in run(apiserver, "api-resources", "--api-group=apps")
    error = run(apiserver, "apply", "--validate=strict", "-f", "-", stdin=MANIFEST.replace("replicas:", "replicaz:"), status=1)
    assert 'unknown field "spec.replicaz"' in error
