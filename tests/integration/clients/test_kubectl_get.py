"""kubectl's ways to look: forms of output, selection, watching, and what the cluster says of itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from tests.integration.clients.conftest import Kubectl

pytestmark = pytest.mark.kubectl


@pytest.fixture
def maps(kubectl: Kubectl) -> Kubectl:
    for n, name in enumerate(("b", "c", "a")):
        kubectl("create", "configmap", name, f"--from-literal=n={n}")
        kubectl("label", "configmap", name, f"n={n}")
    return kubectl


FORMS: dict[tuple[str, ...], str] = {
    ("-l", "n", "-o", "name"): "configmap/a\nconfigmap/b\nconfigmap/c\n",
    ("-l", "n in (0,1),n!=1", "-o", "name"): "configmap/b\n",
    ("-l", "n", "--chunk-size=1", "-o", "name"): "configmap/a\nconfigmap/b\nconfigmap/c\n",
    ("-l", "n", "--sort-by=.data.n", "-o", "name"): "configmap/b\nconfigmap/c\nconfigmap/a\n",
    ("-l", "n", "-o", "jsonpath={range .items[*]}{.metadata.name}={.data.n} {end}"): "a=2 b=0 c=1 ",
    ("-l", "n", "-o", "custom-columns=NAME:.metadata.name,N:.data.n"): "NAME   N\na      2\nb      0\nc      1\n",
    ("a", "-o", "go-template={{.data.n}}"): "2",
    ("--field-selector=metadata.name=c", "-o", "name"): "configmap/c\n",
}


@pytest.mark.parametrize("argv", FORMS, ids=lambda a: "-".join(a)[:30])
def test_forms_of_output(maps: Kubectl, argv: tuple[str, ...]) -> None:
    assert maps("get", "configmaps", *argv) == FORMS[argv]


def test_a_selector_that_is_none_is_told(kubectl: Kubectl) -> None:
    refused = kubectl("get", "pods", "--field-selector=spec.colour=red", status=1)
    assert refused.endswith("field label not supported: spec.colour\n")
    assert kubectl("get", "nosuch", status=1) == 'error: the server doesn\'t have a resource type "nosuch"\n'
    assert kubectl("get", "pods", "--as=nobody", status=1) == (
        'Error from server (Forbidden): pods is forbidden: User "nobody" cannot list resource "pods" in API group "" '
        f'in the namespace "{kubectl.namespace}"\n'
    )


def test_a_watch_shows_changes_as_they_come(kubectl: Kubectl) -> None:
    argv = [
        "kubectl",
        f"--namespace={kubectl.namespace}",
        "get",
        "configmaps",
        "-l",
        "w",
        "--watch-only",
        "--output-watch-events",
        "--no-headers",
    ]
    watching = subprocess.Popen(argv, env=kubectl.plane.environment, stdout=subprocess.PIPE, text=True)
    try:
        kubectl("get", "--raw", "/readyz")
        kubectl("create", "-f", "-", stdin='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"w","labels":{"w":"1"}}}')
        kubectl("patch", "configmap", "w", "-p", '{"data":{"k":"v"}}')
        kubectl("delete", "configmap", "w")
        assert watching.stdout is not None
        seen = [watching.stdout.readline().split()[:3] for _ in range(3)]
        assert seen == [["ADDED", "w", "0"], ["MODIFIED", "w", "1"], ["DELETED", "w", "1"]]
    finally:
        watching.terminate()
        watching.communicate(timeout=10)


ABOUT: dict[str, Callable[[str], bool]] = {
    "version": lambda s: "Server Version: v1.36" in s,
    "cluster-info": lambda s: "Kubernetes control plane" in s and "CoreDNS" in s,
    "api-versions": lambda s: {"v1", "apps/v1", "autoscaling/v2", "apiregistration.k8s.io/v1"} <= set(s.split()),
    "api-resources --verbs=list --namespaced -o name": lambda s: "deployments.apps" in s.split() and "nodes" not in s.split(),
    "explain pods.spec.containers --recursive": lambda s: "imagePullPolicy\t<string>" in s and "enum: Always, IfNotPresent, Never" in s,
    "explain deployment.spec.strategy --output=plaintext-openapiv2": lambda s: "rollingUpdate\t<Object>" in s,
    "auth can-i --list": lambda s: "*.*" in s,
    "auth whoami": lambda s: "kubernetes-admin" in s and "system:masters" in s,
    "get --raw /readyz?verbose": lambda s: s.endswith("readyz check passed\n"),
    "get --raw /api/v1/nodes?limit=1": lambda s: len(json.loads(s)["items"]) == 1,
    "get apiservices": lambda s: "v1.apps" in s and "False" not in s,
    "get nodes -o wide": lambda s: s.count(" Ready ") == 3 and "simulated://" in s,
    "get all -A": lambda s: "service/kubernetes" in s and "service/kube-dns" in s,
    "get componentstatuses": lambda s: "Warning: v1 ComponentStatus is deprecated in v1.19+" in s and s.count(" Healthy ") == 3,
    "get cs etcd-0 -o jsonpath={.conditions[0].type}={.conditions[0].status}": lambda s: s.endswith("Healthy=True"),
    "get flowschemas -o name": lambda s: s.index("catch-all") < s.index("exempt"),
    "get flowschemas": lambda s: s.index("exempt") < s.index("probes") < s.index("global-default") < s.index("catch-all"),
}


@pytest.mark.parametrize("command", ABOUT)
def test_what_the_cluster_says_of_itself(kubectl: Kubectl, command: str) -> None:
    said = kubectl.plane.run("kubectl", *command.split())
    assert ABOUT[command](said), said
