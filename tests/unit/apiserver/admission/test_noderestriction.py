"""NodeRestriction: what a node is refused, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.context import User
from apiserver.middleware.authz import build_authorizer
from kubepy.api.errors import Forbidden, NotFound
from tests.support.admission import Bench, named, pod
from tests.support.lister import FakeLister

NODE_USER = User("system:node:n1", groups=("system:nodes", "system:authenticated"))


async def test_nodes_touch_only_their_own() -> None:
    bench = Bench(("", "nodes", named("n1")), ("", "pods", pod("mine", nodeName="n1")), ("", "pods", pod("theirs", nodeName="n2")))

    async def no(operation: str, resource: str, obj: Any, old: Any = None, **more: Any) -> str:
        with pytest.raises(Forbidden) as caught:
            await bench.run(operation, resource, obj, old, user=NODE_USER, **more)
        return caught.value.message

    assert 'node "n1" is not allowed to modify node "n2"' in await no("CREATE", "nodes", named("n2"))
    labelled = {"metadata": {"name": "n1", "labels": {"node-restriction.kubernetes.io/x": "y", "kubernetes.io/arch": "amd64"}}}
    text = await no("UPDATE", "nodes", labelled, named("n1"))
    assert text == 'nodes "n1" is forbidden: is not allowed to modify labels: node-restriction.kubernetes.io/x'
    assert "can only create mirror pods" in await no("CREATE", "pods", pod("x", nodeName="n1"))
    assert "can only delete pods with spec.nodeName set to itself" in await no("DELETE", "pods", None, pod("theirs"), name="theirs")
    await bench.run("DELETE", "pods", None, pod("mine", nodeName="n1"), name="mine", user=NODE_USER)
    text = await no("UPDATE", "pods", pod("theirs", nodeName="n2"), pod("theirs", nodeName="n2"), subresource="status")
    assert 'node "n1" can only update pod status for pods with spec.nodeName set to itself' in text
    request = {"metadata": {"name": "default"}, "spec": {}}
    assert "node requested token not bound to a pod" in await no("CREATE", "serviceaccounts", request, subresource="token")
    lease = named("n2", "ns")
    assert 'can only access leases in the "kube-node-lease"' in await no("CREATE", "leases.coordination.k8s.io", lease)


async def said(bench: Bench, operation: str, resource: str, obj: Any, old: Any = None, **more: Any) -> str:
    with pytest.raises((Forbidden, NotFound)) as caught:
        await bench.run(operation, resource, obj, old, user=NODE_USER, **more)
    return caught.value.message


def mirror(**spec: Any) -> dict[str, Any]:
    made = pod("m", nodeName="n1", **spec)
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "1", "controller": True}
    made["metadata"] |= {"annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": [owner]}
    return made


async def test_mirror_pods_take_nothing_from_the_api() -> None:
    node = named("n1")
    node["metadata"]["uid"] = "1"
    bench = Bench(("", "nodes", node))
    await bench.create("pods", mirror(), user=NODE_USER)
    for spec, used in (
        ({"volumes": [{"name": "v", "configMap": {"name": "x"}}]}, "configmaps"),
        ({"resourceClaims": [{"name": "c", "resourceClaimTemplateName": "t"}]}, "resourceclaims"),
        ({"volumes": [{"name": "v", "csi": {"driver": "d"}}]}, "csidrivers (via CSI volumes)"),
        ({"volumes": [{"name": "v", "ephemeral": {}}]}, "persistentvolumeclaims (via ephemeral volumes)"),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "x"}}]}, "persistentvolumeclaims"),
        ({"volumes": [{"name": "v", "projected": {"sources": [{"clusterTrustBundle": {"path": "p"}}]}}]}, "clustertrustbundles"),
    ):
        text = await said(bench, "CREATE", "pods", mirror(**spec))
        assert text == f'pods "m" is forbidden: node "n1" can not create pods that reference {used}'
    # Another plugin is asked first, and looks for every kind of reference to a secret.
    secret = {"volumes": [{"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "s"}}}]}
    assert "a mirror pod may not reference secrets" in await said(bench, "CREATE", "pods", mirror(**secret))


async def test_pods_of_a_node() -> None:
    bench = Bench(("", "pods", pod("mine", nodeName="n1")))
    assert await said(bench, "DELETE", "pods", None, pod("none"), name="none") == 'pod "none" not found'
    text = await said(bench, "UPDATE", "pods", pod("mine", nodeName="n1"), pod("mine", nodeName="n1"), subresource="resize")
    assert text.endswith("unexpected pod subresource \"resize\", only 'status' and 'eviction' are allowed")
    old = pod("mine", nodeName="n1")
    extended = {**old, "status": {"extendedResourceClaimStatus": {"resourceClaimName": "c"}}}
    text = await said(bench, "UPDATE", "pods", extended, old, subresource="status")
    assert text == 'pods "mine" is forbidden: node "n1" cannot update extended resource claim status'


async def test_a_claims_status_is_mostly_not_the_nodes() -> None:
    bench = Bench()
    old = named("c", "ns", spec={}, status={"phase": "Pending"})
    reported = named("c", "ns", spec={}, status={"phase": "Pending", "capacity": {"storage": "1"}, "conditions": [{"type": "Resizing"}]})
    await bench.update("persistentvolumeclaims", reported, old, subresource="status", user=NODE_USER)
    text = await said(
        bench, "UPDATE", "persistentvolumeclaims", named("c", "ns", spec={}, status={"phase": "Lost"}), old, subresource="status"
    )
    assert text.startswith(
        'persistentvolumeclaims "c" is forbidden: node "n1" is not allowed to update fields other than status.quantity and '
        "status.conditions: @@ -"
    )
    assert '\n-  "Phase": "Pending",\n+  "Phase": "Lost",\n' in text
    assert (await said(bench, "DELETE", "persistentvolumeclaims", None, old)).endswith("may only update PVC status")


async def test_a_token_is_for_an_audience_of_the_pod() -> None:
    volumes = [
        {"name": "a", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "vault"}}]}},
        {"name": "b", "csi": {"driver": "d"}},
        {"name": "c", "persistentVolumeClaim": {"claimName": "c"}},
    ]
    rule = {"apiGroups": [""], "resources": ["free"], "verbs": ["request-serviceaccounts-token-audience"]}
    binding = {"subjects": [{"kind": "User", "name": NODE_USER.name}], "roleRef": {"kind": "ClusterRole", "name": "free"}}
    group = "rbac.authorization.k8s.io"
    roles = FakeLister((group, "clusterroles", named("free", rules=[rule])), (group, "clusterrolebindings", {**named("free"), **binding}))
    bound = pod("p", nodeName="n1", volumes=volumes)
    bound["metadata"]["uid"] = "1"
    bench = Bench(
        ("", "pods", bound),
        ("storage.k8s.io", "csidrivers", named("d", spec={"tokenRequests": [{"audience": "cloud"}]})),
        ("storage.k8s.io", "csidrivers", named("e", spec={"tokenRequests": [{"audience": "disk"}]})),
        ("", "persistentvolumeclaims", named("c", "ns", spec={"volumeName": "v"})),
        ("", "persistentvolumes", named("v", spec={"csi": {"driver": "e"}})),
        authorizer=build_authorizer(["RBAC"], roles),
    )

    def asking(*audiences: str) -> dict[str, Any]:
        ref = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1"}
        return {"metadata": {"name": "default"}, "spec": {"boundObjectRef": ref, "audiences": list(audiences)}}

    for audience in ("vault", "cloud", "disk", "free"):
        await bench.create("serviceaccounts", asking(audience), subresource="token", user=NODE_USER)
    for wrong, text in (
        (("vault", "cloud"), "node may only request 0 or 1 audiences"),
        ((), f'audience "" not found in pod spec volume, {NODE_USER.name} is not authorized to request tokens for this audience'),
    ):
        assert (await said(bench, "CREATE", "serviceaccounts", asking(*wrong), subresource="token")).endswith(text)
    bench.lister.remove("", "persistentvolumes", "", "v")
    text = await said(bench, "CREATE", "serviceaccounts", asking("other"), subresource="token")
    assert text.endswith('error validating audience "other": persistentvolume "v" not found')
