"""Identity and permission over real HTTPS: certificates, tokens, impersonation, roles, admission, audit and flow control together."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from kubepy import pki
from tests.integration.conftest import ApiServer

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
RBAC = "rbac.authorization.k8s.io"


def who(http: httpx.Client, **headers: str) -> dict[str, Any]:
    answer = http.post(WHO, json=REVIEW, headers=headers)
    answer.raise_for_status()
    info: dict[str, Any] = answer.json()["status"]["userInfo"]
    return info


def with_certificate(server: ApiServer, folder: Path, pair: pki.KeyPair) -> httpx.Client:
    cert, key = folder / "client.crt", folder / "client.key"
    cert.write_bytes(pair.cert_pem)
    key.write_bytes(pair.key_pem)
    context = ssl.create_default_context(cafile=str(server.ca_file))
    context.load_cert_chain(cert, key)
    return httpx.Client(base_url=server.url, verify=context, timeout=30)


def test_client_certificates(apiserver: ApiServer, tmp_path: Path) -> None:
    files = pki.Pki(apiserver.data_dir / "pki")
    ca = pki.load(files.ca_cert, files.ca_key)
    with with_certificate(apiserver, tmp_path, pki.issue(ca, "carol", ["dev"])) as http:
        assert who(http)["username"] == "carol"
        assert who(http)["groups"] == ["dev", "system:authenticated"]
        assert http.get("/api/v1/nodes").status_code == 403
    with with_certificate(apiserver, tmp_path, pki.issue(ca, "root", ["system:masters"])) as http:
        assert http.get("/api/v1/nodes").status_code == 200


def test_a_token_is_made_used_and_ends_with_its_account(apiserver: ApiServer, namespace: str) -> None:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    with apiserver.http() as admin:
        admin.post(accounts, json={"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "robot"}}).raise_for_status()
        request = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {"expirationSeconds": 600}}
        token = admin.post(f"{accounts}/robot/token", json=request).json()["status"]["token"]
        role = {"kind": "Role", "apiVersion": f"{RBAC}/v1", "metadata": {"name": "r"}, "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]}  # fmt: skip
        binding = {
            "kind": "RoleBinding", "apiVersion": f"{RBAC}/v1", "metadata": {"name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": namespace}],
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "r"},
        }  # fmt: skip
        base = f"/apis/{RBAC}/v1/namespaces/{namespace}"
        with apiserver.http(token) as robot:
            assert who(robot)["username"] == f"system:serviceaccount:{namespace}:robot"
            assert robot.get(f"/api/v1/namespaces/{namespace}/configmaps").status_code == 403
            admin.post(f"{base}/roles", json=role).raise_for_status()
            admin.post(f"{base}/rolebindings", json=binding).raise_for_status()
            assert robot.get(f"/api/v1/namespaces/{namespace}/configmaps").status_code == 200
            assert robot.get(f"/api/v1/namespaces/{namespace}/secrets").status_code == 403
            admin.delete(f"{accounts}/robot").raise_for_status()
            assert robot.get("/api").status_code == 401


def test_impersonation(apiserver: ApiServer) -> None:
    with apiserver.http() as admin, apiserver.http("alicetoken") as alice:
        info = who(admin, **{"Impersonate-User": "dave", "Impersonate-Group": "ops"})
        assert (info["username"], info["groups"]) == ("dave", ["ops", "system:authenticated"])
        refused = alice.post(WHO, json=REVIEW, headers={"Impersonate-User": "admin"})
        assert refused.status_code == 403
        assert 'User "alice" cannot impersonate' in refused.json()["message"]


def test_nobody_binds_what_he_does_not_hold(apiserver: ApiServer) -> None:
    role = {"kind": "ClusterRole", "apiVersion": f"{RBAC}/v1", "metadata": {"name": "t-binder"}, "rules": [
        {"apiGroups": [RBAC], "resources": ["clusterrolebindings"], "verbs": ["create"]}]}  # fmt: skip
    binding = {
        "kind": "ClusterRoleBinding", "apiVersion": f"{RBAC}/v1", "metadata": {"name": "t-binder"},
        "subjects": [{"kind": "User", "apiGroup": RBAC, "name": "bob"}],
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "t-binder"},
    }  # fmt: skip
    grab = {**binding, "metadata": {"name": "t-grab"}, "roleRef": {**binding["roleRef"], "name": "cluster-admin"}}  # type: ignore[dict-item]
    with apiserver.http() as admin, apiserver.http("bobtoken") as bob:
        admin.post(f"/apis/{RBAC}/v1/clusterroles", json=role).raise_for_status()
        admin.post(f"/apis/{RBAC}/v1/clusterrolebindings", json=binding).raise_for_status()
        refused = bob.post(f"/apis/{RBAC}/v1/clusterrolebindings", json=grab)
        assert refused.status_code == 403
        assert "is attempting to grant RBAC permissions not currently held" in refused.json()["message"]


def test_answers_tell_the_flow(apiserver: ApiServer) -> None:
    with apiserver.http("alicetoken") as alice:
        answer = alice.post(WHO, json=REVIEW)
    with apiserver.http() as admin:
        schema = admin.get("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/global-default").json()
    assert answer.headers["x-kubernetes-pf-flowschema-uid"] == schema["metadata"]["uid"]


def test_audit_and_the_default_objects_over_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    server = ApiServer(tmp_path / "data", flags=[f"--audit-log-path={log}", "--authorization-mode=RBAC"])
    for _ in range(2):
        server.start()
        try:
            with server.http("alicetoken") as alice:
                alice.get("/api/v1/namespaces/default/pods")
            with server.http() as admin:
                names = [o["metadata"]["name"] for o in admin.get(f"/apis/{RBAC}/v1/clusterroles").json()["items"]]
        finally:
            server.stop()
        assert len(names) == len(set(names)) > 60
    events = [json.loads(line) for line in log.read_text().splitlines()]
    mine = [e for e in events if e["user"]["username"] == "alice" and e["stage"] == "ResponseComplete"]
    assert len(mine) == 2
    assert {e["responseStatus"]["code"] for e in mine} == {403}
    assert mine[0]["objectRef"] == {"resource": "pods", "namespace": "default", "apiVersion": "v1"}


@pytest.mark.parametrize("hard", [{"count/configmaps": "1"}])
def test_a_quota_holds(apiserver: ApiServer, namespace: str, hard: dict[str, str]) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    quota = {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "q"}, "spec": {"hard": hard}}
    with apiserver.http() as http:
        made = http.post(f"{base}/resourcequotas", json=quota).json()
        status = {**made, "status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
        http.put(f"{base}/resourcequotas/q/status", json=status).raise_for_status()
        answers = [http.post(f"{base}/configmaps", json={"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": n}}) for n in "ab"]
        assert [a.status_code for a in answers] == [201, 403]
        assert "exceeded quota: q" in answers[1].json()["message"]
        assert http.get(f"{base}/resourcequotas/q").json()["status"]["used"] == {"count/configmaps": "1"}
