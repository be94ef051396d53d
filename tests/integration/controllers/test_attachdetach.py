"""Attaching and detaching, with the test as scheduler, CSI driver and kubelet."""

from __future__ import annotations

from typing import Any

from kubepy.client import Client
from tests.integration.controllers.conftest import until, until_count, until_gone

Obj = dict[str, Any]
ATTACHMENTS = "volumeattachments.storage.k8s.io"
HANDLE = "kubernetes.io/csi/d.example.com^t-handle"


async def node(client: Client, name: str) -> None:
    annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    metadata = {"name": name, "annotations": annotations}
    await client.create("nodes", {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [taint]}})
    status = {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastHeartbeatTime": None}]}
    await client.patch("nodes", name, {"status": status}, subresource="status")


async def volume(client: Client, namespace: str) -> None:
    resources = {"requests": {"storage": "1Gi"}}
    spec: Obj = {"accessModes": ["ReadWriteOnce"], "resources": resources, "volumeName": "t-pv", "storageClassName": ""}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
    spec = {
        "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "storageClassName": "",
        "claimRef": {"namespace": namespace, "name": "data"}, "csi": {"driver": "d.example.com", "volumeHandle": "t-handle"},
    }  # fmt: skip
    await client.create("persistentvolumes", {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "t-pv"}, "spec": spec})
    await client.create("persistentvolumeclaims", claim, namespace)


async def pod(client: Client, namespace: str, name: str, node: str) -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "registry.example/app:1"}], "volumes": volumes}
    await client.create("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}, namespace)


async def test_a_volume_moves_from_node_to_node(client: Client, namespace: str) -> None:
    for name in ("t-one", "t-two"):
        await node(client, name)
    await volume(client, namespace)
    await pod(client, namespace, "first", "t-one")
    (attachment,) = await until_count(client, ATTACHMENTS, None, 1)
    assert attachment["spec"] == {"attacher": "d.example.com", "nodeName": "t-one", "source": {"persistentVolumeName": "t-pv"}}
    first = attachment["metadata"]["name"]

    # The driver fails, then succeeds.
    error = {"time": "2024-01-01T00:00:00Z", "message": "no such disk"}
    await client.patch(ATTACHMENTS, first, {"status": {"attached": False, "attachError": error}}, subresource="status")
    (event,) = await until_count(client, "events", namespace, 1, field_selector="reason=FailedAttachVolume")
    assert event["message"] == 'AttachVolume.Attach failed for volume "t-pv" : no such disk'
    await client.patch(ATTACHMENTS, first, {"status": {"attached": True, "attachError": None}}, subresource="status")
    found = await until(client, "nodes", "t-one", None, lambda n: n["status"].get("volumesAttached"))
    assert found["status"]["volumesAttached"] == [{"name": HANDLE, "devicePath": ""}]
    (event,) = await until_count(client, "events", namespace, 1, field_selector="reason=SuccessfulAttachVolume")
    assert event["message"] == 'AttachVolume.Attach succeeded for volume "t-pv" '

    # Another node cannot have it meanwhile.
    await client.patch("nodes", "t-one", {"status": {"volumesInUse": [HANDLE]}}, subresource="status")
    await pod(client, namespace, "second", "t-two")
    (event,) = await until_count(
        client, "events", namespace, 1, field_selector="reason=FailedAttachVolume,involvedObject.name=second"
    )  # fmt: skip
    assert event["message"] == 'Multi-Attach error for volume "t-pv" Volume is already used by pod(s) first'

    # It moves when the first node has let go of it.
    await client.delete("pods", "first", namespace, grace=0)
    await until_gone(client, "pods", "first", namespace)
    assert (await client.get(ATTACHMENTS, first))["spec"]["nodeName"] == "t-one"
    await client.patch("nodes", "t-one", {"status": {"volumesInUse": None}}, subresource="status")
    await until_gone(client, ATTACHMENTS, first, None)
    await until(client, "nodes", "t-one", None, lambda n: not n["status"].get("volumesAttached"))
    (attachment,) = await until_count(client, ATTACHMENTS, None, 1, field_selector=None)
    assert attachment["spec"]["nodeName"] == "t-two"

    # A node that is out of service keeps nothing.
    await client.patch("nodes", "t-two", {"status": {"volumesInUse": [HANDLE]}}, subresource="status")
    await client.delete("pods", "second", namespace, grace=0)
    taint = {"key": "node.kubernetes.io/out-of-service", "effect": "NoSchedule", "value": "x"}
    await client.patch("nodes", "t-two", {"spec": {"taints": [taint]}})
    await until_count(client, ATTACHMENTS, None, 0)
