"""Calls to webhooks over HTTPS: by URL, or to a service through its endpoints. Connections are kept."""

from __future__ import annotations

import base64
import random
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

from apiserver.admission.webhook.response import CallError, review_of
from apiserver.context import Lister, Obj

if TYPE_CHECKING:
    import aiohttp


class WebhookClient:
    """Posts AdmissionReviews and ConversionReviews."""

    def __init__(self, lister: Lister) -> None:
        self._lister = lister
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def close(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, config: Obj, review: Obj, seconds: int) -> Obj:
        """The review that answers `review`; redirections are followed. Raises CallError."""
        import aiohttp  # 10 MB, a tenth of a second: only where there are webhooks

        url, target, server_name = self._target(config)
        url = f"{url}{'&' if '?' in url else '?'}timeout={seconds}s"
        request = f'Post "{url}"'
        try:
            actual = self._resolve(target) if target else None
        except LookupError as error:
            raise CallError(f"{request}: {error.args[0]}") from None
        parts = urlsplit(url)
        address = url if actual is None else url.replace(f"//{parts.netloc}", f"//{actual}", 1)
        session = self._session
        if session is None:
            session = self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30))
        try:
            async with session.post(
                address,
                data=orjson.dumps(review),
                headers={"Content-Type": "application/json", "Accept": "application/json, */*", "Host": parts.netloc},
                ssl=self._context(config.get("caBundle", "")),
                server_hostname=server_name or None,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                status, content_type, body = response.status, response.headers.get("Content-Type", ""), await response.read()
        except TimeoutError:
            raise CallError(f"{request}: context deadline exceeded") from None
        except (aiohttp.ClientError, OSError) as error:
            raise CallError(f"{request}: {_go_text(error)}") from None
        return review_of(status, content_type, body, review)

    @staticmethod
    def _target(config: Obj) -> tuple[str, tuple[str, str, int] | None, str]:
        """(URL to show, service to resolve, name its certificate must have)."""
        if config.get("url"):
            return config["url"], None, ""
        service = config.get("service") or {}
        namespace, name, port = service.get("namespace", ""), service.get("name", ""), int(service.get("port") or 443)
        host = f"{name}.{namespace}.svc"
        path = service.get("path") or ""
        return f"https://{host}:{port}{'' if path.startswith('/') else '/'}{path}", (namespace, name, port), host

    def _resolve(self, target: tuple[str, str, int]) -> str:
        """host:port of a ready endpoint, or of the service itself where there is none to see. Raises LookupError."""
        namespace, name, port = target
        service = self._lister.get("", "services", namespace, name)
        if service is None:
            raise LookupError(f'service "{name}" not found')
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            return f"{spec.get('externalName', '')}:{port}"
        found = next((p for p in spec.get("ports") or () if p.get("port") == port), None)
        if found is None:
            raise LookupError(f'no service port {port} found for service "{name}"')
        addresses = []
        for piece in self._lister.list("discovery.k8s.io", "endpointslices", namespace):
            if (piece["metadata"].get("labels") or {}).get("kubernetes.io/service-name") != name:
                continue
            number = next((p.get("port") for p in piece.get("ports") or () if p.get("name", "") == found.get("name", "")), None)
            for endpoint in piece.get("endpoints") or ():
                if number and (endpoint.get("conditions") or {}).get("ready", True):
                    addresses += [(address, number) for address in endpoint.get("addresses") or ()]
        if addresses:
            # The server may stand where no proxy makes ClusterIPs reachable: endpoints are the surer way.
            host, number = random.choice(addresses)
            return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
        if spec.get("clusterIP") in (None, "", "None") or spec.get("selector"):
            raise LookupError(f'no endpoints available for service "{name}"')
        return f"{spec['clusterIP']}:{port}"

    def _context(self, bundle: str) -> ssl.SSLContext:
        context = self._contexts.get(bundle)
        if context is None:
            if len(self._contexts) > 1000:
                self._contexts.clear()
            try:
                context = ssl.create_default_context(cadata=base64.b64decode(bundle).decode() if bundle else None)
            except (ValueError, ssl.SSLError) as error:
                raise CallError(f"unable to load root certificates: {error}") from None
            self._contexts[bundle] = context
        return context


def _go_text(error: Exception) -> str:
    """The words of Go's network errors for the common cases."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: x509: {_certificate_text(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = "connect: connection refused" if isinstance(error.os_error, ConnectionRefusedError) else str(error.os_error)
        return f"dial tcp {error.host}:{error.port}: {reason}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    return str(error) or type(error).__name__


def _certificate_text(error: Exception) -> str:
    text = str(error)
    return "certificate signed by unknown authority" if "self-signed" in text or "unable to get local issuer" in text else text
