"""Passes a request on to another HTTP server and its answer back: plainly, or as a tunnel after an Upgrade.

Upstream: apimachinery pkg/util/proxy/upgradeaware.go.
"""

from __future__ import annotations

import ssl
import zlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from apiserver.rest.request import Request
from apiserver.rest.streams import links, reader, tunnel
from apiserver.rest.streams.target import Target
from kubepy.api import errors

Header = tuple[bytes, bytes]

_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
_PRIVATE = frozenset((b"authorization", b"host", b"content-length", b"x-remote-user", b"x-remote-group", b"x-remote-uid"))
_UPGRADE = frozenset((b"upgrade", b"connection"))

_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What the client library would add: a header that the client did not send is none of ours to invent."""


class Relay:
    """Holds the pool of connections that plain requests share."""

    def __init__(self) -> None:
        self._session: Any = None

    async def close(self) -> None:
        """Close pooled connections."""
        if self._session is not None:
            await self._session.close()

    async def tunnel(self, req: Request, target: Target, context: ssl.SSLContext | None, extra: Sequence[Header] = ()) -> None:
        """Pass an Upgrade through, byte for byte once it is accepted. Raises InternalError."""
        headers = [(k, v) for k, v in req.scope["headers"] if k in _UPGRADE or (k not in _HOP and k not in _PRIVATE)]
        headers += extra
        try:
            backend = await tunnel.connect(target, context)
            status, head = await tunnel.ask(backend, req.method, target, headers)
        except OSError as e:
            raise errors.InternalError.of(f"error dialing backend: {e}") from None
        if status == 101:
            client = req.exchange.take_over(head)
            await tunnel.join(client, backend)
            return
        received, writer = backend
        try:
            body = await received.read(64 * 1024)
        finally:
            writer.close()
        req.send(status, _unchunked(head, body), "text/plain; charset=utf-8")

    async def pass_on(
        self,
        req: Request,
        target: Target,
        context: ssl.SSLContext | None,
        *,
        content_type: str = "",
        prefix: str = "",
        extra: Sequence[Header] = (),
    ) -> None:
        """Pass a plain request on and stream its answer back. With a `prefix`, redirects and links of pages lead there again.

        Raises ServiceUnavailable (with a prefix) or a plain StatusError when the other server cannot be reached.
        """
        import aiohttp

        answer = await self._ask(req, target, context, prefix, extra)
        exchange = req.exchange
        hosts = frozenset((f"{target.host}:{target.port}", req.headers.get(b"host", b"").decode("latin-1")))
        rewrite = partial(links.rewrite_url, prefix=prefix, hosts=hosts)
        page = bool(prefix) and answer.content_type == "text/html" and "location" not in answer.headers
        lines = []
        for name, value in answer.headers.items():
            key = name.lower().encode("latin-1")
            if key in _HOP or key in (b"content-length", b"date"):
                continue
            if key == b"location" and prefix:
                value = rewrite(value)
            lines.append(b"%b: %b\r\n" % (key, value.encode("latin-1", "replace")))
        if content_type and "content-type" not in answer.headers:
            lines.append(f"content-type: {content_type}\r\n".encode())
        exchange.on_gone = answer.close
        try:
            if req.method == "HEAD":
                exchange.respond(answer.status, b"".join(lines), b"")
                return
            if page:
                # Whole: a link may lie across two pieces.
                body = links.rewrite_body(await answer.read(), answer.headers.get("content-encoding", ""), rewrite)
                exchange.respond(answer.status, b"".join(lines), body)
                return
            exchange.start(answer.status, b"".join(lines))
            async for chunk in answer.content.iter_any():
                if chunk and not exchange.write(chunk):
                    return
                if exchange.full:
                    await exchange.drained()
        except (aiohttp.ClientError, zlib.error):
            exchange.transport.close()
            return
        finally:
            exchange.on_gone = None
            answer.close()
        exchange.end()

    async def read_out(self, req: Request, target: Target, context: ssl.SSLContext | None) -> bool:
        """Turn the request into a WebSocket and send the answer over it; False when the client asks for protocols unknown here."""
        accepted = reader.accept(req.headers)
        if accepted is None:
            return False
        head, text = accepted
        answer = await self._ask(req, target, context, "", ())
        try:
            await reader.copy(answer.content.iter_any(), *req.exchange.take_over(head), text)
        finally:
            answer.close()
        return True

    async def _ask(self, req: Request, target: Target, context: ssl.SSLContext | None, prefix: str, extra: Sequence[Header]) -> Any:
        import aiohttp
        from yarl import URL

        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                skip_auto_headers=_AUTOMATIC,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=tunnel.CONNECT_SECONDS),
            )
        headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in req.scope["headers"] if k not in _HOP and k not in _PRIVATE]
        headers += [(k.decode("latin-1"), v.decode("latin-1")) for k, v in extra]
        if client := req.scope.get("client"):
            headers.append(("X-Forwarded-For", client[0]))
        if prefix:
            headers.append(("X-Forwarded-Uri", prefix.rstrip("/") + target.path.partition("?")[0]))
        host = f"[{target.host}]" if ":" in target.host else target.host
        url = URL(f"{'https' if target.tls else 'http'}://{host}:{target.port}{target.path}", encoded=True)
        length = req.headers.get(b"content-length")
        if length:
            # With its length known the body is not sent in chunks, which small servers cannot read.
            headers.append(("Content-Length", length.decode("latin-1")))
        body = _body(req) if length or b"transfer-encoding" in req.headers else None
        try:
            return await self._session.request(req.method, url, headers=headers, data=body, ssl=context or False, allow_redirects=False)
        except aiohttp.ClientError as e:
            if prefix:
                raise errors.ServiceUnavailable(f"error trying to reach service: {e}") from None
            raise errors.StatusError(f'Get "{url}": {e}', reason="") from None


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
