"""What describes this cluster in itself: the `kubernetes` Service and its endpoints, the ServiceCIDR, CA configmaps, this server's Lease.

Upstream: pkg/controlplane (instance.go, controller/kubernetesservice, clusterauthenticationtrust, apiserverleasegc),
pkg/controlplane/controller/defaultservicecidr.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import ipaddress
import logging
import os
import socket
import time

from apiserver.context import Lister, Obj
from apiserver.options import Options
from apiserver.registry import deletion
from apiserver.registry.objectmeta import timestamp
from apiserver.registry.store import Registry
from kubepy import pki
from kubepy.api import errors

log = logging.getLogger("apiserver")

LEASE_SECONDS = 3600
RENEW_EVERY = 10.0
SERVICE_ATTEMPTS = 50
_NAMESPACE = "kube-system"
_LEASE_LABELS = {"apiserver.kubernetes.io/identity": "kube-apiserver"}


def identity() -> str:
    """The name of this process's Lease: stable for a host and command, as upstream's hash of hostname and a UUID."""
    seed = f"{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
    return "apiserver-" + hashlib.sha256(seed.encode()).hexdigest()[:26]


class Cluster:
    """Makes these objects at start and keeps what must be kept."""

    def __init__(self, registry: Registry, lister: Lister, options: Options, address: str, port: int, files: pki.Pki) -> None:
        self._registry = registry
        self._lister = lister
        self._options = options
        self._address = address
        self._port = port
        self._files = files
        self._lease = identity()

    async def ensure(self) -> None:
        """Create what is missing. Raises StatusError."""
        await self._service_cidr()
        await self._service()
        await asyncio.gather(self._endpoints(), self._endpoint_slice(), self._authentication(), self._renew())

    @property
    def _reachable(self) -> bool:
        """Whether there is an address that members of the cluster could use; a host without network has none."""
        return not ipaddress.ip_address(self._address).is_loopback

    async def keep(self) -> None:
        """Renew the Lease, repair the service and its endpoints, drop Leases of servers that are gone; until cancelled."""
        compacted = time.monotonic()
        history: list[tuple[float, int]] = []
        while True:
            await asyncio.sleep(RENEW_EVERY)
            try:
                await self._renew()
                await self._service()
                await self._endpoints()
                await self._endpoint_slice()
                await self._collect_leases()
            except Exception as e:
                log.warning("could not renew what describes this server: %s", e)
            interval = self._options.etcd_compaction_interval
            if interval:
                now = time.monotonic()
                history.append((now, self._registry.cacher.revision))
                if now - compacted >= interval:
                    compacted = now
                    old = [r for t, r in history if now - t >= interval]
                    history = [(t, r) for t, r in history if now - t < interval]
                    if old:
                        with contextlib.suppress(Exception):
                            await self._registry.storage.compact(old[-1])

    async def _create(self, group: str, plural: str, obj: Obj, namespace: str = "") -> None:
        with contextlib.suppress(errors.AlreadyExists):
            await self._registry.create_object(group, plural, obj, namespace)

    async def _service_cidr(self) -> None:
        name = "kubernetes"
        if self._lister.get("networking.k8s.io", "servicecidrs", None, name) is not None:
            return
        cidrs = list(self._options.service_cluster_ip_range)
        await self._create(
            "networking.k8s.io",
            "servicecidrs",
            {"kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": name}, "spec": {"cidrs": cidrs}},
        )

        def ready(old: Obj | None) -> Obj:
            assert old is not None
            condition = {
                "type": "Ready",
                "status": "True",
                "lastTransitionTime": timestamp(),
                "reason": "",
                "message": "Kubernetes default Service CIDR is ready",
            }
            return {**old, "status": {"conditions": [condition]}}

        await self._registry.update_object("networking.k8s.io", "servicecidrs", "", name, ready, subresource="status")

    async def _service(self) -> None:
        first = str(ipaddress.ip_network(self._options.service_cluster_ip_range[0])[1])
        service: Obj = {
            "kind": "Service",
            "apiVersion": "v1",
            "metadata": {"name": "kubernetes", "labels": {"provider": "kubernetes", "component": "apiserver"}},
            "spec": {
                "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": self._port}],
                "clusterIP": first,
                "clusterIPs": [first],
                "sessionAffinity": "None",
                "type": "ClusterIP",
                "ipFamilyPolicy": "SingleStack",
            },
        }
        problem = ""
        for _ in range(SERVICE_ATTEMPTS):
            if self._lister.get("", "services", "default", "kubernetes") is not None:
                return
            try:
                await self._create("", "services", service, "default")
                return
            except errors.Invalid as e:
                # Another server that starts now has reserved the address, and is about to create the Service.
                problem = str(e)
                await asyncio.sleep(0.1)
        log.error("the Service default/kubernetes cannot be created: %s", problem)

    async def _endpoints(self) -> None:
        if not self._reachable:
            return
        subsets = [{"addresses": [{"ip": self._address}], "ports": [{"name": "https", "port": self._port, "protocol": "TCP"}]}]
        labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
        old = self._lister.get("", "endpoints", "default", "kubernetes")
        if old is None:
            obj: Obj = {"kind": "Endpoints", "apiVersion": "v1", "metadata": {"name": "kubernetes", "labels": labels}, "subsets": subsets}
            await self._create("", "endpoints", obj, "default")
        elif old.get("subsets") != subsets:
            await self._registry.update_object("", "endpoints", "default", "kubernetes", lambda o: {**(o or {}), "subsets": subsets})

    async def _endpoint_slice(self) -> None:
        if not self._reachable:
            return
        family = "IPv6" if ":" in self._address else "IPv4"
        fields: Obj = {
            "addressType": family,
            "endpoints": [{"addresses": [self._address], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": self._port, "protocol": "TCP"}],
        }
        group = "discovery.k8s.io"
        old = self._lister.get(group, "endpointslices", "default", "kubernetes")
        if old is None:
            meta = {"name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}}
            obj = {"kind": "EndpointSlice", "apiVersion": f"{group}/v1", "metadata": meta, **fields}
            await self._create(group, "endpointslices", obj, "default")
        elif any(old.get(k) != v for k, v in fields.items()):
            await self._registry.update_object(group, "endpointslices", "default", "kubernetes", lambda o: {**(o or {}), **fields})

    async def _authentication(self) -> None:
        """kube-system/extension-apiserver-authentication: how extension servers check whom we pass on."""
        o = self._options
        data = {
            "client-ca-file": (o.client_ca_file or self._files.ca_cert).read_text(),
            "requestheader-client-ca-file": (o.requestheader_client_ca_file or self._files.cert("front-proxy-ca")).read_text(),
            "requestheader-allowed-names": '["front-proxy-client"]',
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-username-headers": '["X-Remote-User"]',
            "requestheader-uid-headers": '["X-Remote-Uid"]',
        }
        name = "extension-apiserver-authentication"
        old = self._lister.get("", "configmaps", _NAMESPACE, name)
        if old is None:
            obj: Obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": data}
            await self._create("", "configmaps", obj, _NAMESPACE)
        elif old.get("data") != data:
            await self._registry.update_object("", "configmaps", _NAMESPACE, name, lambda o: {**(o or {}), "data": data})

    async def _renew(self) -> None:
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        group = "coordination.k8s.io"
        if self._lister.get(group, "leases", _NAMESPACE, self._lease) is None:
            meta = {"name": self._lease, "labels": {**_LEASE_LABELS, "kubernetes.io/hostname": socket.gethostname().lower()[:63]}}
            spec = {"holderIdentity": f"{self._lease}_{os.getpid()}", "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
            obj: Obj = {"kind": "Lease", "apiVersion": f"{group}/v1", "metadata": meta, "spec": spec}
            await self._create(group, "leases", obj, _NAMESPACE)
            return

        def renewed(old: Obj | None) -> Obj:
            if old is None:
                raise errors.NotFound.of(group, "leases", self._lease)
            return {**old, "spec": {**old["spec"], "renewTime": now}}

        await self._registry.update_object(group, "leases", _NAMESPACE, self._lease, renewed)

    async def _collect_leases(self) -> None:
        group = "coordination.k8s.io"
        for lease in list(self._lister.list(group, "leases", _NAMESPACE)):
            meta, spec = lease["metadata"], lease.get("spec") or {}
            if (meta.get("labels") or {}).get("apiserver.kubernetes.io/identity") != "kube-apiserver" or meta["name"] == self._lease:
                continue
            renewed = dt.datetime.fromisoformat(spec.get("renewTime") or meta["creationTimestamp"]).timestamp()
            if time.time() - renewed > spec.get("leaseDurationSeconds", LEASE_SECONDS):
                served = self._registry.of(group, "leases")
                ctx = self._registry.context("delete", served, _NAMESPACE, meta["name"])
                with contextlib.suppress(errors.StatusError):
                    await deletion.delete(self._registry, ctx, served, _NAMESPACE, meta["name"], {})
