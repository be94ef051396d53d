"""[sig-auth] service accounts and their tokens, OIDC discovery, CSR API, reviews."""

from __future__ import annotations

import base64
import json

import httpx
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conformance.plane import Plane, condition, meta, pod, unique, until


def test_tokens_are_reviewed(plane: Plane, ns: str) -> None:
    plane.create("serviceaccounts", {"metadata": meta("sa")}, ns)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token = plane.create("serviceaccounts", request, ns, name="sa", sub="token")["status"]["token"]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    status = plane.create("tokenreviews.authentication.k8s.io", review)["status"]
    assert status["authenticated"] and status["user"]["username"] == f"system:serviceaccount:{ns}:sa"
    assert set(status["user"]["groups"]) >= {"system:serviceaccounts", f"system:serviceaccounts:{ns}"}


def test_oidc_discovery(plane: Plane, ns: str) -> None:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["oidc-discovery-test"]}}
    token = plane.create("serviceaccounts", request, ns, name="default", sub="token")["status"]["token"]
    with plane.anonymous(
        plane.create("serviceaccounts", {**request, "spec": {}}, ns, name="default", sub="token")["status"]["token"]
    ) as http:
        document = http.get("/.well-known/openid-configuration").raise_for_status().json()
        keys = http.get(httpx.URL(document["jwks_uri"]).path).raise_for_status()
        assert keys.headers["content-type"].startswith("application/jwk-set+json")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["iss"] == document["issuer"] and claims["sub"] == f"system:serviceaccount:{ns}:default"
    keyset = jwt.PyJWKSet.from_dict(keys.json())
    key = next(k for k in keyset.keys if k.key_id == jwt.get_unverified_header(token)["kid"])
    jwt.decode(token, key, algorithms=document["id_token_signing_alg_values_supported"], audience="oidc-discovery-test")


def test_opting_out_of_automounting(plane: Plane, ns: str) -> None:
    for name, value in (("mount", True), ("nomount", False), ("unset", None)):
        made = {"metadata": meta(name)} | ({} if value is None else {"automountServiceAccountToken": value})
        plane.create("serviceaccounts", made, ns)
        for word, own in (("true", True), ("false", False), ("none", None)):
            more = {} if own is None else {"automountServiceAccountToken": own}
            got = plane.create("pods", pod(f"{name}-{word}", serviceAccountName=name, **more), ns)
            mounts = [m["mountPath"] for m in got["spec"]["containers"][0].get("volumeMounts", ())]
            wanted = own if own is not None else value is not False
            assert mounts == (["/var/run/secrets/kubernetes.io/serviceaccount"] if wanted else [])
            if wanted:
                sources = [next(iter(s)) for s in got["spec"]["volumes"][0]["projected"]["sources"]]
                assert sources == ["serviceAccountToken", "configMap", "downwardAPI"]


def test_root_certificate_in_every_namespace(plane: Plane, ns: str) -> None:
    first = plane.until("configmaps", "kube-root-ca.crt", ns, lambda o: o["data"]) if _there(plane, ns) else {}
    assert "BEGIN CERTIFICATE" in first["data"]["ca.crt"]
    plane.delete("configmaps", "kube-root-ca.crt", ns)
    until(lambda: _there(plane, ns))
    plane.patch("configmaps", "kube-root-ca.crt", {"data": {"ca.crt": "changed"}}, ns)
    plane.until("configmaps", "kube-root-ca.crt", ns, lambda o: o["data"] == first["data"])


def _there(plane: Plane, ns: str) -> bool:
    found = until(lambda: [c for c in plane.list("configmaps", ns) if c["metadata"]["name"] == "kube-root-ca.crt"])
    return bool(found)


def csr(name: str, signer: str) -> dict[str, object]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"e2e:{name}")])
    made = x509.CertificateSigningRequestBuilder(subject).sign(key, hashes.SHA256())
    text = base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
    return {"metadata": meta(name), "spec": {"request": text, "signerName": signer, "usages": ["digital signature", "client auth"]}}


def test_csr_operations(plane: Plane) -> None:
    what, name = "certificatesigningrequests.certificates.k8s.io", unique("csr")
    made = plane.create(what, csr(name, "example.com/e2e"))
    assert made["spec"]["username"] and plane.list(what, fieldSelector="spec.signerName=example.com/e2e")
    assert plane.patch(what, name, {"metadata": {"annotations": {"patched": "true"}}})["metadata"]["annotations"] == {"patched": "true"}
    now = plane.get(what, name, sub="approval")
    now["status"] = {"conditions": [{"type": "Approved", "status": "True", "reason": "E2E", "message": "m"}]}
    assert condition(plane.update(what, now, "approval"), "Approved") == "True"
    status = {"status": {"certificate": base64.b64encode(plane.ca.encode()).decode()}}
    assert plane.patch(what, name, {"metadata": {"annotations": {"patchedstatus": "true"}}, **status}, sub="status")["status"][
        "certificate"
    ]
    now = plane.get(what, name, sub="status")
    now["status"]["conditions"].append({"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from an e2e test"})
    assert len(plane.update(what, now, "status")["status"]["conditions"]) == 2
    plane.delete(what, name)
    # a client certificate of the cluster's signer
    name = unique("csr")
    plane.create(what, csr(name, "kubernetes.io/kube-apiserver-client"))
    now = plane.get(what, name)
    now["status"] = {"conditions": [{"type": "Approved", "status": "True", "reason": "E2E", "message": "m"}]}
    plane.update(what, now, "approval")
    plane.until(what, name, "", lambda o: o["status"].get("certificate"))
    plane.delete_collection(what, fieldSelector="spec.signerName=kubernetes.io/kube-apiserver-client")


def test_subject_reviews(plane: Plane, ns: str) -> None:
    group, user = "authorization.k8s.io", f"system:serviceaccount:{ns}:default"
    attributes = {"namespace": ns, "verb": "list", "resource": "configmaps", "version": "v1"}
    review = {"apiVersion": f"{group}/v1", "kind": "SubjectAccessReview", "spec": {"user": user, "resourceAttributes": attributes}}
    assert not plane.create(f"subjectaccessreviews.{group}", review)["status"]["allowed"]
    local = {**review, "kind": "LocalSubjectAccessReview", "metadata": {"namespace": ns}}
    assert not plane.create(f"localsubjectaccessreviews.{group}", local, ns)["status"]["allowed"]
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
    plane.create("roles.rbac.authorization.k8s.io", {"metadata": meta("r"), "rules": [rule]}, ns)
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": ns}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    plane.create("rolebindings.rbac.authorization.k8s.io", {"metadata": meta("b"), "roleRef": ref, "subjects": [subject]}, ns)
    until(lambda: plane.create(f"subjectaccessreviews.{group}", review)["status"]["allowed"])
    assert plane.create(f"localsubjectaccessreviews.{group}", local, ns)["status"]["allowed"]
    mine = {"apiVersion": f"{group}/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
    assert plane.create(f"selfsubjectaccessreviews.{group}", mine)["status"]["allowed"]
    rules = {"apiVersion": f"{group}/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": ns}}
    assert plane.create(f"selfsubjectrulesreviews.{group}", rules)["status"]["resourceRules"]
    who = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    assert "system:masters" in json.dumps(plane.create("selfsubjectreviews.authentication.k8s.io", who)["status"]["userInfo"])
