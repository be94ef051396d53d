"""A small HTTPS server in the test's process: webhooks and an extension API server. Handlers are plain functions by path."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Obj = dict[str, Any]
Handler = Callable[[str, Any], tuple[int, Any]]
"""(path, body) → (code, answer)."""


def certificate(folder: Path) -> tuple[Path, str]:
    """A self-signed certificate for 127.0.0.1: the file with key and certificate, and the certificate in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "e2e-backend")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + dt.timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")])
    builder = builder.add_extension(names, False).add_extension(x509.BasicConstraints(True, None), True)
    made = builder.sign(key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    file = folder / "backend.pem"
    file.write_text(secret + pem)
    return file, pem


class Backend:
    """Serves `handlers` (longest path prefix wins) on a free loopback port; `seen` are the requests in order."""

    def __init__(self, folder: Path) -> None:
        file, self.pem = certificate(folder)
        self.bundle = base64.b64encode(self.pem.encode()).decode()
        self.handlers: dict[str, Handler] = {}
        self.seen: list[tuple[str, str, Any]] = []
        outer = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                data = self.rfile.read(int(self.headers.get("content-length") or 0))
                body = json.loads(data) if data else None
                outer.seen.append((self.command, self.path, body))
                path = self.path.split("?")[0]
                found = max((p for p in outer.handlers if path.startswith(p)), key=len, default=None)
                code, answer = outer.handlers[found](self.path, body) if found is not None else (404, {"error": "no such path"})
                out = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

            def log_message(self, format: str, *args: Any) -> None:
                """Silence."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def client(self, path: str) -> Obj:
        """A clientConfig for that path."""
        return {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": self.bundle}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def review(self, path: str, decide: Callable[[Obj], Obj]) -> None:
        """An admission webhook: `decide` gets the request, and returns what the response has besides uid."""

        def handle(_path: str, body: Any) -> tuple[int, Any]:
            response = {"uid": body["request"]["uid"], **decide(body["request"])}
            return 200, {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response}

        self.handlers[path] = handle


def patched(*operations: Obj) -> Obj:
    """An admission response that allows with a JSON patch."""
    return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(operations).encode()).decode()}


def denied(message: str) -> Obj:
    """An admission response that denies."""
    return {"allowed": False, "status": {"message": message}}
