"""Whether a remote APIService can be used: its Service, port, endpoints, and an answer to discovery.

Upstream: kube-aggregator pkg/controllers/status/remote/remote_available_controller.go.
"""

from __future__ import annotations

import random
import ssl
from dataclasses import dataclass
from typing import Any

from apiserver.context import Lister, Obj

CHECK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The Available condition; `host` and `port` are where to go when it holds."""

    ok: bool
    reason: str
    message: str
    host: str = ""
    port: int = 0


def locate(lister: Lister, service: Obj) -> Verdict:
    """An endpoint of the Service that an APIService names, or why there is none."""
    namespace, name, wanted = service.get("namespace", ""), service.get("name", ""), service.get("port") or 443
    found = lister.get("", "services", namespace, name)
    shown = f'service/{name} in "{namespace}"'
    if found is None:
        return Verdict(False, "ServiceNotFound", f"{shown} is not present")
    spec = found.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return Verdict(True, "Passed", "all checks passed", spec.get("externalName", ""), wanted)
    port = next((p for p in spec.get("ports") or () if p.get("port") == wanted), None)
    if port is None:
        return Verdict(False, "ServicePortError", f"{shown} is not listening on port {wanted}")
    slices = [
        s
        for s in lister.list("discovery.k8s.io", "endpointslices", namespace)
        if (s["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == name
    ]
    if not slices:
        return Verdict(False, "EndpointsNotFound", f"cannot find endpointslices for {shown}")
    port_name = port.get("name") or ""
    targets: list[tuple[str, int]] = []
    for s in slices:
        numbers = [p["port"] for p in s.get("ports") or () if (p.get("name") or "") == port_name and p.get("port")]
        for e in s.get("endpoints") or ():
            if (e.get("conditions") or {}).get("ready") is not False:
                targets += [(a, n) for a in e.get("addresses") or () for n in numbers]
    if not targets:
        text = f'endpointslices for {shown} have no addresses with port name "{port_name}"'
        return Verdict(False, "MissingEndpoints", text)
    host, number = random.choice(targets)
    return Verdict(True, "Passed", "all checks passed", host, number)


def context_of(spec: Obj, cert: str, key: str) -> ssl.SSLContext:
    """TLS towards a remote server: its CA as the APIService says, our front-proxy certificate."""
    import base64

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if spec.get("caBundle"):
        context.load_verify_locations(cadata=base64.b64decode(spec["caBundle"]).decode("ascii", "replace"))
    elif spec.get("insecureSkipTLSVerify"):
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_default_certs()
    context.load_cert_chain(cert, key)
    return context


async def discover(session: Any, verdict: Verdict, context: ssl.SSLContext, group: str, version: str) -> tuple[Verdict, Obj | None]:
    """Ask the server for its resources; (the verdict after that, the APIResourceList)."""
    import aiohttp
    import orjson

    host = f"[{verdict.host}]" if ":" in verdict.host else verdict.host
    url = f"https://{host}:{verdict.port}/apis/{group}/{version}"
    headers = {"X-Remote-User": "system:kube-aggregator", "X-Remote-Group": "system:masters", "Accept": "application/json"}
    try:
        async with session.get(url, headers=headers, ssl=context, timeout=aiohttp.ClientTimeout(total=CHECK_SECONDS)) as answer:
            body = await answer.read()
            if answer.status >= 300 and answer.status not in (401, 403):
                problem = f"bad status from {url}: {answer.status}"
            else:
                return verdict, orjson.loads(body) if answer.status < 300 else None
    except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError) as e:
        problem = f'Get "{url}": {e}'
    return Verdict(False, "FailedDiscoveryCheck", f"failing or missing response from {url}: {problem}"), None
