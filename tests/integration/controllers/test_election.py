"""Two controller-managers: one acts, and the other takes over when it is killed."""

from __future__ import annotations

import signal
from typing import Any

from tests.integration.conftest import ApiServer
from tests.integration.controllers.conftest import start_manager, stop_manager, until, until_count

Obj = dict[str, Any]
LEASES, LEASE = "leases.coordination.k8s.io", "kube-controller-manager"
QUICK = ("--leader-elect", "--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=500ms")


def holder(lease: Obj) -> str:
    return str(lease.get("spec", {}).get("holderIdentity") or "")


async def test_takeover_after_kill(apiserver: ApiServer, namespace: str) -> None:
    first = start_manager(apiserver, apiserver.data_dir / "first.log", *QUICK)
    second = None
    try:
        async with apiserver.client() as client:
            leader = holder(await until(client, LEASES, LEASE, "kube-system", holder))
            second = start_manager(apiserver, apiserver.data_dir / "second.log", *QUICK)
            assert stop_manager(first, signal.SIGKILL) == -signal.SIGKILL
            lease = await until(client, LEASES, LEASE, "kube-system", lambda found: holder(found) not in ("", leader))
            assert lease["spec"]["leaseTransitions"] == 1
            metadata = {"labels": {"app": "web"}}
            spec = {"containers": [{"name": "app", "image": "registry.example/app:1"}], "schedulerName": "by-hand"}
            body = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": metadata, "spec": spec}}
            rs = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"}, "spec": body}
            await client.create("replicasets.apps", rs, namespace)
            await until_count(client, "pods", namespace, 2)
            assert stop_manager(second) == 0
            assert holder(await client.get(LEASES, LEASE, "kube-system")) == ""
    finally:
        for process in (first, second):
            if process is not None and process.poll() is None:
                stop_manager(process, signal.SIGKILL)
