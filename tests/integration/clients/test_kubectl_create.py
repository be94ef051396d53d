"""kubectl create: everything that it can make, and how each is shown."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.clients.conftest import Kubectl

pytestmark = pytest.mark.kubectl

COMMANDS = {
    "configmap/c": "configmap c --from-literal=k=v",
    "secret/generic": "secret generic generic --from-literal=k=v",
    "secret/registry": "secret docker-registry registry --docker-server=r.example --docker-username=u --docker-password=p",
    "deployment.apps/d": "deployment d --image=example/web:1 --replicas=2 --port=80",
    "cronjob.batch/cj": "cronjob cj --image=example/job:1 --schedule=0_0_1_1_* -- true",
    "job.batch/j": "job j --image=example/job:1 -- sleep 0.1",
    "ingress.networking.k8s.io/i": "ingress i --rule=web.example/path*=s:80,tls=cert --class=nginx",
    "role.rbac.authorization.k8s.io/r": "role r --verb=get,list --resource=pods,deployments.apps",
    "rolebinding.rbac.authorization.k8s.io/rb": "rolebinding rb --role=r --user=carol --serviceaccount=x:y",
    "serviceaccount/sa": "serviceaccount sa",
    "service/ip": "service clusterip ip --tcp=80:8080",
    "service/port": "service nodeport port --tcp=80:8080",
    "service/balancer": "service loadbalancer balancer --tcp=80:8080",
    "service/external": "service externalname external --external-name=web.example",
    "poddisruptionbudget.policy/pdb": "poddisruptionbudget pdb --selector=app=d --min-available=1",
    "resourcequota/q": "quota q --hard=configmaps=9,services=9",
}
SHOWN = {
    "deployment d": "d 2/2 2 2 web example/web:1 app=d",
    "service ip": "ip ClusterIP <none> 80/TCP app=ip",
    "service balancer": "balancer LoadBalancer <pending> app=balancer",
    "service external": "external ExternalName <none> web.example <none>",
    "ingress i": "i nginx web.example 80, 443",
    "rolebinding rb": "rb Role/r carol x/y",
    "poddisruptionbudget pdb": "pdb 1 N/A 1",
    "cronjob cj": "cj 0 0 1 1 * <none> False 0 <none> example/job:1",
    "job j": "j Complete 1/1 example/job:1",
    "resourcequota q": "q configmaps: 2/9, services: 4/9",
    "secret registry": "registry kubernetes.io/dockerconfigjson 1",
}


def test_everything_that_kubectl_can_create(kubectl: Kubectl) -> None:
    for made, command in COMMANDS.items():
        words = [w.replace("_", " ") for w in command.split()]
        assert kubectl("create", *words) == f"{made} created\n"
    kubectl("rollout", "status", "deployment/d", "--timeout=30s")
    kubectl("wait", "--for=condition=Complete", "job/j", "--timeout=30s")
    kubectl("wait", "--for=jsonpath={.status.disruptionsAllowed}=1", "pdb/pdb", "--timeout=20s")
    kubectl("wait", "--for=jsonpath={.status.used.services}=4", "quota/q", "--timeout=20s")
    for what, words in SHOWN.items():
        line = kubectl("get", *what.split(), "-o", "wide", "--no-headers")
        found = " ".join(line.split())
        for word in words.split():
            assert word in found, f"{what}: {found}"
            found = found[found.index(word) + len(word) :]
    # A manual job of a CronJob is its own.
    kubectl("create", "job", "manual", "--from=cronjob/cj")
    assert kubectl("get", "job", "manual", "-o", "jsonpath={.metadata.ownerReferences[0].name}") == "cj"
    assert kubectl("auth", "can-i", "list", "pods", "--as=carol") == "yes\n"
    assert kubectl("auth", "can-i", "delete", "pods", "--as=carol", status=1) == "no\n"


def test_a_token_is_its_accounts(kubectl: Kubectl) -> None:
    kubectl("create", "serviceaccount", "robot")
    token = kubectl("create", "token", "robot", "--duration=10m").strip()
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["kubernetes.io"]["serviceaccount"]["name"] == "robot" and claims["exp"] - claims["iat"] == 600
    config = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
    cluster = config["clusters"][0]["cluster"]
    ca = kubectl.plane.home / "ca.crt"
    ca.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    server = (f"--server={cluster['server']}", f"--certificate-authority={ca}", "--kubeconfig=/dev/null")
    said = kubectl("auth", "whoami", f"--token={token}", *server)
    assert f"system:serviceaccount:{kubectl.namespace}:robot" in said
    assert f"system:serviceaccounts:{kubectl.namespace}" in said


def test_a_certificate_is_asked_for_approved_and_issued(kubectl: Kubectl) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "carol"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "dev")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    request = base64.b64encode(csr.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"request": request, "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"], "username": "forged"}
    body = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "carol"}, "spec": spec}
    kubectl("create", "-f", "-", stdin=json.dumps(body))
    # Who asks is whoever sent the request, whatever the request says.
    assert kubectl("get", "csr", "carol", "--no-headers").split()[2:] == [
        "kubernetes.io/kube-apiserver-client", "kubernetes-admin", "<none>", "Pending",
    ]  # fmt: skip
    assert kubectl("certificate", "approve", "carol") == "certificatesigningrequest.certificates.k8s.io/carol approved\n"
    kubectl.until("Approved,Issued", "get", "csr", "carol")
    issued = base64.b64decode(kubectl("get", "csr", "carol", "-o", "jsonpath={.status.certificate}"))
    assert x509.load_pem_x509_certificate(issued).subject == name
    assert "T" in kubectl("get", "csr", "carol", "-o", "jsonpath={.status.conditions[0].lastTransitionTime}")
    kubectl("delete", "csr", "carol")
