"""Bootstrap tokens, legacy tokens and protected classes, with a manager that runs just their controllers."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controllers.bootstrap.signer import detached
from kubepy.client import Client
from tests.integration.conftest import ApiServer
from tests.integration.controllers.conftest import start_manager, stop_manager, until, until_gone

Obj = dict[str, Any]
CLASSES = "volumeattributesclasses.storage.k8s.io"
NAMES = "bootstrapsigner,tokencleaner,volumeattributesclass-protection-controller"


@pytest.fixture(scope="module")
def manager(apiserver: ApiServer) -> Iterator[subprocess.Popen[bytes]]:
    log = apiserver.data_dir / "controllers.log"
    process = start_manager(apiserver, log, f"--controllers={NAMES}")
    try:
        yield process
        assert process.poll() is None, log.read_text()
    finally:
        stop_manager(process)


def bootstrap_token(token: str, seconds: float) -> Obj:
    until = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = {"token-id": token, "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true", "expiration": until}
    metadata = {"name": f"bootstrap-token-{token}", "namespace": "kube-system"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "bootstrap.kubernetes.io/token", "stringData": data}


async def test_tokens_sign_until_they_expire(client: Client) -> None:
    content = "apiVersion: v1\nkind: Config\n"
    metadata = {"name": "cluster-info", "namespace": "kube-public"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"kubeconfig": content, "jws-kubeconfig-gone00": "x"}}
    await client.create("configmaps", config)
    await client.create("secrets", bootstrap_token("abcdef", 3600))
    found = await until(client, "configmaps", "cluster-info", "kube-public", lambda c: "jws-kubeconfig-abcdef" in c["data"])
    assert found["data"] == {"kubeconfig": content, "jws-kubeconfig-abcdef": detached(content, "abcdef", "0123456789abcdef")}
    await client.create("secrets", bootstrap_token("short0", 2))
    await until_gone(client, "secrets", "bootstrap-token-short0", "kube-system")
    await until(client, "configmaps", "cluster-info", "kube-public", lambda c: "jws-kubeconfig-short0" not in c["data"])
    assert (await client.get("secrets", "bootstrap-token-abcdef", "kube-system"))["data"]
    await client.delete("secrets", "bootstrap-token-abcdef", "kube-system")
    await until(client, "configmaps", "cluster-info", "kube-public", lambda c: c["data"].keys() == {"kubeconfig"})


async def test_a_class_goes_when_nobody_names_it(client: Client, namespace: str) -> None:
    made = {
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttributesClass", "metadata": {"name": "t-gold"},
        "driverName": "d.example.com", "parameters": {"iops": "1"},
    }  # fmt: skip
    await client.create(CLASSES, made)
    await until(client, CLASSES, "t-gold", None, lambda c: c["metadata"].get("finalizers") == ["kubernetes.io/vac-protection"])
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeAttributesClassName": "t-gold"}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "user"}, "spec": spec}
    await client.create("persistentvolumeclaims", claim, namespace)
    await client.delete(CLASSES, "t-gold")
    assert (await client.get(CLASSES, "t-gold"))["metadata"]["deletionTimestamp"]
    # Nothing else protects the claim here, unless admission did.
    await client.patch("persistentvolumeclaims", "user", {"metadata": {"finalizers": None}}, namespace)
    await client.delete("persistentvolumeclaims", "user", namespace)
    await until_gone(client, CLASSES, "t-gold", None)


async def test_unused_legacy_tokens_are_marked_and_deleted(client: Client, apiserver: ApiServer, namespace: str) -> None:
    names = ("marked", "deleted", "own")
    secrets = [{"name": name} for name in names[:2]]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "t-sa"}, "secrets": secrets}
    await client.create("serviceaccounts", account, namespace)
    for name in names:
        labels = {"kubernetes.io/legacy-token-invalid-since": "2024-01-01"} if name == "deleted" else {}
        metadata = {"name": name, "annotations": {"kubernetes.io/service-account.name": "t-sa"}, "labels": labels}
        token = {"token": base64.b64encode(b"x").decode()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/service-account-token", "data": token}
        await client.create("secrets", secret, namespace)
    tracking = {"name": "kube-apiserver-legacy-service-account-token-tracking", "namespace": "kube-system"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": tracking, "data": {"since": "2024-01-01"}}
    await client.create("configmaps", config)
    # Tokens are looked at once a day, and when a manager starts.
    flags = ("--controllers=legacy-service-account-token-cleaner", "--legacy-service-account-token-clean-up-period=1ms")
    process = start_manager(apiserver, apiserver.data_dir / "cleaner.log", *flags)
    try:
        await until_gone(client, "secrets", "deleted", namespace)
        label = "kubernetes.io/legacy-token-invalid-since"
        await until(client, "secrets", "marked", namespace, lambda s: label in (s["metadata"].get("labels") or {}))
        assert label not in ((await client.get("secrets", "own", namespace))["metadata"].get("labels") or {})
    finally:
        stop_manager(process)
