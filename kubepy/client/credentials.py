"""The Authorization header and the TLS context of a Config; tokens of files and plugins are refreshed when they end."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from kubepy.client.config import Config, ConfigError, ExecPlugin

TOKEN_FILE_PERIOD = 10.0
"""Seconds for which a token read from a file is used before the file is looked at again (client-go: 1 minute at most)."""


class Credentials:
    """What proves the identity of a Config; one per client."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._certificate, self._key = config.certificate, config.key
        self._header: str | None = None
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def prepare(self) -> None:
        """Run a credential plugin once, so that a client certificate it gives is known before the TLS context is made."""
        if self._config.exec_plugin is not None:
            await self.header()

    async def header(self) -> str | None:
        """The Authorization header's value, or None."""
        config = self._config
        if config.token_file is None and config.exec_plugin is None:
            if self._header is None:
                self._header = _static(config)
            return self._header or None
        if time.monotonic() < self._until:
            return self._header
        async with self._lock:
            if time.monotonic() >= self._until:
                if config.token_file is not None:
                    self._header = f"Bearer {config.token_file.read_text().strip()}"
                    self._until = time.monotonic() + TOKEN_FILE_PERIOD
                elif config.exec_plugin is not None:
                    await self._run(config.exec_plugin)
        return self._header

    def forget(self) -> None:
        """The server answered 401: ask the file or plugin again at the next request."""
        self._until = 0.0

    def tls(self) -> ssl.SSLContext | bool:
        """The TLS context for an https server."""
        config = self._config
        if config.insecure:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context = ssl.create_default_context(cadata=config.ca.decode() if config.ca else None)
        if self._certificate and self._key:
            # The ssl module reads key pairs from files only.
            with tempfile.TemporaryDirectory() as folder:
                pair = Path(folder) / "pair.pem"
                pair.touch(0o600)
                pair.write_bytes(self._certificate + b"\n" + self._key)
                context.load_cert_chain(pair)
        return context

    async def _run(self, plugin: ExecPlugin) -> None:
        info: dict[str, Any] = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
        if plugin.provide_cluster_info:
            cluster: dict[str, Any] = {"server": self._config.server}
            if self._config.ca:
                cluster["certificate-authority-data"] = base64.b64encode(self._config.ca).decode()
            if self._config.insecure:
                cluster["insecure-skip-tls-verify"] = True
            info["spec"]["cluster"] = cluster
        env = {**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": orjson.dumps(info).decode()}
        try:
            process = await asyncio.create_subprocess_exec(
                plugin.command, *plugin.args, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
            )
        except FileNotFoundError as e:
            hint = f"\n\n{plugin.install_hint}" if plugin.install_hint else ""
            raise ConfigError(f"exec: executable {plugin.command} not found{hint}") from e
        out, _ = await process.communicate()
        if process.returncode:
            raise ConfigError(f"exec: executable {plugin.command} failed with exit code {process.returncode}")
        try:
            status = orjson.loads(out)["status"]
        except (orjson.JSONDecodeError, KeyError, TypeError) as e:
            raise ConfigError(f"exec: executable {plugin.command} printed no ExecCredential with a status") from e
        if "token" in status:
            self._header = f"Bearer {status['token']}"
        if "clientCertificateData" in status and "clientKeyData" in status:
            self._certificate, self._key = status["clientCertificateData"].encode(), status["clientKeyData"].encode()
        expires = status.get("expirationTimestamp")
        left = datetime.fromisoformat(expires).timestamp() - time.time() if expires else float("inf")
        self._until = time.monotonic() + left


def _static(config: Config) -> str:
    if config.token:
        return f"Bearer {config.token}"
    if config.username:
        return "Basic " + base64.b64encode(f"{config.username}:{config.password or ''}".encode()).decode()
    return ""
