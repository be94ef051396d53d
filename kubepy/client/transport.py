"""HTTP requests over one pool of kept connections, with the retries that are safe: refused connections, Retry-After, idle closes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from kubepy.api.errors import ServiceUnavailable, StatusError
from kubepy.client.config import Config
from kubepy.client.credentials import Credentials

REFUSED_PATIENCE = 30.0
"""Seconds for which a refused connection is tried again: an API server's restart takes about one."""
MAX_RETRIES = 10
"""Answers with Retry-After that one request waits for (client-go rest/with_retry.go)."""
READ_BUFFER = 1 << 20
CONNECT = 10.0
"""Seconds for a connection to be made, TLS included; then it is tried again."""


class Unreachable(ServiceUnavailable):
    """No answer came: the connection failed or broke; whether a write happened is unknown unless `refused`."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class _Connector(aiohttp.TCPConnector):
    """Lets the event loop make and own its sockets.

    aiohttp makes them first and gives them to the loop. When a TLS handshake then breaks, as when a server is killed, uvloop still
    thinks that the descriptor is its own although it is closed and soon another connection's: that one fails, or falls silent.
    """

    def __init__(self, may_write: Callable[[], bool], **options: Any) -> None:
        super().__init__(**options)
        self.may_write = may_write

    async def _wrap_create_connection(self, *args: Any, addr_infos: list[Any], **options: Any) -> Any:
        for last, (family, _, protocol, _, address) in enumerate(addr_infos, 1 - len(addr_infos)):
            try:
                return await self._wrap_existing_connection(
                    *args, host=address[0], port=address[1], family=family, proto=protocol, flags=socket.AI_NUMERICHOST, **options
                )
            except aiohttp.ClientConnectorError:
                if not last:
                    raise
        raise AssertionError("no addresses")


class _Request(aiohttp.ClientRequest):
    """Asks for leave to write right before the bytes go: a connection, or the loop's turn to write a body, can have taken long."""

    def _refusal(self, connection: Any) -> Unreachable | None:
        if self.method == "GET" or connection._connector.may_write():
            return None
        return Unreachable(f"{self.method} {self.url.path}: not sent, as the leader lease is not held", refused=True)

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        refusal = self._refusal(conn)
        if refusal is not None:
            raise refusal
        return await super().send(conn)

    async def write_bytes(self, writer: Any, conn: Any, content_length: int | None = None) -> None:
        refusal = self._refusal(conn)
        if refusal is not None:
            conn.protocol.set_exception(refusal)
            return
        await super().write_bytes(writer, conn, content_length)


class Transport:
    """One aiohttp session; opened at the first request in the running loop, closed by `close`."""

    def __init__(self, config: Config, user_agent: str, patience: float = REFUSED_PATIENCE) -> None:
        self.config = config
        self.fence: Callable[[], bool] | None = None
        """Asked right before each write; when it says no the write is not sent, as its sender may no longer act."""
        self._credentials = Credentials(config)
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """Close all connections; requests in flight fail."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _open(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._session is None:
                await self._credentials.prepare()
                secure = self.config.server.startswith("https:")
                connector = _Connector(
                    lambda: self.fence is None or self.fence(),
                    limit=0,
                    ssl=self._credentials.tls() if secure else True,
                    keepalive_timeout=60,
                    ttl_dns_cache=60,
                )
                headers = CIMultiDict(self._headers)
                for key, value in self.config.impersonate:
                    headers.add(key, value)
                self._session = aiohttp.ClientSession(
                    connector=connector, request_class=_Request, headers=headers, auto_decompress=True, read_bufsize=READ_BUFFER,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=60), cookie_jar=aiohttp.DummyCookieJar(),
                )  # fmt: skip
        return self._session

    async def open(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] = {}, timeout: float | None = None
    ) -> aiohttp.ClientResponse:
        """Send one request and give the response with its head read; the caller releases it.

        `path` starts with `/` and is encoded already; `timeout` is the longest silence on the socket in seconds.
        Raises Unreachable.
        """
        session = self._session or await self._open()
        loop = asyncio.get_running_loop()
        patience_ends, delay = loop.time() + self._patience, 0.05
        options: dict[str, Any] = {}
        if timeout is not None:
            options["timeout"] = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=timeout)
        if self.config.tls_server_name:
            options["server_hostname"] = self.config.tls_server_name
        if self.config.proxy:
            options["proxy"] = self.config.proxy
        url = URL(self.config.server + path, encoded=True)
        for attempt in range(1 << 30):
            sent = dict(headers)
            authorization = await self._credentials.header()
            if authorization is not None:
                sent.setdefault("Authorization", authorization)
            try:
                response = await session.request(method, url, data=body, headers=sent, allow_redirects=False, **options)
            except aiohttp.ClientConnectorCertificateError as e:
                raise Unreachable(f"tls: failed to verify certificate: {e}") from e
            except aiohttp.ClientConnectorError as e:
                if loop.time() + delay > patience_ends:
                    raise Unreachable(f"{method} {url}: {e}", refused=True) from e
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as e:
                # A kept connection that the server closed while it was idle; only a read is sure to have had no effect.
                if method != "GET" or attempt > 2:
                    raise Unreachable(f"{method} {url}: {e or type(e).__name__}") from e
            except (aiohttp.ClientError, TimeoutError, OSError) as e:
                raise Unreachable(f"{method} {url}: {e or type(e).__name__}") from e
            else:
                wait = _retry_after(response)
                if wait is None or attempt >= MAX_RETRIES:
                    return response
                response.release()
                delay = wait
            await asyncio.sleep(delay)
            delay = min(delay * 2, 1.0)
        raise AssertionError("unreachable")

    async def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] = {}, timeout: float | None = None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Status, body and headers of the answer, whatever it is. Raises Unreachable."""
        response = await self.open(method, path, body=body, headers=headers, timeout=timeout)
        try:
            content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise Unreachable(f"{method} {path}: {e or type(e).__name__}") from e
        finally:
            response.release()
        if response.status == 401:
            self._credentials.forget()
        return response.status, content, response.headers


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds that a 429 or 5xx answer asks to wait, or None when it is final."""
    if response.status != 429 and response.status < 500:
        return None
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def error_of(status: int, content: bytes, method: str, path: str) -> StatusError:
    """The error that an answer of 400 or more describes; an answer that is no Status keeps its text."""
    try:
        doc = orjson.loads(content)
    except orjson.JSONDecodeError:
        doc = None
    if isinstance(doc, dict) and doc.get("kind") == "Status":
        return StatusError.from_status(doc)
    text = content.decode(errors="replace").strip() or f"the server answered {method} {path} with status {status}"
    return StatusError.from_status({"message": text, "code": status, "reason": _REASONS.get(status, "")})


_REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed", 406: "NotAcceptable",
    409: "Conflict", 410: "Expired", 413: "RequestEntityTooLarge", 415: "UnsupportedMediaType", 422: "Invalid",
    429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout",
}  # fmt: skip
