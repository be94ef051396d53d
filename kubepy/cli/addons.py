"""The objects that every cluster is given after its first start (manifests/addons). What is there already is left alone."""

from __future__ import annotations

import string
from collections.abc import Iterator
from importlib import resources
from typing import Any

import httpx
import yaml

from kubepy.api import kinds
from kubepy.cli.cluster import Cluster, ClusterError


def manifests(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """All add-on objects with the cluster's settings filled in."""
    values = {"DNS": cluster.dns, "DATA": str(cluster.dir)}
    for file in sorted(resources.files("manifests").joinpath("addons").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".yaml"):
            text = string.Template(file.read_text()).substitute(values)
            yield from (obj for obj in yaml.safe_load_all(text) if obj)


def apply(cluster: Cluster, client: httpx.Client) -> None:
    """Create what is missing. Raises ClusterError when the API refuses one."""
    for obj in manifests(cluster):
        resource = kinds.by_kind(obj["apiVersion"], obj["kind"])
        if resource is None:
            raise ClusterError(f"add-on of unknown kind {obj['apiVersion']} {obj['kind']}")
        meta = obj["metadata"]
        if client.get(resource.path(meta.get("namespace"), meta["name"])).status_code == 200:
            continue
        answer = client.post(resource.path(meta.get("namespace")), json=obj)
        if answer.status_code not in (201, 409):
            raise ClusterError(f"add-on {obj['kind']} {meta['name']} was refused: {answer.text}")
