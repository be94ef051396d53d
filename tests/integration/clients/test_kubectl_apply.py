"""kubectl apply, diff, edit, patch, replace, kustomize: what changes objects, and what is said when it cannot be."""

from __future__ import annotations

import pytest

from tests.integration.clients.conftest import Kubectl

pytestmark = pytest.mark.kubectl

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "example/web:1", ports: [{containerPort: 80}]}]
"""
REPLICAS = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 7}\n"
MAPS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: one, labels: {set: s}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two, labels: {set: s}}
"""


def test_apply_from_the_client_and_on_the_server(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", "--dry-run=server", stdin=WEB) == "deployment.apps/web created (server dry run)\n"
    assert kubectl("apply", "-f", "-", stdin=WEB) == "deployment.apps/web created\n"
    assert kubectl("apply", "-f", "-", stdin=WEB) == "deployment.apps/web unchanged\n"
    changed = WEB.replace("web:1", "web:2")
    assert "-      - image: example/web:1\n+      - image: example/web:2" in kubectl("diff", "-f", "-", stdin=changed, status=1)
    assert kubectl("apply", "-f", "-", stdin=changed) == "deployment.apps/web configured\n"
    assert kubectl("apply", "--server-side", "-f", "-", stdin=changed) == "deployment.apps/web serverside-applied\n"
    refused = kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=REPLICAS, status=1)
    assert refused.startswith('error: Apply failed with 1 conflict: conflict with "kubectl": .spec.replicas\n')
    taken = kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", stdin=REPLICAS)
    assert taken == "deployment.apps/web serverside-applied\n"
    managers = kubectl("get", "deploy", "web", "--show-managed-fields", "-o", "jsonpath={.metadata.managedFields[*].manager}")
    assert {"kubectl", "other"} <= set(managers.split())


def test_prune_and_apply_sets(kubectl: Kubectl) -> None:
    first = MAPS.split("---")[0]
    prune = ("apply", "--prune", "-l", "set=s", "--prune-allowlist=core/v1/ConfigMap", "-f", "-")
    assert kubectl(*prune, stdin=MAPS) == "configmap/one created\nconfigmap/two created\n"
    assert kubectl(*prune, stdin=first) == "configmap/one unchanged\nconfigmap/two pruned\n"
    sets = ("apply", "--prune", "--applyset=mine", "-f", "-")
    alpha = {"KUBECTL_APPLYSET": "true"}
    kubectl(*sets, stdin=MAPS.replace("one", "three"), env=alpha)
    assert "configmap/two pruned\n" in kubectl(*sets, stdin=first.replace("one", "three"), env=alpha)


def test_patches_of_all_types(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=WEB)
    side = '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"example/side:1"}]}}}}'
    assert kubectl("patch", "deploy", "web", "-p", side) == "deployment.apps/web patched\n"
    # Nothing changes once the controllers have seen it all.
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert kubectl("patch", "deploy", "web", "-p", side) == "deployment.apps/web patched (no change)\n"
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[*].name}") == "side web"
    gone = side.replace('"image":"example/side:1"', '"$patch":"delete"')
    kubectl("patch", "deploy", "web", "-p", gone)
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[*].name}") == "web"
    kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"metadata":{"labels":{"app":null,"new":"1"}}}')
    kubectl("patch", "deploy", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":4}]')
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.metadata.labels} {.spec.replicas}") == '{"new":"1"} 4'
    assert kubectl("patch", "deploy", "web", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":1}}') == (
        "scale.autoscaling/web patched\n"
    )
    kubectl.until(" 1         1 ", "get", "deploy", "web", "--subresource=scale")
    failed = kubectl("patch", "deploy", "web", "--type=json", "-p", '[{"op":"test","path":"/spec/replicas","value":9}]', status=1)
    assert failed == "The request is invalid: the server rejected our request due to an error in our request\n"


def test_an_editor_changes_an_object(kubectl: Kubectl) -> None:
    def edit(script: str, *argv: str) -> str:
        editor = kubectl.plane.home / "editor"
        editor.write_text(f"#!/bin/sh\n{script}\n")
        editor.chmod(0o755)
        return kubectl("edit", *argv, env={"EDITOR": str(editor)}, status=None)

    kubectl("apply", "-f", "-", stdin=WEB)
    assert edit('sed -i "s/replicas: .*/replicas: 1/" $1', "deployment", "web") == "deployment.apps/web edited\n"
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "1"
    assert edit("true", "deployment", "web") == "Edit cancelled, no changes made.\n"
    assert 'deployments.apps "web" is invalid' in edit('sed -i "s/replicas: .*/replicas: -1/" $1', "deployment", "web")


def test_replace_and_kustomize(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=WEB)
    # Replacement is of the version that kubectl has just read: nobody else may write meanwhile.
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert kubectl("replace", "-f", "-", stdin=WEB.replace("web:1", "web:2")) == "deployment.apps/web replaced\n"
    assert kubectl("replace", "--force", "-f", "-", stdin=WEB).endswith("deployment.apps/web replaced\n")
    folder = kubectl.plane.home / "kustomized"
    folder.mkdir()
    (folder / "web.yaml").write_text(WEB)
    (folder / "kustomization.yaml").write_text(
        "resources: [web.yaml]\nnamePrefix: k-\nconfigMapGenerator: [{name: c, literals: [a=b]}]\nreplicas: [{name: web, count: 3}]\n"
    )
    assert "deployment.apps/k-web created\n" in kubectl("apply", "-k", folder)
    assert kubectl("get", "-k", folder, "-o", "jsonpath={.items[*].spec.replicas}") == "3"
    assert 'deployment.apps "k-web" deleted' in kubectl("delete", "-k", folder)


INVALID = {
    "apiVersion: v1\nkind: Nope\nmetadata: {name: a}\n": (
        'error: resource mapping not found for name: "a" namespace: "" from "STDIN": no matches for kind "Nope" in version "v1"\n'
        "ensure CRDs are installed first\n"
    ),
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {}\n": 'The Pod "a" is invalid: spec.containers: Required value\n',
    WEB.replace("template:", "tempalte: {}\n  template:"): (
        'Error from server (BadRequest): error when creating "STDIN": Deployment in version "v1" cannot be handled as a Deployment: '
        'strict decoding error: unknown field "spec.tempalte"\n'
    ),
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: 1}\n": (
        'Error from server (BadRequest): error when creating "STDIN": ConfigMap in version "v1" cannot be handled as a ConfigMap: '
        "json: cannot unmarshal number into Go struct field ConfigMap.data of type string\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("number", range(len(INVALID)))
def test_what_is_wrong_is_told(kubectl: Kubectl, number: int) -> None:
    manifest, message = list(INVALID.items())[number]
    assert kubectl("create", "-f", "-", stdin=manifest, status=1) == message
