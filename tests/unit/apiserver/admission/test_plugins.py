"""The built-in plugins, each through the whole chain: what they set and what they refuse, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.context import User
from apiserver.middleware.authz import build_authorizer
from kubepy.api.errors import BadRequest, Forbidden, NotFound, StatusError
from tests.support.admission import Bench, named, pod
from tests.support.lister import FakeLister

SCHEDULING, STORAGE, NODE, NET = "scheduling.k8s.io", "storage.k8s.io", "node.k8s.io", "networking.k8s.io"


async def refused(bench: Bench, resource: str, obj: dict[str, Any], **more: Any) -> str:
    with pytest.raises(Forbidden) as caught:
        await bench.create(resource, obj, **more)
    return caught.value.message


async def test_a_plain_pod_gets_everything_upstream_gives_it() -> None:
    made, _ = await Bench().create("pods", pod())
    spec = made["spec"]
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert [t["key"] for t in spec["tolerations"]] == ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
    volume = spec["volumes"][0]
    assert volume["name"].startswith("kube-api-access-")
    assert volume["projected"]["sources"][0] == {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    mount = {"name": volume["name"], "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    assert spec["containers"][0]["volumeMounts"] == [mount]


async def test_pods_of_one_template_stay_equal() -> None:
    bench = Bench()
    made = [(await bench.create("pods", pod()))[0] for _ in range(2)]
    assert made[0]["spec"] == made[1]["spec"]


async def test_namespaces_must_be_there_and_stay() -> None:
    bench = Bench(("", "namespaces", {"metadata": {"name": "ns", "deletionTimestamp": "2026-01-01T00:00:00Z"}}))
    with pytest.raises(Forbidden) as caught:
        await bench.create("configmaps", named("x", "ns"))
    assert "unable to create new content in namespace ns because it is being terminated" in caught.value.message
    assert (caught.value.details or {})["causes"][0]["reason"] == "NamespaceTerminating"
    await bench.update("configmaps", named("x", "ns"), named("x", "ns"))
    bench.lister.remove("", "namespaces", "", "ns")
    with pytest.raises(NotFound, match='namespaces "ns" not found'):
        await bench.create("configmaps", named("x", "ns"))
    with pytest.raises(Forbidden, match="this namespace may not be deleted"):
        await bench.run("DELETE", "namespaces", None, named("kube-system"), name="kube-system")


async def test_service_account() -> None:
    bench = Bench()
    text = 'pods "p" is forbidden: error looking up service account ns/none: serviceaccount "none" not found'
    assert await refused(bench, "pods", pod(serviceAccountName="none")) == text
    strict = named("strict", "ns", secrets=[{"name": "mine"}], imagePullSecrets=[{"name": "reg"}])
    strict["metadata"]["annotations"] = {"kubernetes.io/enforce-mountable-secrets": "true"}
    bench.lister.put("", "serviceaccounts", {**strict, "automountServiceAccountToken": False})
    made, _ = await bench.create("pods", pod(serviceAccountName="strict"))
    assert "volumes" not in made["spec"]
    assert made["spec"]["imagePullSecrets"] == [{"name": "reg"}]
    env = [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}}]
    for spec, words in (
        ({"volumes": [{"name": "v", "secret": {"secretName": "other"}}]}, 'volume with secret.secretName="other" is not allowed'),
        ({"containers": [{"name": "c", "env": env}]}, 'container c with envVar E referencing secret.secretName="other" is not allowed'),
        ({"imagePullSecrets": [{"name": "own"}]}, 'imagePullSecrets[0].name="own" is not allowed'),
    ):
        assert words in await refused(bench, "pods", pod(serviceAccountName="strict", **spec))
    mirror = pod(serviceAccountName="strict")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    assert "a mirror pod may not reference service accounts" in await refused(bench, "pods", mirror)


async def test_priority() -> None:
    bench = Bench((SCHEDULING, "priorityclasses", named("high", value=1000, preemptionPolicy="Never")))
    made, _ = await bench.create("pods", pod(priorityClassName="high"))
    assert (made["spec"]["priority"], made["spec"]["preemptionPolicy"]) == (1000, "Never")
    assert "no PriorityClass with name none was found" in await refused(bench, "pods", pod(priorityClassName="none"))
    text = "the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 1000"
    assert text in await refused(bench, "pods", pod(priorityClassName="high", priority=5))
    bench.lister.put(SCHEDULING, "priorityclasses", named("default", value=7, globalDefault=True))
    made, _ = await bench.create("pods", pod())
    assert (made["spec"]["priority"], made["spec"]["priorityClassName"]) == (7, "default")
    text = "PriorityClass default is already marked as default. Only one default can exist"
    assert text in await refused(bench, f"priorityclasses.{SCHEDULING}", named("second", value=1, globalDefault=True))


async def test_limit_ranges() -> None:
    limits = [
        {"type": "Container", "default": {"cpu": "400m"}, "defaultRequest": {"cpu": "200m"}, "min": {"cpu": "100m"}, "max": {"cpu": "1"},
         "maxLimitRequestRatio": {"cpu": "4"}},
        {"type": "Pod", "max": {"memory": "1Gi"}},
        {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "5Gi"}},
    ]  # fmt: skip
    bench = Bench(("", "limitranges", named("l", "ns", spec={"limits": limits})))

    def one(requests: dict[str, str], limits: dict[str, str]) -> dict[str, Any]:
        return pod(containers=[{"name": "c", "image": "i", "resources": {"requests": requests, "limits": limits}}])

    made, _ = await bench.create("pods", one({}, {"memory": "600Mi"}))
    resources = made["spec"]["containers"][0]["resources"]
    assert resources == {"requests": {"cpu": "200m"}, "limits": {"memory": "600Mi", "cpu": "400m"}}
    note = "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == note
    for obj, words in (
        (one({"cpu": "2", "memory": "1Mi"}, {"cpu": "2", "memory": "1Mi"}), "maximum cpu usage per Container is 1, but limit is 2"),
        (one({"cpu": "50m"}, {"cpu": "100m", "memory": "1Mi"}), "minimum cpu usage per Container is 100m, but request is 50m"),
        (
            one({"cpu": "100m"}, {"cpu": "1", "memory": "1Mi"}),
            "cpu max limit to request ratio per Container is 4, but provided ratio is 10.0",
        ),
        (pod(), "maximum memory usage per Pod is 1Gi.  No limit is specified"),
    ):
        assert words in await refused(bench, "pods", obj)
    for size, words in (
        ("1Mi", "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi"),
        ("9Gi", "but request is 9Gi"),
    ):
        claim = named("a", "ns", spec={"resources": {"requests": {"storage": size}}})
        assert words in await refused(bench, "persistentvolumeclaims", claim)


async def test_runtime_class() -> None:
    scheduling = {"nodeSelector": {"sandbox": "yes"}, "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}]}
    bench = Bench((NODE, "runtimeclasses", named("kata", overhead={"podFixed": {"cpu": "100m"}}, scheduling=scheduling)))
    made, _ = await bench.create("pods", pod(runtimeClassName="kata", nodeSelector={"z": "z"}))
    assert made["spec"]["overhead"] == {"cpu": "100m"}
    assert made["spec"]["nodeSelector"] == {"sandbox": "yes", "z": "z"}
    assert made["spec"]["tolerations"][-1] == scheduling["tolerations"][0]  # type: ignore[index]
    for spec, words in (
        ({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found'),
        ({"overhead": {"cpu": "1"}}, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"),
        ({"runtimeClassName": "kata", "overhead": {"cpu": "1"}}, "Pod's Overhead doesn't match RuntimeClass's defined Overhead"),
        ({"runtimeClassName": "kata", "nodeSelector": {"sandbox": "no"}}, "conflict: runtimeClass.scheduling.nodeSelector[sandbox] = yes"),
    ):
        assert words in await refused(bench, "pods", pod(**spec))
    with pytest.raises(StatusError, match="resource name may not be empty"):
        await bench.create("pods", pod(runtimeClassName=""))


async def test_storage_and_ingress_defaults() -> None:
    default = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    bench = Bench(
        (STORAGE, "storageclasses", {"metadata": {"name": "old", "creationTimestamp": "2020-01-01T00:00:00Z", **default}}),
        (STORAGE, "storageclasses", {"metadata": {"name": "new", "creationTimestamp": "2021-01-01T00:00:00Z", **default}}),
        (NET, "ingressclasses", {"metadata": {"name": "web", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}}),
    )
    made, _ = await bench.create("persistentvolumeclaims", named("c", "ns", spec={}))
    assert made["spec"]["storageClassName"] == "new"
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    made, _ = await bench.create("persistentvolumeclaims", named("c", "ns", spec={"storageClassName": ""}))
    assert made["spec"]["storageClassName"] == ""
    made, _ = await bench.create(f"ingresses.{NET}", named("i", "ns", spec={}))
    assert made["spec"]["ingressClassName"] == "web"


async def test_a_claim_grows_only_when_its_class_lets_it() -> None:
    bench = Bench((STORAGE, "storageclasses", named("fixed")), (STORAGE, "storageclasses", named("elastic", allowVolumeExpansion=True)))

    def claim(size: str, storage_class: str, phase: str = "Bound") -> dict[str, Any]:
        spec = {"resources": {"requests": {"storage": size}}, "storageClassName": storage_class}
        return named("c", "ns", spec=spec, status={"phase": phase})

    await bench.update("persistentvolumeclaims", claim("2Gi", "elastic"), claim("1Gi", "elastic"))
    with pytest.raises(Forbidden, match="only dynamically provisioned pvc can be resized"):
        await bench.update("persistentvolumeclaims", claim("2Gi", "fixed"), claim("1Gi", "fixed"))
    with pytest.raises(Forbidden, match="Only bound persistent volume claims can be expanded"):
        await bench.update("persistentvolumeclaims", claim("2Gi", "elastic"), claim("1Gi", "elastic", "Pending"))


async def test_nodes_start_tainted_and_give_pods_their_zone() -> None:
    bench = Bench()
    node, _ = await bench.create("nodes", named("n1"))
    assert node["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    node["metadata"]["labels"] = {"topology.kubernetes.io/zone": "a", "other": "x"}
    bench.lister.put("", "nodes", node)
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    bound, _ = await bench.create("pods", binding, subresource="binding")
    assert bound["metadata"]["labels"] == {"topology.kubernetes.io/zone": "a"}


async def test_nobody_grants_more_than_he_has() -> None:
    group = "rbac.authorization.k8s.io"
    held = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    lister = FakeLister(
        (group, "roles", named("own", "ns", rules=[held, {"apiGroups": [group], "resources": ["*"], "verbs": ["create"]}])),
        (group, "clusterroles", named("view", rules=[{**held, "verbs": ["get", "list"]}])),
        (group, "rolebindings", named("b", "ns", subjects=[{"kind": "User", "name": "alice"}], roleRef={"kind": "Role", "name": "own"})),
    )
    bench = Bench(authorizer=build_authorizer(["RBAC"], lister))
    alice = User("alice", groups=("dev",))
    await bench.create(f"roles.{group}", named("r", "ns", rules=[held]), user=alice)
    text = await refused(bench, f"roles.{group}", named("r", "ns", rules=[{**held, "verbs": ["get", "list", "watch"]}]), user=alice)
    assert text == (
        f'roles.{group} "r" is forbidden: user "alice" (groups=["dev"]) is attempting to grant RBAC permissions not currently held:\n'
        '{APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}'
    )
    binding = named("rb", "ns", subjects=[], roleRef={"kind": "ClusterRole", "name": "view"})
    assert "is attempting to grant RBAC permissions" in await refused(bench, f"rolebindings.{group}", binding, user=alice)
    with pytest.raises(NotFound, match=f'rolebindings.{group} "none" not found'):
        await bench.create(f"rolebindings.{group}", {**binding, "roleRef": {"kind": "ClusterRole", "name": "none"}}, user=alice)
    with pytest.raises(BadRequest, match="Namespace parameter required"):
        await bench.create(f"clusterrolebindings.{group}", named("b", subjects=[], roleRef={"kind": "Role", "name": "own"}), user=alice)
    await bench.update(f"rolebindings.{group}", binding, binding, user=alice)
    await bench.create(f"rolebindings.{group}", binding)


def test_the_chain_is_skipped_where_nobody_cares() -> None:
    from kubepy.api import kinds

    chain = Bench().chain
    assert chain.wants("CREATE", kinds.resource("pods"), "")
    exempt = kinds.resource("validatingwebhookconfigurations.admissionregistration.k8s.io")
    assert not chain.wants("CREATE", exempt, "")


async def test_a_resize_needs_its_node() -> None:
    bench = Bench()
    old, new = pod(nodeName="n1"), pod(nodeName="n1")
    old["metadata"]["generation"], new["metadata"]["generation"] = 1, 2
    with pytest.raises(Forbidden) as caught:
        await bench.update("pods", new, old, subresource="resize")
    assert caught.value.message == 'pods "p" is forbidden: node "n1" not found'
    bench.lister.put("", "nodes", named("n1"))
    await bench.update("pods", new, old, subresource="resize")
