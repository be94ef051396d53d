"""The pod's control group: parent of its containers' groups, named as upstream's and removed after the pod.

Engines with the cgroupfs driver take any path; with the systemd driver a slice would be needed, so no parent is set there.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from kubelet.pods import spec

ROOT = Path("/sys/fs/cgroup")


def parent(pod: dict[str, Any], cluster: str) -> str:
    """`/kubepods-<cluster>/<qos>/pod<uid>`; Guaranteed pods lie directly below the top."""
    qos = spec.qos(pod).lower()
    middle = "" if qos == "guaranteed" else f"/{qos}"
    return f"/kubepods-{cluster}{middle}/pod{pod['metadata']['uid']}"


def _hierarchies() -> list[Path]:
    """The mounted hierarchies: one with cgroups v2, one per controller with v1."""
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    return [p for p in ROOT.iterdir() if p.is_dir()] if ROOT.is_dir() else []


def remove_cluster(cluster: str) -> None:
    """Remove all groups of a cluster that no longer hold anything."""
    for top in _hierarchies():
        root = top / f"kubepods-{cluster}"
        if not root.is_dir():
            continue
        for group in sorted((p for p in root.rglob("*") if p.is_dir()), key=lambda p: -len(p.parts)):
            with contextlib.suppress(OSError):
                group.rmdir()
        with contextlib.suppress(OSError):
            root.rmdir()


def remove(path: str) -> None:
    """Remove the group from every hierarchy where it exists and is empty; the caller runs it off the event loop."""
    if not path or ".." in path:
        return
    relative = path.lstrip("/")
    for top in _hierarchies():
        group = top / relative
        with contextlib.suppress(OSError):
            for child in group.iterdir():
                if child.is_dir():
                    with contextlib.suppress(OSError):
                        child.rmdir()
            group.rmdir()
