"""Carrying a placement out: volumes first, then the binding. All writes about one placed pod are here."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import quote

from kubepy.api.errors import Conflict, NotFound, StatusError
from kubepy.client.rest import Client, Unreachable
from kubepy.runtime.clock import Clock, format_time
from scheduler.framework.cluster import CLAIMS, RESOURCE_CLAIMS, VOLUMES, Cluster, key_of
from scheduler.framework.plan import Plan
from scheduler.framework.podinfo import PodInfo
from scheduler.plugins.volume_binding import BIND_COMPLETED, BY_CONTROLLER, SELECTED_NODE

log = logging.getLogger(__name__)

Obj = dict[str, Any]
BIND_TIMEOUT = 600.0
"""Seconds for which a pod waits for its volumes (VolumeBindingArgs bindTimeoutSeconds)."""
ASK_AGAIN = 0.5
FINALIZER = "resource.kubernetes.io/delete-protection"


class BindingFailed(Exception):
    """The placement could not be carried out; the pod is to be tried again."""


class BoundElsewhere(BindingFailed):
    """Somebody else bound the pod: there is nothing left to do."""


class Binder:
    """Writes volumes, claims and bindings; `cluster` tells how claims come along."""

    def __init__(self, client: Client, cluster: Cluster, clock: Clock, *, timeout: float = BIND_TIMEOUT) -> None:
        self._client, self._cluster, self._clock, self._timeout = client, cluster, clock, timeout
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def assume(self, pod: PodInfo, plan: Plan, node: str) -> None:
        """Count the plan's volumes and devices as taken and its claims as under way from now on."""
        for resource, allocation in plan.devices:
            self._cluster.assume(RESOURCE_CLAIMS, _reserved(resource, allocation, pod))
        for volume, claim in plan.bind:
            self._cluster.assume(VOLUMES, _claimed(volume, claim))
        for claim in plan.provision:
            self._cluster.assume(CLAIMS, _selected(claim, node))

    def forget(self, plan: Plan) -> None:
        """Take the assumptions of a plan back."""
        for resource, _ in plan.devices:
            self._cluster.unassume(RESOURCE_CLAIMS, key_of(resource))
        for volume, _ in plan.bind:
            self._cluster.unassume(VOLUMES, key_of(volume))
        for claim in plan.provision:
            self._cluster.unassume(CLAIMS, key_of(claim))

    def claim_changed(self, key: str) -> None:
        """A claim changed or went: whoever waits for it looks again."""
        for event in self._waiting.get(key, ()):
            event.set()

    async def devices(self, pod: PodInfo, plan: Plan) -> None:
        """Write the allocations and reserve the pod's resource claims. Raises BindingFailed."""
        try:
            for resource, allocation in plan.devices:
                meta = resource["metadata"]
                if allocation is not None and FINALIZER not in (meta.get("finalizers") or []):
                    protected = {**resource, "metadata": {**meta, "finalizers": [*(meta.get("finalizers") or []), FINALIZER]}}
                    resource = await self._client.update(RESOURCE_CLAIMS, protected, meta["namespace"])
                if allocation is not None:
                    allocation = {**allocation, "allocationTimestamp": format_time(self._clock.time())}
                new = await self._client.update_status(RESOURCE_CLAIMS, _reserved(resource, allocation, pod), meta["namespace"])
                self._cluster.wrote(RESOURCE_CLAIMS, new)
        except (StatusError, OSError) as e:
            raise BindingFailed(f"reserving resource claims: {e}") from e

    async def volumes(self, pod: PodInfo, plan: Plan, node: str) -> None:
        """Write the plan and wait until the pod's claims are bound. Raises BindingFailed."""
        try:
            for volume, claim in plan.bind:
                self._cluster.wrote(VOLUMES, await self._client.update(VOLUMES, _claimed(volume, claim)))
            for claim in plan.provision:
                namespace = claim["metadata"].get("namespace")
                self._cluster.wrote(CLAIMS, await self._client.update(CLAIMS, _selected(claim, node), namespace))
        except (StatusError, OSError) as e:
            raise BindingFailed(f"binding volumes: {e}") from e
        keys = [key_of(claim) for claim in (*(c for _, c in plan.bind), *plan.provision)]
        wake = asyncio.Event()
        for key in keys:
            self._waiting.setdefault(key, set()).add(wake)
        deadline = self._clock.monotonic() + self._timeout
        try:
            while not all(self._bound(pod, key, node, plan) for key in keys):
                wake.clear()
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    raise BindingFailed("binding volumes: context deadline exceeded")
                timer = self._clock.call_later(left, wake.set)
                try:
                    await wake.wait()
                finally:
                    timer.cancel()
        finally:
            for key in keys:
                self._waiting[key].discard(wake)
                if not self._waiting[key]:
                    del self._waiting[key]

    def _bound(self, pod: PodInfo, key: str, node: str, plan: Plan) -> bool:
        claim = self._cluster.get(CLAIMS, key)
        if claim is None:
            raise BindingFailed(f'binding volumes: persistentvolumeclaim "{key}" not found')
        annotations = claim["metadata"].get("annotations") or {}
        if claim["spec"].get("volumeName") and BIND_COMPLETED in annotations:
            return True
        if any(key_of(c) == key for c in plan.provision) and annotations.get(SELECTED_NODE) != node:
            # The provisioner gave the node back: another one has to be found.
            raise BindingFailed(f'binding volumes: provisioning failed for PVC "{claim["metadata"]["name"]}"')
        return False

    async def bind(self, pod: PodInfo, node: str) -> None:
        """Bind the pod. A connection that broke leaves unknown whether it is bound: then the API is asked until it answers.

        Raises BindingFailed when it is not.
        """
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"kind": "Node", "name": node},
        }
        try:
            await self._client.raw("POST", f"/api/v1/namespaces/{pod.namespace}/pods/{quote(pod.name, safe='')}/binding", binding)
        except Unreachable as e:
            await self._ask(pod, node, e)
        except Conflict as e:
            await self._ask(pod, node, e)
        except StatusError as e:
            raise BindingFailed(str(e)) from e

    async def _ask(self, pod: PodInfo, node: str, error: StatusError) -> None:
        while True:
            try:
                present = await self._client.get("pods", pod.name, pod.namespace)
            except Unreachable:
                await self._clock.sleep(ASK_AGAIN)
                continue
            except NotFound:
                raise BindingFailed("the pod is gone") from error
            except StatusError as e:
                log.debug("asking for %s: %s", pod.key, e)
                await self._clock.sleep(ASK_AGAIN)
                continue
            if present["metadata"]["uid"] == pod.uid and present["spec"].get("nodeName") == node:
                return
            elsewhere = present["metadata"]["uid"] == pod.uid and present["spec"].get("nodeName")
            raise (BoundElsewhere if elsewhere else BindingFailed)(str(error)) from error


def _claimed(volume: Obj, claim: Obj) -> Obj:
    meta, wanted = volume["metadata"], claim["metadata"]
    ref = {**(volume["spec"].get("claimRef") or {}), "kind": "PersistentVolumeClaim", "apiVersion": "v1"}
    ref |= {"namespace": wanted.get("namespace"), "name": wanted["name"], "uid": wanted["uid"]}
    ref["resourceVersion"] = wanted.get("resourceVersion", "")
    annotations = meta.get("annotations") or {}
    if not volume["spec"].get("claimRef"):
        annotations = {**annotations, BY_CONTROLLER: "yes"}
    return {**volume, "metadata": {**meta, "annotations": annotations}, "spec": {**volume["spec"], "claimRef": ref}}


def _reserved(claim: Obj, allocation: Obj | None, pod: PodInfo) -> Obj:
    status = claim.get("status") or {}
    users = status.get("reservedFor") or []
    if all(u["uid"] != pod.uid for u in users):
        users = [*users, {"resource": "pods", "name": pod.name, "uid": pod.uid}]
    return {**claim, "status": {**status, **({"allocation": allocation} if allocation is not None else {}), "reservedFor": users}}


def _selected(claim: Obj, node: str) -> Obj:
    meta = claim["metadata"]
    return {**claim, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), SELECTED_NODE: node}}}
