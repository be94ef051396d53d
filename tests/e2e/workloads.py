"""Manifests that the end-to-end tests share."""

from __future__ import annotations

import json
from typing import Any

SERVE = 'echo "$(hostname) {version}" > /www/index.html; exec httpd -f -p 8080 -h /www'


def web(image: str, name: str = "web", replicas: int = 3, version: str = "1") -> str:
    """A Deployment of a web server that answers with its pod's name and a version."""
    container: dict[str, Any] = {
        "name": "web",
        "image": f"{image}:1",
        "command": ["sh", "-c", SERVE.format(version=version)],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
    }
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 2, "containers": [container]}},
    }
    return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec})


def shell(image: str, name: str = "client", script: str = "sleep 100000") -> str:
    """A pod that runs a shell script."""
    container = {"name": "sh", "image": f"{image}:1", "command": ["sh", "-c", script]}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec})
