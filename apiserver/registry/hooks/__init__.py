"""What kinds do beyond their own object when they are written: allocation of addresses and ports, and their release."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from apiserver.context import Lister
from apiserver.options import Options
from apiserver.registry.hooks.adminaccess import AdminAccessHooks
from apiserver.registry.hooks.certificates import CertificateHooks
from apiserver.registry.hooks.cidrs import AddressPool
from apiserver.registry.hooks.nodeports import PortPool
from apiserver.registry.hooks.repair import Repair
from apiserver.registry.hooks.services import ServiceHooks
from apiserver.registry.store import Registry
from apiserver.registry.strategy import Hooks


def built_in_hooks(
    options: Options, registry: Registry, lister: Lister
) -> tuple[Mapping[tuple[str, str], Hooks], Callable[[], Awaitable[None]]]:
    """((group, plural) → hooks, a loop to run in the background)."""
    addresses = AddressPool(registry, lister, options.service_cluster_ip_range)
    ports = PortPool(registry.storage, options.service_node_port_range)
    hooks: dict[tuple[str, str], Hooks] = {
        ("", "services"): ServiceHooks(addresses, ports),
        ("certificates.k8s.io", "certificatesigningrequests"): CertificateHooks(),
        ("resource.k8s.io", "resourceclaims"): AdminAccessHooks(lister, "ResourceClaim"),
        ("resource.k8s.io", "resourceclaimtemplates"): AdminAccessHooks(lister, "ResourceClaimTemplate"),
    }
    return hooks, Repair(lister, addresses, ports).run
