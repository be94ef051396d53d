"""The files that the kubelet makes for each pod's containers: /etc/hosts and /etc/resolv.conf. Pure.

Upstream: kubelet_pods.go (managed hosts file), kubelet/network/dns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubelet.env import ConfigError
from kubelet.pods import spec

Obj = dict[str, Any]

_HOSTS = """# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""
MAX_NAMESERVERS = 3
MAX_KERNEL_HOSTNAME = 64
MAX_SEARCHES = 32


def hostname(pod: Obj) -> str:
    """The pod's own name for itself: at most 63 characters."""
    if override := pod["spec"].get("hostnameOverride"):
        return str(override)
    name = pod["spec"].get("hostname") or pod["metadata"]["name"]
    return str(name)[:63].rstrip("-.")


def domain(pod: Obj, cluster_domain: str) -> str:
    """The domain of a pod with a subdomain, else empty."""
    subdomain = pod["spec"].get("subdomain")
    if not subdomain or pod["spec"].get("hostnameOverride"):
        return ""
    return f"{subdomain}.{pod['metadata']['namespace']}.svc.{cluster_domain}"


def kernel_hostname(pod: Obj, cluster_domain: str) -> str:
    """The hostname to set: the full name where the pod asks for that. Raises ConfigError when that is longer than the kernel's 64."""
    name, suffix = hostname(pod), domain(pod, cluster_domain)
    if not pod["spec"].get("setHostnameAsFQDN") or not suffix:
        return name
    full = f"{name}.{suffix}"
    if len(full) > MAX_KERNEL_HOSTNAME:
        text = f"FQDN {full} is too long ({MAX_KERNEL_HOSTNAME} characters is the max, {len(full)} characters requested)"
        raise ConfigError(f"failed to construct FQDN from pod hostname and cluster domain, {text}")
    return full


def hosts(pod: Obj, ip: str, cluster_domain: str, node_hosts: str) -> str:
    """The content of /etc/hosts."""
    if spec.host_network(pod):
        out = "# Kubernetes-managed hosts file (host network).\n" + node_hosts
    else:
        name, suffix = hostname(pod), domain(pod, cluster_domain)
        out = _HOSTS + (f"{ip}\t{name}.{suffix}\t{name}\n" if suffix else f"{ip}\t{name}\n")
    aliases = pod["spec"].get("hostAliases") or []
    if aliases:
        out += "\n# Entries added by HostAliases.\n"
        for alias in aliases:
            out += "\t".join([alias["ip"], *(alias.get("hostnames") or ())]) + "\n"
    return out


@dataclass(frozen=True, slots=True)
class Dns:
    """A resolver's configuration."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def text(self) -> str:
        """As resolv.conf."""
        lines = [f"nameserver {n}" for n in self.nameservers]
        if self.searches:
            lines.insert(0, f"search {' '.join(self.searches)}")
        if self.options:
            lines.append(f"options {' '.join(self.options)}")
        return "".join(f"{line}\n" for line in lines)


def parse_resolv(text: str) -> Dns:
    """The node's resolv.conf; the last search line counts."""
    nameservers, searches, options = [], [], []
    for line in text.splitlines():
        parts = line.split()
        if not parts or line.startswith(("#", ";")):
            continue
        if parts[0] == "nameserver" and len(parts) > 1:
            nameservers.append(parts[1])
        elif parts[0] == "search":
            searches = parts[1:]
        elif parts[0] == "options":
            options = parts[1:]
    return Dns(tuple(nameservers), tuple(searches), tuple(options))


def resolver(pod: Obj, cluster_dns: tuple[str, ...], cluster_domain: str, node: Dns) -> Dns:
    """What the pod's dnsPolicy and dnsConfig make of the cluster's and the node's resolvers."""
    policy = pod["spec"].get("dnsPolicy", "ClusterFirst")
    cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.host_network(pod))
    if policy == "None":
        base = Dns()
    elif cluster and cluster_dns:
        namespace = pod["metadata"]["namespace"]
        own = (f"{namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain) if cluster_domain else ()
        base = Dns(cluster_dns, (*own, *node.searches), ("ndots:5",))
    else:
        base = node
    config = pod["spec"].get("dnsConfig") or {}
    options = {o.partition(":")[0]: o for o in base.options}
    for option in config.get("options") or ():
        value = option.get("value")
        options[option["name"]] = f"{option['name']}:{value}" if value is not None else option["name"]
    return Dns(
        tuple(dict.fromkeys((*base.nameservers, *(config.get("nameservers") or ()))))[:MAX_NAMESERVERS],
        tuple(dict.fromkeys((*base.searches, *(config.get("searches") or ()))))[:MAX_SEARCHES],
        tuple(options.values()),
    )
