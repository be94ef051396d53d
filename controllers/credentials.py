"""One service account per controller, as upstream's --use-service-account-credentials: each may do what its role grants, no more.

All accounts share one pool of connections, which carries no client certificate; the token goes with each request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import aiohttp

from kubepy.api.errors import AlreadyExists, NotFound
from kubepy.client import Client
from kubepy.client.transport import Transport
from kubepy.runtime import Clock

log = logging.getLogger(__name__)

NAMESPACE = "kube-system"
LIFETIME = 3600
"""Seconds asked for a token; it is renewed when four fifths have passed."""


class _Token:
    """The token of one service account, asked for with the manager's own identity."""

    def __init__(self, client: Client, clock: Clock, account: str) -> None:
        self._client, self._clock, self._account = client, clock, account
        self._value = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def get(self) -> str:
        if self._clock.time() < self._until:
            return self._value
        async with self._lock:
            if self._clock.time() >= self._until:
                await self._renew()
        return self._value

    def forget(self) -> None:
        self._until = 0.0

    async def _renew(self) -> None:
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": LIFETIME}}
        for attempt in (0, 1):
            try:
                made = await self._client.create("serviceaccounts", request, NAMESPACE, name=self._account, subresource="token")
                break
            except NotFound:
                if attempt:
                    raise
                await self._create_account()
        now = self._clock.time()
        self._value = made["status"]["token"]
        self._until = now + (datetime.fromisoformat(made["status"]["expirationTimestamp"]).timestamp() - now) * 0.8

    async def _create_account(self) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": self._account, "namespace": NAMESPACE}}
        try:
            await self._client.create("serviceaccounts", account)
        except AlreadyExists:
            return


class _AccountTransport(Transport):
    """The shared connections with one account's token; `close` leaves them open for the others."""

    def __init__(self, shared: Transport, token: _Token) -> None:
        self.config = shared.config
        self._shared, self._token = shared, token

    async def close(self) -> None:
        return

    async def open(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] = {}, timeout: float | None = None
    ) -> aiohttp.ClientResponse:
        for attempt in (0, 1):
            sent = {**headers, "Authorization": f"Bearer {await self._token.get()}"}
            response = await self._shared.open(method, path, body=body, headers=sent, timeout=timeout)
            if response.status != 401 or attempt:
                break
            # The account was made anew, or the server's keys changed: a fresh token will do.
            response.release()
            self._token.forget()
        return response


class Accounts:
    """Clients by service account name."""

    def __init__(self, client: Client, clock: Clock, user_agent: str) -> None:
        self._client, self._clock, self._user_agent = client, clock, user_agent
        bare = replace(
            client.config, certificate=None, key=None, token=None, token_file=None, username=None, password=None, exec_plugin=None
        )
        self._shared = Transport(bare, user_agent)
        self._shared.fence = client.transport.fence
        self._clients: dict[str, Client] = {}

    def client(self, account: str) -> Client:
        """The client that acts as kube-system/`account`."""
        known = self._clients.get(account)
        if known is None:
            transport = _AccountTransport(self._shared, _Token(self._client, self._clock, account))
            known = self._clients[account] = Client(self._shared.config, user_agent=self._user_agent, transport=transport)
        return known

    async def close(self) -> None:
        """Close the shared connections."""
        await self._shared.close()
