"""Certificates and kubeconfigs: what is made, what is kept, what is renewed."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import yaml
from cryptography import x509

from kubepy import pki


def test_everything_an_api_server_needs_is_made_once(tmp_path: Path) -> None:
    made = pki.ensure_pki(tmp_path / "pki", names=["10.1.2.3"], service_ip="10.96.0.1")
    before = {p.name: p.read_bytes() for p in made.dir.iterdir()}
    pki.ensure_pki(tmp_path / "pki", names=["10.1.2.3"], service_ip="10.96.0.1")
    assert before == {p.name: p.read_bytes() for p in made.dir.iterdir()}
    assert made.sa_key.stat().st_mode & 0o777 == 0o600


def test_a_new_name_renews_the_serving_certificate_but_not_the_ca(tmp_path: Path) -> None:
    made = pki.ensure_pki(tmp_path)
    ca, leaf = made.ca_cert.read_bytes(), made.cert("apiserver").read_bytes()
    pki.ensure_pki(tmp_path, names=["host.example"])
    assert made.ca_cert.read_bytes() == ca
    assert made.cert("apiserver").read_bytes() != leaf


def test_the_serving_certificate_loads_and_is_signed_by_the_ca(tmp_path: Path) -> None:
    made = pki.ensure_pki(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert("apiserver"), made.key("apiserver"))
    leaf = x509.load_pem_x509_certificate(made.cert("apiserver").read_bytes())
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(made.ca_cert.read_bytes()))


def test_a_kubeconfig_names_user_and_groups_and_is_kept_until_the_server_moves(tmp_path: Path) -> None:
    made = pki.ensure_pki(tmp_path / "pki")
    pki.ensure_component_kubeconfigs(made, tmp_path, "https://127.0.0.1:6443")
    admin = tmp_path / "admin.kubeconfig"
    first = admin.read_bytes()
    user = yaml.safe_load(first)["users"][0]["user"]
    subject = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"])).subject
    assert subject.rfc4514_string() == "CN=kubernetes-admin,O=system:masters"
    pki.ensure_component_kubeconfigs(made, tmp_path, "https://127.0.0.1:6443")
    assert admin.read_bytes() == first
    pki.ensure_component_kubeconfigs(made, tmp_path, "https://127.0.0.1:7443")
    assert b"7443" in admin.read_bytes()


def test_an_unreadable_kubeconfig_is_written_anew(tmp_path: Path) -> None:
    made = pki.ensure_pki(tmp_path / "pki")
    broken = tmp_path / "admin.kubeconfig"
    broken.write_text("{")
    pki.ensure_component_kubeconfigs(made, tmp_path, "https://127.0.0.1:6443")
    assert yaml.safe_load(broken.read_bytes())["current-context"] == "kubepy"
