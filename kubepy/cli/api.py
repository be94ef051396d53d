"""The CLI's own, small view of a cluster's API: what `up` and `status` ask. Synchronous."""

from __future__ import annotations

import base64
import ssl
import tempfile
from pathlib import Path
from typing import Any

import httpx
import yaml

from kubepy.cli.cluster import Cluster


def connect(cluster: Cluster, timeout: float = 5.0) -> httpx.Client:
    """An HTTP client with the administrator's certificate. Raises OSError when the kubeconfig is missing."""
    user = yaml.safe_load(cluster.kubeconfig.read_bytes())["users"][0]["user"]
    context = ssl.create_default_context(cafile=str(cluster.pki.ca_cert))
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "client.pem"
        pem.write_bytes(b"")
        pem.chmod(0o600)
        pem.write_bytes(base64.b64decode(user["client-key-data"]) + base64.b64decode(user["client-certificate-data"]))
        context.load_cert_chain(pem)
    return httpx.Client(base_url=cluster.server, verify=context, timeout=timeout, trust_env=False)


def ready(client: httpx.Client) -> bool:
    """Whether the API server says it is ready."""
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def nodes(client: httpx.Client) -> list[dict[str, Any]]:
    """All nodes; an empty list while the API does not answer."""
    try:
        answer = client.get("/api/v1/nodes")
    except httpx.TransportError:
        return []
    return list(answer.json().get("items") or []) if answer.status_code == 200 else []


def ready_condition(node: dict[str, Any]) -> dict[str, Any]:
    """The node's Ready condition, or an empty one."""
    conditions = (node.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c.get("type") == "Ready"), {})
