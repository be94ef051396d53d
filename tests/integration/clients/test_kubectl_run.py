"""kubectl on what runs: rollouts, scaling, settings, nodes, debugging, deletion."""

from __future__ import annotations

import json

import pytest

from tests.integration.clients.conftest import Kubectl

pytestmark = pytest.mark.kubectl


def test_a_rollout_and_what_can_be_done_with_it(kubectl: Kubectl) -> None:
    web = "deployment/web"

    def image() -> str:
        return kubectl("get", web, "-o", "jsonpath={.spec.template.spec.containers[0].image}")

    kubectl("create", "deployment", "web", "--image=example/web:1", "--replicas=3")
    assert 'deployment "web" successfully rolled out' in kubectl("rollout", "status", web, "--timeout=30s")
    assert kubectl("set", "image", web, "web=example/web:2") == "deployment.apps/web image updated\n"
    assert 'deployment "web" successfully rolled out' in kubectl("rollout", "status", web, "--timeout=30s")
    assert "2         <none>" in kubectl("rollout", "history", web)
    assert "Image:\texample/web:1" in kubectl("rollout", "history", web, "--revision=1")
    assert kubectl("rollout", "undo", web) == "deployment.apps/web rolled back\n"
    assert image() == "example/web:1"
    assert kubectl("rollout", "pause", web) == "deployment.apps/web paused\n"
    assert "env updated" in kubectl("set", "env", web, "A=B")
    assert "resource requirements updated" in kubectl("set", "resources", web, "--limits=cpu=200m,memory=64Mi")
    kubectl("create", "serviceaccount", "sa")
    assert "serviceaccount updated" in kubectl("set", "serviceaccount", web, "sa")
    assert kubectl("rollout", "resume", web) == "deployment.apps/web resumed\n"
    assert kubectl("rollout", "restart", web) == "deployment.apps/web restarted\n"
    kubectl("rollout", "status", web, "--timeout=30s")
    pod = json.loads(kubectl("get", "pods", "-l", "app=web", "--field-selector=status.phase=Running", "-o", "json"))["items"][0]["spec"]
    assert pod["serviceAccountName"] == "sa" and pod["containers"][0]["env"] == [{"name": "A", "value": "B"}]
    assert kubectl("scale", web, "--replicas=5", "--current-replicas=9", status=1) == "error: Expected replicas to be 9, was 3\n"
    kubectl("scale", web, "--replicas=5")
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=5", web, "--timeout=30s")
    kubectl("autoscale", web, "--min=1", "--max=6", "--cpu-percent=50")
    kubectl.until("cpu: <unknown>/50%   1         6", "get", "hpa", "web")
    assert "Metrics API not available" in kubectl("top", "pods", status=1)
    # Pods of a paused rollout have no stale reasons once they are ready.
    assert kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].status.conditions[?(@.status=='True')].reason}") == ""

    assert kubectl("delete", web, "--cascade=orphan").startswith('deployment.apps "web" deleted')
    kubectl.until("5         5         5", "get", "rs", "-l", "app=web")
    kubectl("delete", "rs", "-l", "app=web", "--cascade=foreground", "--timeout=30s")
    assert "No resources found" in kubectl("get", "rs")


def test_a_pod_is_run_exposed_described_and_debugged(kubectl: Kubectl) -> None:
    assert kubectl("run", "one", "--image=example/one:1", "--port=80", "--labels=a=b", "--env=X=y") == "pod/one created\n"
    assert kubectl("run", "one", "--image=x", status=1) == 'Error from server (AlreadyExists): pods "one" already exists\n'
    kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=20s")
    assert kubectl("expose", "pod", "one", "--port=80") == "service/one exposed\n"
    kubectl.until("10.", "get", "endpointslices", "-l", "kubernetes.io/service-name=one")
    kubectl("debug", "one", "--image=example/debug:1", "--target=one", "-c", "dbg", "-q", "--profile=general")
    described = kubectl.until("Ephemeral Containers:\n  dbg:", "describe", "pod", "one")
    assert "Status:           Running" in described and "Successfully assigned" in described
    kubectl.until("Container started", "events", "--for=pod/one")
    assert kubectl("logs", "one", "-c", "one") == ""
    assert "not supported by the simulated runtime" in kubectl("exec", "one", "-c", "one", "--", "true", status=1)
    assert kubectl("label", "pod", "one", "a=c", status=1) == "error: 'a' already has a value (b), and --overwrite is false\n"
    assert kubectl("annotate", "pod", "one", "n=v") == "pod/one annotated\n"
    assert kubectl("delete", "pod", "one").startswith('pod "one" deleted')
    assert kubectl("delete", "pod", "one", status=1) == 'Error from server (NotFound): pods "one" not found\n'


def test_a_node_is_cordoned_drained_and_tainted(kubectl: Kubectl) -> None:
    node = "simulated-2"
    kubectl("create", "deployment", "web", "--image=example/web:1", "--replicas=6")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    try:
        drained = kubectl("drain", node, "--ignore-daemonsets", "--pod-selector=app=web", "--timeout=30s")
        assert f"node/{node} cordoned" in drained and f"node/{node} drained\n" in drained and "evicting pod" in drained
        assert f"{node}   Ready,SchedulingDisabled   <none>" in kubectl("get", "nodes")
        kubectl("rollout", "status", "deployment/web", "--timeout=30s")
        placed = kubectl("get", "pods", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].spec.nodeName}").split()
        assert set(placed) == {"simulated-0", "simulated-1"}
    finally:
        assert kubectl("uncordon", node) == f"node/{node} uncordoned\n"
    taint = ("taint", "nodes", node, "only=some:NoSchedule")
    assert kubectl(*taint) == f"node/{node} tainted\n"
    assert "taint(s) with same effect(s) and --overwrite is false" in kubectl(*taint, status=1)
    assert kubectl("taint", "nodes", node, "only-") == f"node/{node} untainted\n"


def test_a_namespace_goes_with_all_that_is_in_it(kubectl: Kubectl) -> None:
    space = f"{kubectl.namespace}-2"
    kubectl("create", "namespace", space)
    kubectl("create", "deployment", "web", "--image=example/web:1", "--replicas=2", f"--namespace={space}")
    kubectl("rollout", "status", "deployment/web", f"--namespace={space}", "--timeout=30s")
    # The pods may have 30 s to go, but take none: nothing waits for the rest of it.
    assert kubectl.plane.run("kubectl", "delete", "namespace", space, "--timeout=10s") == f'namespace "{space}" deleted\n'
    assert "NotFound" in kubectl("get", "namespace", space, status=1)
    assert kubectl("get", "pods,configmaps", f"--namespace={space}") == f"No resources found in {space} namespace.\n"
