"""The user's own kubeconfig (~/.kube/config or $KUBECONFIG): adds and removes this cluster's context, leaves the rest alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from kubepy.cli.cluster import Cluster, ClusterError
from kubepy.pki import write_private


def path() -> Path:
    """The file kubectl would write to."""
    first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(first) if first else Path.home() / ".kube" / "config"


def _read(file: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        data = None
    except (OSError, yaml.YAMLError) as error:
        raise ClusterError(f"{file} cannot be read ({error}); mend it, or use: export KUBECONFIG=$(kubepy kubeconfig --path)") from error
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ClusterError(f"{file} is not a kubeconfig; it was left as it is")
    return data


def _without(entries: Any, name: str) -> list[Any]:
    return [e for e in entries or [] if not (isinstance(e, dict) and e.get("name") == name)]


def merge(cluster: Cluster) -> Path:
    """Add the cluster's context under its name and make it the current one; returns the file."""
    file = path()
    target = _read(file)
    own = yaml.safe_load(cluster.kubeconfig.read_text())
    name = cluster.name
    entries = {
        "clusters": {"name": name, "cluster": own["clusters"][0]["cluster"]},
        "users": {"name": f"{name}-admin", "user": own["users"][0]["user"]},
        "contexts": {"name": name, "context": {"cluster": name, "user": f"{name}-admin"}},
    }
    target.setdefault("apiVersion", "v1")
    target.setdefault("kind", "Config")
    for section, entry in entries.items():
        target[section] = [*_without(target.get(section), str(entry["name"])), entry]
    target["current-context"] = name
    file.parent.mkdir(parents=True, exist_ok=True)
    write_private(file, yaml.safe_dump(target, sort_keys=False).encode())
    return file


def remove(cluster: Cluster) -> None:
    """Take the cluster's context out again."""
    file = path()
    if not file.exists():
        return
    target = _read(file)
    name = cluster.name
    for section, entry in (("clusters", name), ("users", f"{name}-admin"), ("contexts", name)):
        if section in target:
            target[section] = _without(target[section], entry)
    if target.get("current-context") == name:
        target["current-context"] = ""
    write_private(file, yaml.safe_dump(target, sort_keys=False).encode())
