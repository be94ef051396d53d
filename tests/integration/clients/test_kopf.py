"""An operator written with kopf, unchanged: handlers, status, finalizers, owner references, with the kubectl of a user beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.clients.conftest import Kubectl, Plane

pytestmark = pytest.mark.kubectl

DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd], categories: [all]}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      additionalPrinterColumns:
        - {name: Size, type: integer, jsonPath: .spec.size}
        - {name: Resized, type: string, jsonPath: .status.resized}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {size: {type: integer, description: How large.}}}
            status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""
WIDGET = """\
apiVersion: example.org/v1
kind: Widget
metadata: {name: one}
spec: {size: 1}
"""


@pytest.fixture
def operator(plane: Plane, kubectl: Kubectl) -> Iterator[subprocess.Popen[bytes]]:
    """The operator's process, watching the test's namespace; what it wrote is shown when it fails."""
    plane.run("kubectl", "apply", "-f", "-", stdin=DEFINITION)
    plane.run("kubectl", "wait", "--for=condition=Established", "crd/widgets.example.org", "--timeout=20s")
    log = plane.home / "kopf.log"
    module = Path(__file__).with_name("widget_operator.py")
    argv = [sys.executable, "-W", "ignore", "-m", "kopf", "run", f"--namespace={kubectl.namespace}", "--standalone", str(module)]
    with log.open("wb") as out:
        process = subprocess.Popen(argv, env=plane.environment, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(20) == 0, log.read_text()
        assert "Traceback" not in log.read_text(), log.read_text()
        plane.run("kubectl", "delete", "crd", "widgets.example.org", "--timeout=20s")


def test_an_operator_follows_its_objects(operator: subprocess.Popen[bytes], kubectl: Kubectl) -> None:
    assert "widget.example.org/one created" in kubectl("apply", "-f", "-", stdin=WIDGET)
    assert kubectl.until("one", "get", "widget", "one", "-o", "jsonpath={.status.create.made}") == "one"
    assert "kopf.zalando.org/KopfFinalizerMarker" in kubectl("get", "wd/one", "-o", "jsonpath={.metadata.finalizers}")
    assert kubectl("get", "configmap", "one", "-o", "jsonpath={.data.size} {.metadata.ownerReferences[0].kind}") == "1 Widget"

    kubectl("patch", "widget", "one", "--type=merge", "-p", '{"spec":{"size":5}}')
    kubectl.until("1 to 5", "get", "widgets")
    assert kubectl("get", "configmap", "one", "-o", "jsonpath={.data.size}") == "5"
    kubectl.until("Resized   Widget/one   Now of size 5", "events", "--for=widget/one")
    assert "How large." in kubectl("explain", "widget.spec")

    kubectl("delete", "widget", "one", "--timeout=20s")
    kubectl("get", "configmap", "one-was-here")
    # The ConfigMap has lost its owner.
    kubectl.until("NotFound", "get", "configmap", "one")
    assert operator.poll() is None
