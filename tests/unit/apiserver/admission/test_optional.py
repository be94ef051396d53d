"""The plugins that are on only when a flag names them, and the flags."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver import options
from apiserver.admission.chain import problem_with
from apiserver.context import RequestInfo, User
from kubepy.api.errors import Forbidden
from tests.support.admission import Bench, named, pod

ALICE = User("alice", groups=("system:authenticated",))


async def refused(bench: Bench, *write: Any, **more: Any) -> str:
    with pytest.raises(Forbidden) as caught:
        await bench.run(*write, **more)
    return caught.value.message


async def test_they_are_off_by_default() -> None:
    made, _ = await Bench().create("pods", pod(containers=[{"name": "c", "image": "i", "imagePullPolicy": "Never"}]))
    assert made["spec"]["containers"][0]["imagePullPolicy"] == "Never"


async def test_images_are_pulled_always_when_they_are_new() -> None:
    bench = Bench(enabled=("AlwaysPullImages",))
    old = pod(
        containers=[{"name": "c", "image": "i", "imagePullPolicy": "Never"}],
        initContainers=[{"name": "d", "image": "j"}],
        volumes=[{"name": "v", "image": {"reference": "r", "pullPolicy": "Never"}}],
    )
    made, _ = await bench.create("pods", old)
    spec = made["spec"]
    assert [c["imagePullPolicy"] for c in (*spec["containers"], *spec["initContainers"])] == ["Always", "Always"]
    assert spec["volumes"][0]["image"]["pullPolicy"] == "Always"
    assert (await bench.update("pods", old, old))[0]["spec"]["containers"][0]["imagePullPolicy"] == "Never"
    changed = pod(containers=[{"name": "c", "image": "k", "imagePullPolicy": "Never"}])
    assert (await bench.update("pods", changed, old))[0]["spec"]["containers"][0]["imagePullPolicy"] == "Always"


async def test_external_addresses_may_stay_but_not_come() -> None:
    bench = Bench(enabled=("DenyServiceExternalIPs",))
    one, two = (named("s", "ns", spec={"externalIPs": ips}) for ips in (["192.0.2.1"], ["192.0.2.1", "192.0.2.2"]))
    text = 'services "s" is forbidden: Use of external IPs is denied by admission control'
    assert await refused(bench, "CREATE", "services", one) == text
    assert await refused(bench, "UPDATE", "services", two, one) == text
    await bench.update("services", one, two)


async def test_who_asks_for_devices_tolerates_their_nodes() -> None:
    requests = {"cpu": "1", "example.com/gpu": "1", "acme.test/npu": "2", "hugepages-2Mi": "2Mi"}
    container = {"name": "c", "image": "i", "resources": {"requests": requests}}
    asking = pod(containers=[container], tolerations=[{"key": "x", "operator": "Exists"}])
    made, _ = await Bench(enabled=("ExtendedResourceToleration",)).create("pods", asking)
    added = [t for t in made["spec"]["tolerations"] if t["key"] in requests]
    assert added == [{"key": k, "operator": "Exists", "effect": "NoSchedule"} for k in ("acme.test/npu", "example.com/gpu")]


async def test_pods_keep_others_off_no_more_than_their_node() -> None:
    bench = Bench(enabled=("LimitPodHardAntiAffinityTopology",))

    def apart(key: str) -> dict[str, Any]:
        return pod(affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": key}]}})

    await bench.create("pods", apart("kubernetes.io/hostname"))
    assert await refused(bench, "CREATE", "pods", apart("zone")) == (
        'pods "p" is forbidden: affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only key '
        "kubernetes.io/hostname is allowed"
    )


class Allowed:
    """Allows some (verb, resource, subresource)."""

    def __init__(self, *what: tuple[str, str, str]) -> None:
        self.what = what

    def authorize(self, _user: User, info: RequestInfo) -> tuple[bool, str]:
        return (info.verb, info.resource, info.subresource) in self.what, "no rule"


def owned(block: bool | None = None, kind: str = "ReplicaSet") -> dict[str, Any]:
    ref = {"apiVersion": "apps/v1", "kind": kind, "name": "r", "uid": "1", **({} if block is None else {"blockOwnerDeletion": block})}
    return {"metadata": {"name": "c", "namespace": "ns", "ownerReferences": [ref]}}


async def test_owners_are_set_by_who_could_delete_what_they_own() -> None:
    bench = Bench(authorizer=Allowed(), enabled=("OwnerReferencesPermissionEnforcement",))
    free = named("c", "ns")
    await bench.create("configmaps", owned(), user=ALICE)
    await bench.update("configmaps", owned(), owned(), user=ALICE)
    text = 'configmaps "c" is forbidden: cannot set an ownerRef on a resource you can\'t delete: no rule, <nil>'
    assert await refused(bench, "UPDATE", "configmaps", owned(), free, user=ALICE) == text
    may = Bench(authorizer=Allowed(("delete", "configmaps", "")), enabled=("OwnerReferencesPermissionEnforcement",))
    await may.update("configmaps", owned(), free, user=ALICE)


async def test_owners_are_blocked_by_who_could_set_their_finalizers() -> None:
    names = ("OwnerReferencesPermissionEnforcement",)
    bench = Bench(authorizer=Allowed(), enabled=names)
    where = "cannot set blockOwnerDeletion"
    assert await refused(bench, "CREATE", "configmaps", owned(True), user=ALICE) == (
        f'configmaps "c" is forbidden: {where} if an ownerReference refers to a resource you can\'t set finalizers on: no rule, <nil>'
    )
    assert await refused(bench, "CREATE", "configmaps", owned(True, "Thing"), user=ALICE) == (
        f'configmaps "c" is forbidden: {where} in this case because cannot find RESTMapping for APIVersion apps/v1 Kind Thing: '
        'no matches for kind "Thing" in version "apps/v1"'
    )
    for what in (("update", "replicasets", "finalizers"), ("update", "*", "finalizers")):
        await Bench(authorizer=Allowed(what), enabled=names).create("configmaps", owned(True), user=ALICE)
    await Bench(authorizer=Allowed(("delete", "configmaps", "")), enabled=names).update("configmaps", owned(True), owned(True), user=ALICE)


def test_names_that_are_no_plugins_are_refused_at_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert problem_with(["AlwaysPullImages", "PodGroupProtection"], ["PodSecurity"]) == ""
    assert problem_with([], ["Nothing"]).startswith('disable-admission-plugins plugin "Nothing" is unknown; there are: AlwaysPullImages, ')
    both = "[PodSecurity] in enable-admission-plugins and disable-admission-plugins overlapped"
    assert problem_with(["PodSecurity"], ["PodSecurity"]) == both
    with pytest.raises(SystemExit):
        options.parse(["--enable-admission-plugins=Typo"])
    assert 'enable-admission-plugins plugin "Typo" is unknown' in capsys.readouterr().err
