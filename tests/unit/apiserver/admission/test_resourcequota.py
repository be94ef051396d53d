"""ResourceQuota: charged once per object, refused when used up, many at a time in one write."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kubepy.api.errors import Forbidden
from tests.support.admission import Bench, named, pod


def quota(hard: dict[str, str], used: dict[str, str] | None = None, name: str = "q", **spec: Any) -> tuple[str, str, dict[str, Any]]:
    used = dict.fromkeys(hard, "0") if used is None else used
    return "", "resourcequotas", named(name, "ns", spec={"hard": hard, **spec}, status={"hard": hard, "used": used})


def with_cpu(name: str, cpu: str, **spec: Any) -> dict[str, Any]:
    return pod(name, containers=[{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}], **spec)


def used(bench: Bench, name: str = "q") -> dict[str, str]:
    found = bench.lister.get("", "resourcequotas", "ns", name)
    assert found is not None
    status: dict[str, str] = found["status"]["used"]
    return status


async def test_pods_are_charged_until_the_quota_is_used_up() -> None:
    bench = Bench(quota({"pods": "2", "requests.cpu": "500m"}))
    with pytest.raises(Forbidden, match=r"failed quota: q: must specify requests.cpu for: c$"):
        await bench.create("pods", pod())
    await bench.create("pods", with_cpu("a", "200m"))
    assert used(bench) == {"pods": "1", "requests.cpu": "200m"}
    with pytest.raises(
        Forbidden, match=r"exceeded quota: q, requested: requests.cpu=400m, used: requests.cpu=200m, limited: requests.cpu=500m"
    ):
        await bench.create("pods", with_cpu("b", "400m"))
    await bench.create("pods", with_cpu("b", "100m"))
    with pytest.raises(Forbidden, match="exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"):
        await bench.create("pods", with_cpu("c", "100m"))
    assert used(bench) == {"pods": "2", "requests.cpu": "300m"}


async def test_a_dry_run_is_checked_but_not_charged() -> None:
    bench = Bench(quota({"count/configmaps": "1"}))
    await bench.create("configmaps", named("a", "ns"), dry_run=True)
    assert used(bench) == {"count/configmaps": "0"}
    await bench.create("configmaps", named("a", "ns"))
    with pytest.raises(Forbidden, match="requested: count/configmaps=1"):
        await bench.create("configmaps", named("b", "ns"), dry_run=True)


async def test_scopes_choose_pods() -> None:
    bench = Bench(
        quota({"pods": "0"}, name="best-effort", scopes=["BestEffort"]),
        quota({"pods": "0"}, name="ending", scopes=["Terminating"]),
        quota({"pods": "5"}, name="high", scopeSelector={"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}),
        ("scheduling.k8s.io", "priorityclasses", named("high", value=1)),
    )  # fmt: skip
    with pytest.raises(Forbidden, match="exceeded quota: best-effort"):
        await bench.create("pods", pod())
    with pytest.raises(Forbidden, match="exceeded quota: ending"):
        await bench.create("pods", with_cpu("a", "1m", activeDeadlineSeconds=5))
    await bench.create("pods", with_cpu("a", "1m", priorityClassName="high"))
    assert used(bench, "high") == {"pods": "1"}


async def test_an_update_is_charged_for_what_it_adds() -> None:
    bench = Bench(quota({"services.nodeports": "2"}))

    def service(ports: int) -> dict[str, Any]:
        return named("s", "ns", spec={"type": "NodePort", "ports": [{"port": n} for n in range(ports)]})

    await bench.create("services", service(1))
    await bench.update("services", service(2), service(1))
    assert used(bench) == {"services.nodeports": "2"}
    await bench.update("services", service(1), service(2))
    assert used(bench) == {"services.nodeports": "2"}
    with pytest.raises(Forbidden, match=r"requested: services.nodeports=1, used: services.nodeports=2"):
        await bench.update("services", service(3), service(2))


async def test_a_quota_without_usage_refuses() -> None:
    bench = Bench(quota({"count/secrets": "3"}, used={}))
    with pytest.raises(Forbidden, match="status unknown for quota: q, resources: count/secrets"):
        await bench.create("secrets", named("s", "ns"))


async def test_many_at_once_share_writes_and_never_exceed() -> None:
    bench = Bench(quota({"count/configmaps": "30"}))
    results = await asyncio.gather(*(bench.create("configmaps", named(f"c{n}", "ns")) for n in range(50)), return_exceptions=True)
    assert sum(not isinstance(r, BaseException) for r in results) == 30
    assert all(isinstance(r, Forbidden) for r in results if isinstance(r, BaseException))
    assert used(bench) == {"count/configmaps": "30"}
    assert bench.registry.writes < 30


async def test_what_another_server_charged_counts() -> None:
    bench = Bench(quota({"count/configmaps": "2"}))
    update = bench.registry.update_object
    raced: list[int] = []

    async def slow(*args: Any, **more: Any) -> Any:
        if not raced:
            raced.append(1)
            bench.lister.put(*quota({"count/configmaps": "2"}, used={"count/configmaps": "1"}))
        return await update(*args, **more)

    bench.registry.update_object = slow  # type: ignore[method-assign]
    results = await asyncio.gather(*(bench.create("configmaps", named(f"c{n}", "ns")) for n in range(2)), return_exceptions=True)
    assert sorted(isinstance(r, Forbidden) for r in results) == [False, True]
    assert used(bench) == {"count/configmaps": "2"}
