"""One probe or hook handler, run once: exec, httpGet, tcpSocket, grpc. Says how it went and what was answered.

Upstream: pkg/probe/{exec,http,tcp,grpc}, pkg/kubelet/lifecycle/handlers.go.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from enum import Enum
from typing import Any

import aiohttp

from kubelet.pods import spec
from kubelet.probes import grpc
from kubelet.runtime.interface import ExecTimeout, Runtime, RuntimeFailure

Obj = dict[str, Any]

BODY_LIMIT = 10 * 1024
USER_AGENT = "kube-probe/1.36"


class Outcome(Enum):
    """A probe's answer; WARNING counts as success."""

    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"
    UNKNOWN = "unknown"


Answer = tuple[Outcome, str]


def port_of(value: int | str, container: Obj) -> int:
    """A port number, or that of the container's port of this name. Raises ValueError."""
    if isinstance(value, int):
        return value
    for port in container.get("ports") or ():
        if port.get("name") == value:
            return int(port["containerPort"])
    if str(value).isdigit():
        return int(value)
    raise ValueError(f"couldn't find port: {value}")


class Checker:
    """Runs handlers; one HTTP session for all."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close idle connections."""
        if self._session is not None:
            await self._session.close()

    async def probe(self, probe: Obj, container: Obj, container_id: str, pod: Obj, pod_ip: str) -> Answer:
        """One probe."""
        timeout = float(probe.get("timeoutSeconds") or 1)
        try:
            if (action := probe.get("exec")) is not None:
                return await self._exec(action.get("command") or [], container_id, timeout)
            if (action := probe.get("httpGet")) is not None:
                return await self.http(action, container, pod, pod_ip, timeout)
            if (action := probe.get("tcpSocket")) is not None:
                return await _tcp(action.get("host") or pod_ip, port_of(action["port"], container), timeout)
            if (action := probe.get("grpc")) is not None:
                return await grpc.check(pod_ip, int(action["port"]), action.get("service") or "", timeout)
        except ValueError as e:
            return Outcome.UNKNOWN, str(e)
        return Outcome.UNKNOWN, "missing probe handler"

    async def _exec(self, command: list[str], container_id: str, timeout: float) -> Answer:
        try:
            code, output = await self._runtime.exec_sync(container_id, command, timeout)
        except ExecTimeout as e:
            return Outcome.FAILURE, str(e)
        except RuntimeFailure as e:
            return Outcome.UNKNOWN, str(e)
        return (Outcome.SUCCESS if code == 0 else Outcome.FAILURE), output.decode(errors="replace")

    async def http(self, action: Obj, container: Obj, pod: Obj, pod_ip: str, timeout: float) -> Answer:
        """GET; 200 to 399 is success, a redirect to another host a warning."""
        scheme = (action.get("scheme") or "HTTP").lower()
        host = action.get("host") or pod_ip
        port = port_of(action["port"], container)
        path = action.get("path") or "/"
        shown = f"[{host}]" if ":" in host else host
        url = f"{scheme}://{shown}:{port}{path if path.startswith('/') else '/' + path}"
        headers: dict[str, str] = {"User-Agent": USER_AGENT, "Accept": "*/*"}
        for header in action.get("httpHeaders") or ():
            headers[header["name"]] = header["value"]
        if self._session is None:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connector = aiohttp.TCPConnector(ssl=context, force_close=True, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with asyncio.timeout(timeout):
                return await self._get(url, host, headers)
        except TimeoutError:
            text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return Outcome.FAILURE, f'Get "{url}": {text}'
        except aiohttp.ClientConnectorError as e:
            reason = "connect: " + (e.os_error.strerror or str(e.os_error)).lower() if e.os_error else str(e)
            if "connection refused" in str(e).lower() or "connect call failed" in str(e).lower():
                reason = "connect: connection refused"
            return Outcome.FAILURE, f'Get "{url}": dial tcp {shown}:{port}: {reason}'
        except (aiohttp.ClientError, OSError) as e:
            return Outcome.FAILURE, f'Get "{url}": {e or type(e).__name__}'

    async def _get(self, url: str, host: str, headers: dict[str, str]) -> Answer:
        assert self._session is not None
        for _ in range(10):
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status in (301, 302, 303, 307, 308) and "Location" in response.headers:
                    target = response.url.join(type(response.url)(response.headers["Location"]))
                    if target.host != host:
                        return Outcome.WARNING, f"Probe terminated redirects, Response body: {await self._body(response)}"
                    url = str(target)
                    continue
                if 200 <= response.status < 400:
                    return Outcome.SUCCESS, await self._body(response)
                return Outcome.FAILURE, f"HTTP probe failed with statuscode: {response.status}"
        return Outcome.FAILURE, f'Get "{url}": stopped after 10 redirects'

    @staticmethod
    async def _body(response: aiohttp.ClientResponse) -> str:
        return (await response.content.read(BODY_LIMIT)).decode(errors="replace")

    async def hook(self, handler: Obj, container: Obj, container_id: str, pod: Obj, pod_ip: str) -> str:
        """A lifecycle handler; empty when it went well, else what is wrong."""
        if (action := handler.get("exec")) is not None:
            command = action.get("command") or []
            try:
                code, output = await self._runtime.exec_sync(container_id, command, 0)
            except RuntimeFailure as e:
                return str(e)
            if code:
                return f"command '{' '.join(command)}' exited with {code}: {output.decode(errors='replace')}"
            return ""
        if (action := handler.get("httpGet")) is not None:
            try:
                outcome, text = await self.http(action, container, pod, pod_ip, 30.0)
            except ValueError as e:
                return str(e)
            # A hook's answer counts when there is one at all, except an error status.
            return text if outcome is Outcome.FAILURE else ""
        if (action := handler.get("sleep")) is not None:
            await asyncio.sleep(float(action.get("seconds") or 0))
            return ""
        if (action := handler.get("tcpSocket")) is not None:
            return ""
        return f"invalid handler: {spec.identity(pod)}"


async def _tcp(host: str, port: int, timeout: float) -> Answer:
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Outcome.FAILURE, f"dial tcp {host}:{port}: i/o timeout"
    except ConnectionRefusedError:
        return Outcome.FAILURE, f"dial tcp {host}:{port}: connect: connection refused"
    except OSError as e:
        return Outcome.FAILURE, f"dial tcp {host}:{port}: connect: {(e.strerror or str(e)).lower()}"
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Outcome.SUCCESS, ""
