"""A kopf operator of the Widgets that test_kopf.py defines: one ConfigMap for each, as any user would write it."""

from __future__ import annotations

from typing import Any

import kopf
import kubernetes

_GROUP = ("example.org", "v1", "widgets")


@kopf.on.create(*_GROUP)
def create(name: str, namespace: str, spec: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Make the ConfigMap; the result goes into status.create."""
    body: dict[str, Any] = {"metadata": {"name": name}, "data": {"size": str(spec["size"])}}
    kopf.adopt(body)
    kubernetes.client.CoreV1Api().create_namespaced_config_map(namespace, body)
    return {"made": name}


@kopf.on.update(*_GROUP, field="spec.size")
def resize(name: str, namespace: str, old: int, new: int, patch: kopf.Patch, body: kopf.Body, **_: Any) -> None:
    """Follow the size."""
    kubernetes.client.CoreV1Api().patch_namespaced_config_map(name, namespace, {"data": {"size": str(new)}})
    patch.status["resized"] = f"{old} to {new}"
    kopf.info(body, reason="Resized", message=f"Now of size {new}")


@kopf.on.delete(*_GROUP)
def delete(name: str, namespace: str, **_: Any) -> None:
    """Leave a trace: the finalizer held the object until this was there."""
    kubernetes.client.CoreV1Api().create_namespaced_config_map(namespace, {"metadata": {"name": f"{name}-was-here"}})
