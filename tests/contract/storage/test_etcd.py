"""What only a real etcd has: TLS with client certificates, and members that fail."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apiserver.storage.interface import Storage, Unavailable
from tests.contract.storage.backends import Etcd, free_port
from tests.contract.storage.test_watches import collect

pytestmark = [pytest.mark.etcd, pytest.mark.skipif(shutil.which("etcd") is None, reason="no etcd binary")]


def _certificate(folder: Path, name: str, ca: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None) -> tuple[
    x509.Certificate, ec.EllipticCurvePrivateKey
]:  # fmt: skip
    """A CA (`ca` None) or a certificate for 127.0.0.1, written as <name>.crt and <name>.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ca[0].subject if ca else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(ca[1] if ca else key, hashes.SHA256())
    )
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(private)
    return certificate, key


async def test_tls_with_client_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from apiserver.storage.etcd import TLS, EtcdStorage, connection

    ca = _certificate(tmp_path, "ca", None)
    for name in ("server", "client"):
        _certificate(tmp_path, name, ca)
    files = {name: str(tmp_path / name) for name in ("ca.crt", "server.crt", "server.key", "client.crt", "client.key")}
    backend = Etcd(
        tmp_path, f"--cert-file={files['server.crt']}", f"--key-file={files['server.key']}",
        f"--trusted-ca-file={files['ca.crt']}", "--client-cert-auth",
    )  # fmt: skip
    try:
        url = backend.url.removeprefix("etcd:")
        store = EtcdStorage([url], tls=TLS(files["ca.crt"], files["client.crt"], files["client.key"]))
        await store.start()
        revision = await store.create("/registry/a", b"1")
        assert [e.value for e in await collect(store, "", revision, 1)] == [b"1"]
        await store.close()
        monkeypatch.setattr(connection, "TOTAL_TIMEOUT", 0.5)
        stranger = EtcdStorage([url], tls=TLS(files["ca.crt"]))
        with pytest.raises(Unavailable):
            await stranger.start()
    finally:
        backend.close()


class Cluster:
    """Three members."""

    def __init__(self, folder: Path) -> None:
        clients, peers = ([f"http://127.0.0.1:{free_port()}" for _ in range(3)] for _ in range(2))
        cluster = ",".join(f"m{i}={peer}" for i, peer in enumerate(peers))
        self.endpoints = clients
        self.log = (folder / "etcd.log").open("ab")
        self.members = [
            subprocess.Popen(
                [
                    "etcd", f"--name=m{i}", f"--data-dir={folder / f'm{i}'}", f"--listen-client-urls={clients[i]}",
                    f"--advertise-client-urls={clients[i]}", f"--listen-peer-urls={peers[i]}",
                    f"--initial-advertise-peer-urls={peers[i]}", f"--initial-cluster={cluster}",
                ],
                stdout=self.log, stderr=self.log,
            )
            for i in range(3)
        ]  # fmt: skip

    def kill(self, number: int) -> None:
        self.members[number].send_signal(signal.SIGKILL)
        self.members[number].wait()

    def close(self) -> None:
        for number in range(3):
            self.kill(number)
        self.log.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    members = Cluster(tmp_path)
    yield members
    members.close()


async def test_a_member_that_dies_is_replaced_by_another(cluster: Cluster) -> None:
    from apiserver.storage.etcd import EtcdStorage

    store: Storage = EtcdStorage(cluster.endpoints)
    await store.start()
    first = await store.create("/registry/counter", b"0")
    watching = asyncio.ensure_future(collect(store, "/registry/counter", first, 31))
    revision = first
    for number in range(1, 31):
        if number == 10:
            cluster.kill(0)
        revision = await store.update("/registry/counter", b"%d" % number, revision)
    assert [e.value for e in await asyncio.wait_for(watching, 20)] == [b"%d" % number for number in range(31)]
    found = await store.get("/registry/counter")
    assert found is not None and found.value == b"30"
    await store.close()


async def test_without_any_member_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from apiserver.storage.etcd import EtcdStorage, connection

    monkeypatch.setattr(connection, "TOTAL_TIMEOUT", 0.3)
    store = EtcdStorage([f"http://127.0.0.1:{free_port()}"])
    with pytest.raises(Unavailable, match=r"refused|failed to connect"):
        await store.start()
