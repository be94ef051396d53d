"""A pod's claims from template to deletion."""

from __future__ import annotations

from typing import Any

from kubepy.client import Client
from tests.integration.controllers.conftest import until, until_count, until_gone

Obj = dict[str, Any]
CLAIMS, TEMPLATES = "resourceclaims.resource.k8s.io", "resourceclaimtemplates.resource.k8s.io"
API = "resource.k8s.io/v1"
DEVICES = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu.example.com"}}]}}


def pod(name: str, *entries: Obj, **spec: Any) -> Obj:
    containers = [{"name": "c", "image": "registry.example/app:1", "resources": {"claims": [{"name": e["name"]} for e in entries]}}]
    rest = {"containers": containers, "resourceClaims": list(entries), "terminationGracePeriodSeconds": 0, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": rest}


async def allocate(client: Client, namespace: str, name: str) -> None:
    """Say what a scheduler would: a device, and the finalizer that guards it."""
    await client.patch(CLAIMS, name, {"metadata": {"finalizers": ["resource.kubernetes.io/delete-protection"]}}, namespace)
    result = {"request": "r", "driver": "gpu.example.com", "pool": "p", "device": "d"}
    await client.patch(CLAIMS, name, {"status": {"allocation": {"devices": {"results": [result]}}}}, namespace, subresource="status")


async def test_a_claim_is_made_reserved_and_goes_with_its_pod(client: Client, namespace: str) -> None:
    template = {"apiVersion": API, "kind": "ResourceClaimTemplate", "metadata": {"name": "tmpl"}, "spec": {"spec": DEVICES}}
    await client.create(TEMPLATES, template, namespace)
    entry = {"name": "gpu", "resourceClaimTemplateName": "tmpl"}
    made = await client.create("pods", pod("user", entry, nodeName="somewhere"), namespace)
    found = await until(client, "pods", "user", namespace, lambda p: p.get("status", {}).get("resourceClaimStatuses"))
    (status,) = found["status"]["resourceClaimStatuses"]
    name = status["resourceClaimName"]
    assert status["name"] == "gpu" and name.startswith("user-gpu-")
    claim = await client.get(CLAIMS, name, namespace)
    assert claim["metadata"]["annotations"] == {"resource.kubernetes.io/pod-claim-name": "gpu"}
    assert claim["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    # The pod was bound without a scheduler, so the controller reserves.
    await allocate(client, namespace, name)
    reserved = await until(client, CLAIMS, name, namespace, lambda c: c.get("status", {}).get("reservedFor"))
    assert reserved["status"]["reservedFor"] == [{"resource": "pods", "name": "user", "uid": made["metadata"]["uid"]}]
    await client.patch("pods", "user", {"status": {"phase": "Succeeded"}}, namespace, subresource="status")
    await until_gone(client, CLAIMS, name, namespace)
    assert len(await until_count(client, CLAIMS, namespace, 0)) == 0
    await client.delete("pods", "user", namespace, grace=0)


async def test_a_named_claim_is_released(client: Client, namespace: str) -> None:
    await client.create(CLAIMS, {"apiVersion": API, "kind": "ResourceClaim", "metadata": {"name": "shared"}, "spec": DEVICES}, namespace)
    await allocate(client, namespace, "shared")
    await client.create("pods", pod("user", {"name": "gpu", "resourceClaimName": "shared"}, nodeName="somewhere"), namespace)
    await until(client, CLAIMS, "shared", namespace, lambda c: c.get("status", {}).get("reservedFor"))
    await client.delete("pods", "user", namespace, grace=0)
    freed = await until(client, CLAIMS, "shared", namespace, lambda c: not c["metadata"].get("finalizers"))
    assert not freed.get("status", {}).get("reservedFor") and "allocation" not in freed.get("status", {})


async def test_a_missing_template_is_told(client: Client, namespace: str) -> None:
    await client.create("pods", pod("user", {"name": "gpu", "resourceClaimTemplateName": "none"}), namespace)
    (event,) = await until_count(client, "events", namespace, 1, field_selector="reason=FailedResourceClaimCreation")
    assert event["message"] == (
        'PodResourceClaim gpu: resource claim template "none": resourceclaimtemplate.resource.k8s.io "none" not found'
    )
    assert event["source"]["component"] == "resource_claim"
