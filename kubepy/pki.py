"""The cluster's certificates and kubeconfigs on disk. Makes what is missing, never replaces what is there and still valid.

All keys are EC P-256. Layout of a PKI folder: `ca.crt/.key` (signs everything), `apiserver.crt/.key` (serving),
`kubelet-client.crt/.key` (the API server towards kubelets), `front-proxy-ca.crt/.key` and `front-proxy-client.crt/.key`
(towards extension API servers), `sa.key/.pub` (signs service-account tokens).
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kubepy.pkifiles import Pki as Pki

CA_DAYS = 3650
LEAF_DAYS = 365
_RENEW_BEFORE = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate with its private key."""

    cert: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def cert_pem(self) -> bytes:
        """The certificate in PEM."""
        return self.cert.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The unencrypted PKCS#8 key in PEM."""
        return key_pem(self.key)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as unencrypted PKCS#8 PEM."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def new_ca(common_name: str) -> KeyPair:
    """A self-signed certificate authority."""
    key = new_key()
    name = _name(common_name)
    cert = (
        _builder(name, name, key.public_key(), CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_encipherment=True,
                key_cert_sign=True,
                crl_sign=False,
                content_commitment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(cert, key)


def _alt_names(names: Iterable[str]) -> list[x509.GeneralName]:
    out: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        try:
            out.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            out.append(x509.DNSName(name))
    return out


def issue(
    ca: KeyPair,
    common_name: str,
    organizations: Sequence[str] = (),
    *,
    names: Iterable[str] = (),
    client: bool = True,
    server: bool = False,
) -> KeyPair:
    """A leaf certificate signed by `ca`; `names` are DNS names and IP addresses for serving."""
    key = new_key()
    usages = [u for u, wanted in ((ExtendedKeyUsageOID.SERVER_AUTH, server), (ExtendedKeyUsageOID.CLIENT_AUTH, client)) if wanted]
    builder = (
        _builder(_name(common_name, organizations), ca.cert.subject, key.public_key(), LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False)
    )
    alt = _alt_names(names)
    if alt:
        builder = builder.add_extension(x509.SubjectAlternativeName(alt), critical=False)
    return KeyPair(builder.sign(ca.key, hashes.SHA256()), key)


def load(cert_file: Path, key_file: Path) -> KeyPair:
    """Read a pair from PEM files. Raises OSError, ValueError."""
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key_file}: not an EC key")
    return KeyPair(x509.load_pem_x509_certificate(cert_file.read_bytes()), key)


def write_private(path: Path, data: bytes) -> None:
    """Write a secret file atomically, readable by its owner alone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.replace(path)


def _store(pki: Pki, name: str, pair: KeyPair) -> KeyPair:
    write_private(pki.key(name), pair.key_pem)
    pki.cert(name).write_bytes(pair.cert_pem)
    return pair


def _present(cert: Path, key: Path) -> bool:
    return cert.exists() and key.exists()


def _covers(pair: KeyPair, names: Iterable[str]) -> bool:
    if pair.cert.not_valid_after_utc - dt.datetime.now(dt.UTC) < _RENEW_BEFORE:
        return False
    wanted = {str(n.value) for n in _alt_names(names)}
    if not wanted:
        return True
    try:
        have = pair.cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return wanted <= {str(n.value) for n in have}


def ensure_ca(pki: Pki, name: str, common_name: str) -> KeyPair:
    """The CA called `name`, made when it is missing."""
    if _present(pki.cert(name), pki.key(name)):
        return load(pki.cert(name), pki.key(name))
    return _store(pki, name, new_ca(common_name))


def ensure_leaf(
    pki: Pki,
    ca: KeyPair,
    name: str,
    common_name: str,
    organizations: Sequence[str] = (),
    *,
    names: Sequence[str] = (),
    server: bool = False,
) -> KeyPair:
    """The certificate called `name`; made anew when it is missing, lacks one of `names`, or expires within 30 days."""
    if _present(pki.cert(name), pki.key(name)):
        pair = load(pki.cert(name), pki.key(name))
        if _covers(pair, names):
            return pair
    return _store(pki, name, issue(ca, common_name, organizations, names=names, client=not server, server=server))


def ensure_pki(directory: Path | str, *, names: Sequence[str] = (), service_ip: str = "10.96.0.1", domain: str = "cluster.local") -> Pki:
    """Make every file an API server needs that `directory` lacks.

    `names` are further DNS names and addresses it is reached by, `service_ip` the ClusterIP of `default/kubernetes`.
    """
    pki = Pki(Path(directory))
    pki.dir.mkdir(parents=True, exist_ok=True)
    ca = ensure_ca(pki, "ca", "kubernetes")
    own = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{domain}", "localhost"]
    ensure_leaf(pki, ca, "apiserver", "kube-apiserver", names=[*own, "127.0.0.1", "::1", service_ip, *names], server=True)
    ensure_leaf(pki, ca, "kubelet-client", "kube-apiserver-kubelet-client", ["system:masters"])
    front = ensure_ca(pki, "front-proxy-ca", "front-proxy-ca")
    ensure_leaf(pki, front, "front-proxy-client", "front-proxy-client")
    if not pki.sa_key.exists():
        key = new_key()
        public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        pki.sa_pub.write_bytes(public)
        write_private(pki.sa_key, key_pem(key))
    return pki


def kubeconfig(server: str, ca_pem: bytes, user: str, pair: KeyPair, *, cluster: str = "kubepy") -> bytes:
    """A kubeconfig (YAML) with everything embedded."""

    def b64(data: bytes) -> str:
        return base64.b64encode(data).decode()

    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": server, "certificate-authority-data": b64(ca_pem)}}],
        "users": [{"name": user, "user": {"client-certificate-data": b64(pair.cert_pem), "client-key-data": b64(pair.key_pem)}}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
        "current-context": cluster,
    }
    return yaml.safe_dump(config, sort_keys=False).encode()


COMPONENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "admin": ("kubernetes-admin", ("system:masters",)),
    "controller-manager": ("system:kube-controller-manager", ()),
    "scheduler": ("system:kube-scheduler", ()),
}
"""kubeconfig name → user and groups of who uses it."""


def ensure_kubeconfig(pki: Pki, path: Path, server: str, user: str, groups: Sequence[str] = (), *, cluster: str = "kubepy") -> Path:
    """A kubeconfig for `user` at `path`, kept as it is while it names `server` and its certificate is valid."""
    if path.exists():
        try:
            old = yaml.safe_load(path.read_bytes())
            cert = x509.load_pem_x509_certificate(base64.b64decode(old["users"][0]["user"]["client-certificate-data"]))
            valid = cert.not_valid_after_utc - dt.datetime.now(dt.UTC) > _RENEW_BEFORE
            if valid and old["clusters"][0]["cluster"]["server"] == server:
                return path
        except (KeyError, IndexError, TypeError, ValueError, yaml.YAMLError):
            pass  # unreadable: written anew below
    ca = load(pki.ca_cert, pki.ca_key)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, kubeconfig(server, ca.cert_pem, user, issue(ca, user, groups), cluster=cluster))
    return path


def ensure_component_kubeconfigs(pki: Pki, directory: Path, server: str) -> None:
    """`admin.kubeconfig`, `controller-manager.kubeconfig` and `scheduler.kubeconfig` in `directory`."""
    for name, (user, groups) in COMPONENTS.items():
        ensure_kubeconfig(pki, directory / f"{name}.kubeconfig", server, user, groups)
