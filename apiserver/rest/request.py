"""One HTTP request as the verbs see it, and how it is answered. Knows nothing of registries."""

from __future__ import annotations

import asyncio
import contextlib
import random
import zlib
from collections.abc import Mapping
from typing import Any

import orjson

from apiserver.context import Context, Obj, RequestInfo
from apiserver.middleware.audit import Record
from apiserver.rest import negotiate, params
from apiserver.rest.negotiate import JSON, PLAIN, PROTOBUF, YAML, Accept
from apiserver.rest.yamlout import to_yaml
from kubepy.api import errors, protobuf
from kubepy.runtime.serving import Exchange

MAX_BODY = 3 * 1024 * 1024
"""Bytes of a request body (upstream's MaxRequestBodyBytes)."""
GZIP_FROM = 128 * 1024
LARGE = 1024 * 1024
"""Answers of more bytes are written as the client reads them."""

_PLAIN_HEAD = b"cache-control: no-cache, private\r\ncontent-type: application/json\r\n"


class Request:
    """What was asked and by whom. `query` is parsed on first use."""

    __slots__ = (
        "_query", "accept", "audit_id", "ctx", "exchange", "flow", "headers", "info", "method", "path", "query_string", "record", "scope",
    )  # fmt: skip

    def __init__(self, scope: Mapping[str, Any], exchange: Exchange, info: RequestInfo) -> None:
        self.scope = scope
        self.exchange = exchange
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query_string: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.info = info
        self.ctx: Context = None  # type: ignore[assignment]  # set once the user is known
        self.accept: Accept = PLAIN
        self.audit_id = b""
        self.flow = b""
        """Header lines that tell the flow this request was sorted into."""
        self.record: Record | None = None
        self._query: dict[str, list[str]] | None = None

    @property
    def identified(self) -> bool:
        """Whether it is known who asks, and so `ctx` is set."""
        return bool(self.ctx)

    @property
    def query(self) -> dict[str, list[str]]:
        """The query parameters."""
        if self._query is None:
            self._query = params.parse(self.query_string)
        return self._query

    def identify(self) -> str:
        """The request's audit id: the client's own, or a new one."""
        self.audit_id = self.audit_id or self.headers.get(b"audit-id") or _audit_id()
        return self.audit_id.decode("latin-1")

    async def body(self, limit: int = MAX_BODY) -> bytes:
        """The whole body; raises RequestEntityTooLarge."""
        data = await self.exchange.body_bytes(limit)
        if data is None:
            raise errors.RequestEntityTooLarge(f"Request entity too large: limit is {limit}")
        return data

    # -- answers

    def head(self, content_type: str = JSON) -> bytes:
        """Header lines of an answer, without length; an empty `content_type` is left out."""
        audit = b"audit-id: %b\r\n%b" % (self.audit_id or _audit_id(), self.flow)
        ctx = self.ctx
        if content_type is JSON and (ctx is None or not ctx.warnings):
            return audit + _PLAIN_HEAD
        lines = [audit, b"cache-control: no-cache, private\r\n"]
        if content_type:
            lines += (b"content-type: ", content_type.encode(), b"\r\n")
        if ctx is not None:
            lines += [b'warning: 299 - "%b"\r\n' % _quoted(w) for w in ctx.warnings]
        return b"".join(lines)

    def send(self, status: int, body: bytes, content_type: str = JSON, extra: bytes = b"") -> None:
        """Answer with these bytes as they are."""
        self.exchange.respond(status, self.head(content_type) + extra, body)

    async def json(self, status: int, body: bytes) -> None:
        """Answer with a JSON document in the form the client accepts: indented, as YAML, compressed."""
        accept = self.accept
        extra = b""
        if accept.media == YAML:
            self.send(status, to_yaml(orjson.loads(body)), YAML)
            return
        if accept.media == PROTOBUF:
            with contextlib.suppress(protobuf.Unencodable):
                self.send(status, protobuf.pack(orjson.loads(body)), PROTOBUF)
                return
        if accept.pretty or (not self._plain_agent() and negotiate.wants_pretty(self.query_string, self.headers.get(b"user-agent", b""))):
            body = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)
        if len(body) > GZIP_FROM and self.takes_gzip:
            body = await asyncio.to_thread(_gzip, body)
            extra = b"content-encoding: gzip\r\nvary: Accept-Encoding\r\n"
        if len(body) > LARGE:
            await self.exchange.respond_large(status, self.head() + extra, len(body), (body,))
        else:
            self.send(status, body, JSON, extra)

    @property
    def takes_gzip(self) -> bool:
        """Whether the client accepts compressed answers."""
        return b"gzip" in self.headers.get(b"accept-encoding", b"")

    @property
    def plain(self) -> bool:
        """Whether the answer goes out as compact JSON."""
        accept = self.accept
        return accept.media is JSON and not accept.pretty and self._plain_agent()

    def _plain_agent(self) -> bool:
        agent = self.headers.get(b"user-agent", b"")
        return b"pretty" not in self.query_string and not agent.startswith((b"curl", b"Wget", b"Mozilla/5.0"))

    async def object(self, status: int, obj: Obj) -> None:
        """Answer with an object, in the form the client accepts."""
        await self.json(status, orjson.dumps(obj))

    async def error(self, error: errors.StatusError) -> None:
        """Answer with a metav1.Status."""
        status = error.status()
        extra = b"".join(f"{k.lower()}: {v}\r\n".encode("latin-1", "replace") for k, v in error.headers)
        try:
            accept = negotiate.for_errors(self.headers.get(b"accept", b""))
        except errors.StatusError:
            # The client accepts nothing that errors come in: the error itself still reaches it, indented.
            self.send(error.status_code, orjson.dumps(status, option=orjson.OPT_INDENT_2), JSON, extra)
            return
        if accept.media == YAML:
            self.send(error.status_code, to_yaml(status), YAML, extra)
            return
        if accept.media == PROTOBUF:
            self.send(error.status_code, protobuf.pack(status), PROTOBUF, extra)
            return
        pretty = accept.pretty or negotiate.wants_pretty(self.query_string, self.headers.get(b"user-agent", b""))
        data = orjson.dumps(status, option=orjson.OPT_INDENT_2) if pretty else orjson.dumps(status) + b"\n"
        self.send(error.status_code, data, JSON, extra)


def _audit_id() -> bytes:
    """A random UUID. It names a request and guards nothing: the system's entropy would be a call of the kernel for each."""
    h = f"{random.getrandbits(128):032x}"
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}".encode()


def _quoted(text: str) -> bytes:
    """A Warning header's text: printable ASCII stays, quotes and backslashes are escaped, control characters vanish."""
    clean = text if text.isprintable() else "".join(c for c in text if c.isprintable())
    return clean.replace("\\", "\\\\").replace('"', '\\"').encode()


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
