"""Where a streaming request goes: a container on a kubelet, a port of a pod, an endpoint of a service. Pure look-ups, no connection.

Upstream: pkg/registry/core/pod/strategy.go (LogLocation, ResourceLocation, streamLocation), service/storage (ResourceLocation), node.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from apiserver.context import Lister, Obj
from kubepy.api import errors

KUBELET_PORT = 10250
_LOG_QUERY = ("follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream")
_STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
Query = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """An HTTP endpoint. `kubelet`: TLS with the API server's client certificate; `path` is encoded and includes the query."""

    host: str
    port: int
    path: str
    tls: bool = False
    kubelet: bool = False


def _true(query: Query, name: str) -> bool:
    values = query.get(name)
    return values is not None and values[0].lower() not in ("false", "0")


class Targets:
    """Looks targets up in the watch cache."""

    def __init__(self, lister: Lister, address_types: Sequence[str]) -> None:
        self._lister = lister
        self._address_types = address_types

    def pod(self, namespace: str, name: str) -> Obj:
        """The pod; raises NotFound."""
        found = self._lister.get("", "pods", namespace, name)
        if found is None:
            raise errors.NotFound.of("", "pods", name)
        return found

    def kubelet(self, node: str) -> tuple[str, int]:
        """Address and port of a node's kubelet. Raises NotFound, InternalError."""
        found = self._lister.get("", "nodes", None, node)
        if found is None:
            raise errors.NotFound.of("", "nodes", node)
        status = found.get("status") or {}
        addresses = status.get("addresses") or ()
        for kind in self._address_types:
            for a in addresses:
                if a.get("type") == kind and a.get("address"):
                    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or KUBELET_PORT
                    return str(a["address"]), int(port)
        raise errors.InternalError.of(f"no preferred addresses found; known addresses: {list(addresses)}")

    def logs(self, namespace: str, name: str, query: Query) -> Target | None:
        """The log of a container; None while the pod has no node. Raises BadRequest."""
        pod = self.pod(namespace, name)
        container = _container(pod, query, logs=True)
        node = pod["spec"].get("nodeName")
        if not node:
            return None
        host, port = self.kubelet(node)
        passed = [(k, query[k][0]) for k in _LOG_QUERY if query.get(k) and query[k][0] not in ("", "false")]
        return Target(host, port, f"/containerLogs/{namespace}/{name}/{container}?{urlencode(passed)}".rstrip("?"), True, True)

    def stream(self, namespace: str, name: str, subresource: str, query: Query) -> Target:
        """exec, attach and portforward on the kubelet. Raises BadRequest."""
        pod = self.pod(namespace, name)
        node = pod["spec"].get("nodeName")
        if subresource == "portforward":
            if not node:
                raise errors.BadRequest(f"pod {name} does not have a host assigned")
            host, port = self.kubelet(node)
            ports = [("port", p) for value in query.get("ports", ()) for p in value.split(",") if p]
            return Target(host, port, f"/portForward/{namespace}/{name}?{urlencode(ports)}".rstrip("?"), True, True)
        container = _container(pod, query, logs=False)
        if not node:
            raise errors.BadRequest(f"pod {name} does not have a host assigned")
        host, port = self.kubelet(node)
        passed = [(theirs, "1") for ours, theirs in _STREAMS.items() if _true(query, ours)]
        if subresource == "exec":
            passed += [("command", c) for c in query.get("command", ())]
        return Target(host, port, f"/{subresource}/{namespace}/{name}/{container}?{urlencode(passed)}", True, True)

    def proxy(self, plural: str, namespace: str, name: str, rest: str, query: str) -> Target:
        """What `proxy` on a pod, service or node reaches; `name` may be [scheme:]name[:port].

        Raises NotFound, BadRequest, ServiceUnavailable.
        """
        path = rest + (f"?{query}" if query else "")
        scheme, plain, port = _split(plural[:-1], name)
        if plural == "nodes":
            host, own = self.kubelet(plain)
            if port and port != str(own):
                return Target(host, _number(port), path, scheme == "https")
            return Target(host, own, path, True, True)
        if plural == "pods":
            pod = self.pod(namespace, plain)
            ips = (pod.get("status") or {}).get("podIPs") or [{}]
            if not _is_global(ips[0].get("ip", "")):
                raise errors.BadRequest("address not allowed")
            number = _number(port) if port else _first_port(pod) or (443 if scheme == "https" else 80)
            return Target(ips[0]["ip"], number, path, scheme == "https")
        host, number = self._endpoint(namespace, name, plain, port)
        return Target(host, number, path, scheme == "https")

    def _endpoint(self, namespace: str, asked: str, name: str, wanted: str) -> tuple[str, int]:
        """A ready pod behind the Service, and its port. Endpoints that are no pods are not proxied to."""
        if wanted.isdigit():
            service = self._lister.get("", "services", namespace, name)
            if service is None:
                raise errors.NotFound.of("", "services", name)
            match = next((p for p in service["spec"].get("ports") or () if str(p.get("port")) == wanted), None)
            if match is None:
                raise errors.ServiceUnavailable(f'no service port {wanted} found for service "{name}"')
            wanted = match.get("name", "")
        endpoints = self._lister.get("", "endpoints", namespace, name)
        if endpoints is None:
            raise errors.NotFound.of("", "endpoints", name)
        subsets = endpoints.get("subsets") or ()
        if not subsets:
            raise errors.ServiceUnavailable(f'no endpoints available for service "{name}"')
        found = [
            (address["ip"], port["port"])
            for subset in subsets
            for port in subset.get("ports") or ()
            if port.get("name", "") == wanted
            for address in subset.get("addresses") or ()
            if self._is_pod(namespace, address)
        ]
        if not found:
            raise errors.ServiceUnavailable(f'no endpoints available for service "{asked}"')
        return random.choice(found)

    def _is_pod(self, namespace: str, address: Obj) -> bool:
        ref = address.get("targetRef") or {}
        if ref.get("namespace") != namespace:
            return False
        pod = self._lister.get("", "pods", namespace, ref.get("name", ""))
        return pod is not None and any(i.get("ip") == address["ip"] for i in (pod.get("status") or {}).get("podIPs") or ())


def _split(kind: str, name: str) -> tuple[str, str, str]:
    """[scheme:]name[:port] → (scheme, name, port)."""
    match name.split(":"):
        case [plain]:
            scheme = port = ""
        case [plain, port]:
            scheme = ""
        case [scheme, plain, port]:
            pass
        case _:
            scheme = plain = port = ""
    if not plain or scheme not in ("", "http", "https"):
        raise errors.BadRequest(f'invalid {kind} request "{name}"')
    return scheme, plain, port


def _number(port: str) -> int:
    try:
        return int(port)
    except ValueError:
        raise errors.ServiceUnavailable(f"error trying to reach service: dial tcp: lookup tcp/{port}: unknown port") from None


def _is_global(address: str) -> bool:
    """Go's net.IP.IsGlobalUnicast; False for what is no address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified or address == "255.255.255.255")


def _first_port(pod: Obj) -> int:
    """The first port that the pod's containers declare, or 0."""
    return next((int(p["containerPort"]) for c in pod["spec"].get("containers") or () for p in c.get("ports") or ()), 0)


def _container(pod: Obj, query: Query, *, logs: bool) -> str:
    spec = pod["spec"]
    name = pod["metadata"]["name"]
    kinds = ("containers", "initContainers", "ephemeralContainers")
    known = {kind: [c["name"] for c in spec.get(kind) or ()] for kind in kinds}
    wanted = (query.get("container") or [""])[0]
    if wanted:
        if not any(wanted in names for names in known.values()):
            raise errors.BadRequest(f"container {wanted} is not valid for pod {name}")
        return wanted
    regular = known["containers"]
    if len(regular) == 1:
        return str(regular[0])
    if not regular:
        raise errors.BadRequest(f"a container name must be specified for pod {name}")
    default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if default in regular and not logs:
        return str(default)
    text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(regular)}]"
    if known["initContainers"]:
        text += f" or one of the init containers: [{' '.join(known['initContainers'])}]"
    raise errors.BadRequest(text)
