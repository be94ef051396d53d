"""What pods ask of their node: names, kernel settings, volumes, Services; and what they may not."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.e2e.conftest import Cluster, until
from tests.e2e.test_pods import apply, pod, state

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

Obj = dict[str, Any]


def service(name: str, selector: Obj, **spec: Any) -> Obj:
    """A Service of one port, 80 to 8080."""
    ports = [{"port": 80, "targetPort": 8080}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": selector, "ports": ports, **spec}}


def labelled(made: Obj, **labels: str) -> Obj:
    """The pod with labels."""
    return {**made, "metadata": {**made["metadata"], "labels": labels}}


def finished(cluster: Cluster, namespace: str, name: str) -> str:
    """The log of a pod that has succeeded."""
    until(lambda: state(cluster, namespace, name)[0].get("phase") == "Succeeded", 30, f"success of {name}")
    return cluster.kubectl("-n", namespace, "logs", name)


def test_names_and_kernel_settings(cluster: Cluster, namespace: str, image: str) -> None:
    """setHostnameAsFQDN; a safe sysctl; one that nobody allowed; an image as a volume."""
    safe = {"sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "2000 3000"}]}
    unsafe = {"sysctls": [{"name": "net.core.somaxconn", "value": "99"}]}
    files = [{"name": "i", "image": {"reference": f"{image}:2", "pullPolicy": "IfNotPresent"}}]
    mounts = {"volumeMounts": [{"name": "i", "mountPath": "/i"}]}
    apply(
        cluster, namespace,
        pod("full", image, "hostname", hostname="h", subdomain="s", setHostnameAsFQDN=True, restartPolicy="Never"),
        pod("tuned", image, "cat /proc/sys/net/ipv4/ip_local_port_range", securityContext=safe, restartPolicy="Never"),
        pod("refused", image, "true", securityContext=unsafe, restartPolicy="Never"),
        pod("files", image, "ls /i/bin; echo >/i/x || echo kept", mounts, volumes=files, restartPolicy="Never"),
    )  # fmt: skip
    assert finished(cluster, namespace, "full") == f"h.s.{namespace}.svc.cluster.local\n"
    assert finished(cluster, namespace, "tuned").split() == ["2000", "3000"]
    shown = finished(cluster, namespace, "files")
    assert "busybox\n" in shown and "kept\n" in shown
    until(lambda: state(cluster, namespace, "refused")[0].get("phase") == "Failed", 20, "the refusal")
    refused = state(cluster, namespace, "refused")[0]
    assert refused["reason"] == "SysctlForbidden" and '"net.core.somaxconn" not allowlisted' in refused["message"]


def test_services_lead_back_and_stick(cluster: Cluster, namespace: str, image: str) -> None:
    """A pod reaches itself through its own Service; session affinity comes and goes with the field."""
    serve = "mkdir -p /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www"
    ready = {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
    names = ["a", "b", "c"]
    apply(cluster, namespace, *(labelled(pod(n, image, serve, ready), app="web", only=n) for n in names))
    apply(cluster, namespace, service("self", {"only": "a"}), service("web", {"app": "web"}, sessionAffinity="ClientIP"))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=40s")

    def answers(address: str) -> list[str]:
        script = f"for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do fetch {address} || echo failed; done"
        return cluster.kubectl("-n", namespace, "exec", "a", "--", "/bin/sh", "-c", script, check=False).split()

    own = cluster.get("-n", namespace, "service", "self")["spec"]["clusterIP"]
    until(lambda: answers(own) == ["a"] * 15, 20, "the way back")
    until(lambda: len(set(answers("web"))) == 1, 20, "affinity")
    for wanted, size in (("None", 3), ("ClientIP", 1)):
        cluster.kubectl("-n", namespace, "patch", "service", "web", "-p", json.dumps({"spec": {"sessionAffinity": wanted}}))
        until(lambda size=size: len(set(answers("web")) - {"failed"}) == size, 20, f"affinity {wanted}")


def test_a_claim_is_shared_and_removed(cluster: Cluster, namespace: str, image: str) -> None:
    """The default class provisions when the first pod comes; any user may write; the claim stays while it is in use."""
    size = {"requests": {"storage": "1Gi"}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}}
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "c"}}]
    mounts = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    user = {"securityContext": {"runAsUser": 1000}}
    apply(
        cluster, namespace, {**claim, "spec": {"accessModes": ["ReadWriteOnce"], "resources": size}},
        pod("first", image, "echo kept > /d/f", mounts, volumes=volumes, restartPolicy="Never", **user),
    )  # fmt: skip
    finished(cluster, namespace, "first")
    cluster.kubectl("-n", namespace, "delete", "pod", "first")
    apply(cluster, namespace, *(pod(n, image, "cat /d/f; sleep 1000", mounts, volumes=volumes, **user) for n in ("x", "y")))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/x", "pod/y", "--timeout=40s")
    assert [cluster.kubectl("-n", namespace, "logs", n) for n in ("x", "y")] == ["kept\n"] * 2
    volume = cluster.get("-n", namespace, "pvc", "c")["spec"]["volumeName"]
    cluster.kubectl("-n", namespace, "delete", "pvc", "c", "--wait=false")
    assert "kubernetes.io/pvc-protection" in cluster.get("-n", namespace, "pvc", "c")["metadata"]["finalizers"]
    cluster.kubectl("-n", namespace, "delete", "pod", "x", "y")
    cluster.kubectl("wait", "--for=delete", f"pv/{volume}", "--timeout=30s")


def test_the_kubelet_stands_by_its_report(cluster: Cluster, namespace: str, image: str) -> None:
    """A condition that somebody else overwrites comes back; one that is not the kubelet's stays."""
    apply(cluster, namespace, pod("p", image, "sleep 1000", readinessGates=[{"conditionType": "example.com/gate"}]))
    until(lambda: state(cluster, namespace, "p")[0].get("phase") == "Running", 20, "the pod to run")
    conditions = [{"type": "example.com/gate", "status": "True"}, {"type": "ContainersReady", "status": "False"}]
    patch = json.dumps({"status": {"conditions": conditions}})
    cluster.kubectl("-n", namespace, "patch", "pod", "p", "--subresource=status", "-p", patch)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=ContainersReady", "--for=condition=Ready", "pod/p", "--timeout=20s")


@pytest.mark.parametrize("protocol", [None, "binary.k8s.io", "base64.binary.k8s.io"])
def test_logs_over_a_websocket(cluster: Cluster, namespace: str, image: str, protocol: str | None) -> None:
    apply(cluster, namespace, pod("p", image, "echo one; echo two", restartPolicy="Never"))
    finished(cluster, namespace, "p")
    config = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(server["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"]))
        pem.flush()
        context.load_cert_chain(pem.name)
    address = server["server"].replace("https", "wss") + f"/api/v1/namespaces/{namespace}/pods/p/log"
    got = b""
    with connect(address, ssl=context, subprotocols=[Subprotocol(protocol)] if protocol else None, close_timeout=5) as socket:
        assert socket.subprotocol == protocol
        with pytest.raises(ConnectionClosedOK):
            while True:
                piece = socket.recv(timeout=10)
                got += base64.b64decode(piece) if isinstance(piece, str) else piece
    assert got == b"one\ntwo\n"
