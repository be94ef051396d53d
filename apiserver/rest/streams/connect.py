"""Serves log, exec, attach, portforward and proxy: admission, then a connection to the kubelet or pod, passed through.

Upgrades (SPDY, WebSocket) are tunnelled as they are: kubelets speak the same protocols as clients do.
Upstream: pkg/registry/core/pod/rest, apimachinery pkg/util/proxy/upgradeaware.go.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from apiserver.context import Lister
from apiserver.registry.catalog import Served
from apiserver.registry.store import Registry
from apiserver.rest.api import Api
from apiserver.rest.request import Request
from apiserver.rest.streams import tunnel
from apiserver.rest.streams.target import Target, Targets
from kubepy.api import errors

_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
_PRIVATE = frozenset((b"authorization", b"host", b"content-length"))
_UPGRADE = frozenset((b"upgrade", b"connection"))
_STREAMED = ("exec", "attach", "portforward")
_METHODS = {"log": ("GET",), "exec": ("GET", "POST"), "attach": ("GET", "POST"), "portforward": ("GET", "POST")}


class Connector:
    """The handler of all connecting subresources."""

    endpoints = (
        ("pods", "log"),
        ("pods", "exec"),
        ("pods", "attach"),
        ("pods", "portforward"),
        ("pods", "proxy"),
        ("services", "proxy"),
        ("nodes", "proxy"),
    )

    def __init__(
        self, registry: Registry, lister: Lister, *, cert: Path, key: Path, ca: Path | None, address_types: tuple[str, ...]
    ) -> None:
        self._registry = registry
        self._targets = Targets(lister, address_types)
        self._files = (cert, key, ca)
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._session: Any = None

    async def close(self) -> None:
        """Close pooled connections."""
        if self._session is not None:
            await self._session.close()

    async def serve(self, api: Api, req: Request, served: Served) -> None:
        """Answer one request."""
        info, r = req.info, served.resource
        sub = info.subresource
        allowed = _METHODS.get(sub)
        if allowed is not None and req.method not in allowed:
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
        if "dryRun" in req.query and sub != "proxy":
            raise errors.BadRequest("dryRun is not supported")
        upgrade = req.headers.get(b"upgrade", b"")
        if sub in _STREAMED and req.method == "GET":
            api.require(req.ctx.user, replace(info, verb="create"))
        await self._admit(req, served)
        await self._registry.cacher.fresh()
        namespace = info.namespace if r.namespaced else ""
        if sub == "log":
            _check_log(req.query)
            target = self._targets.logs(namespace, info.name, req.query)
            if target is None:
                req.send(200, b"", "text/plain")
                return
            await self._relay(req, target, "text/plain")
            return
        if sub in _STREAMED:
            target = self._targets.stream(namespace, info.name, sub, req.query)
            if not upgrade:
                raise errors.BadRequest("Upgrade request required")
            await self._tunnel(req, target)
            return
        prefix = "/".join(info.path.split("/")[: 8 if r.namespaced else 6])
        rest = info.path[len(prefix) :]
        if not rest and not upgrade:
            location = info.path + "/" + ("?" + req.query_string.decode("latin-1") if req.query_string else "")
            req.exchange.respond(301, req.head("text/plain") + f"location: {location}\r\n".encode("latin-1"), b"")
            return
        raw = req.scope["raw_path"].decode("latin-1")
        encoded = "/" + raw.split("/", 8 if r.namespaced else 6)[-1] if rest else "/"
        target = self._targets.proxy(r.plural, namespace, info.name, encoded or "/", req.query_string.decode("latin-1"))
        if upgrade:
            await self._tunnel(req, target)
        else:
            await self._relay(req, target, "", prefix)

    async def _admit(self, req: Request, served: Served) -> None:
        info = req.info
        options = {k: (v if k == "command" else v[0]) for k, v in req.query.items()}
        namespace = info.namespace if served.resource.namespaced else ""
        args = (req.ctx, "CONNECT", served, info.subresource, namespace, info.name, options, None, None)
        await self._registry.admit(*args)
        await self._registry.validate(*args)

    def _context(self, target: Target) -> ssl.SSLContext | None:
        if not target.tls:
            return None
        found = self._contexts.get(target.kubelet)
        if found is None:
            cert, key, ca = self._files
            if target.kubelet and ca is not None:
                found = ssl.create_default_context(cafile=str(ca))
            else:
                found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                found.check_hostname = False
                found.verify_mode = ssl.CERT_NONE
            if target.kubelet:
                found.load_cert_chain(cert, key)
            found.set_alpn_protocols(["http/1.1"])
            self._contexts[target.kubelet] = found
        return found

    async def _tunnel(self, req: Request, target: Target) -> None:
        """Pass an Upgrade through."""
        headers = [(k, v) for k, v in req.scope["headers"] if k in _UPGRADE or (k not in _HOP and k not in _PRIVATE)]
        try:
            backend = await tunnel.connect(target, self._context(target))
            status, head = await tunnel.ask(backend, req.method, target, headers)
        except OSError as e:
            raise errors.InternalError.of(f"error dialing backend: {e}") from None
        if status == 101:
            client = req.exchange.take_over(head)
            await tunnel.join(client, backend)
            return
        reader, writer = backend
        try:
            body = await reader.read(64 * 1024)
        finally:
            writer.close()
        req.send(status, _unchunked(head, body), "text/plain; charset=utf-8")

    async def _relay(self, req: Request, target: Target, content_type: str, prefix: str = "") -> None:
        """Pass a plain request on and stream its answer back."""
        import aiohttp
        from yarl import URL

        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None, sock_connect=tunnel.CONNECT_SECONDS)
            )
        headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in req.scope["headers"] if k not in _HOP and k not in _PRIVATE]
        if client := req.scope.get("client"):
            headers.append(("X-Forwarded-For", client[0]))
        host = f"[{target.host}]" if ":" in target.host else target.host
        url = URL(f"{'https' if target.tls else 'http'}://{host}:{target.port}{target.path}", encoded=True)
        body = None if req.method in ("GET", "HEAD", "OPTIONS") and b"content-length" not in req.headers else _body(req)
        try:
            answer = await self._session.request(
                req.method, url, headers=headers, data=body, ssl=self._context(target) or False, allow_redirects=False
            )
        except aiohttp.ClientError as e:
            if prefix:
                raise errors.ServiceUnavailable(f"error trying to reach service: {e}") from None
            raise errors.StatusError(f'Get "{url}": {e}', reason="") from None
        exchange = req.exchange
        lines = []
        for name, value in answer.headers.items():
            key = name.lower().encode("latin-1")
            if key in _HOP or key in (b"content-length", b"date"):
                continue
            if key == b"location" and prefix and value.startswith("/"):
                value = prefix + value
            lines.append(b"%b: %b\r\n" % (key, value.encode("latin-1", "replace")))
        if content_type and "content-type" not in answer.headers:
            lines.append(f"content-type: {content_type}\r\n".encode())
        exchange.on_gone = answer.close
        try:
            if req.method == "HEAD":
                exchange.respond(answer.status, b"".join(lines), b"")
                return
            exchange.start(answer.status, b"".join(lines))
            async for chunk in answer.content.iter_any():
                if chunk and not exchange.write(chunk):
                    return
                if exchange.full:
                    await exchange.drained()
        except aiohttp.ClientError:
            exchange.transport.close()
            return
        finally:
            exchange.on_gone = None
            answer.close()
        exchange.end()


async def _body(req: Request) -> AsyncIterator[bytes]:
    while True:
        message: Any = await req.exchange.receive()
        if message["type"] != "http.request":
            return
        if message["body"]:
            yield message["body"]
        if not message["more_body"]:
            return


def _unchunked(head: bytes, body: bytes) -> bytes:
    if b"transfer-encoding: chunked" not in head.lower():
        return body
    out = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        try:
            length = int(size.split(b";")[0], 16)
        except ValueError:
            return out
        if not length:
            return out
        out, body = out + rest[:length], rest[length + 2 :]
    return out


_LOG_NUMBERS = {"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1}


def _check_log(query: dict[str, list[str]]) -> None:
    """ValidatePodLogOptions; raises Invalid, BadRequest."""
    from apiserver.rest import params

    found = []
    for name, least in _LOG_NUMBERS.items():
        value = params.integer(query, name)
        if value is not None and value < least:
            text = "must be greater than or equal to 0" if least == 0 else "must be greater than 0"
            found.append(errors.invalid(name, value, text))
    if query.get("sinceSeconds") and query.get("sinceTime"):
        found.append(errors.forbidden_field("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    if found:
        raise errors.Invalid.of("", "PodLogOptions", "", found)
