"""Docker's event stream, read by one thread and told to the event loop; a broken stream is opened again from where it was."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import docker.errors
import requests
import urllib3

from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.interface import RuntimeFailure

log = logging.getLogger(__name__)

KINDS = ["start", "die", "oom", "destroy"]
_RETRY = 1.0


class EventStream:
    """Calls `handle(event)` on the loop for each event of our containers, and `reopened()` after each gap."""

    def __init__(self, engine: Engine, labels: list[str], handle: Callable[[dict[str, Any]], None], reopened: Callable[[], None]) -> None:
        self._engine = engine
        self._filters: dict[str, Any] = {"type": ["container"], "event": KINDS, "label": labels}
        self._handle = handle
        self._reopened = reopened
        self._stopping = threading.Event()
        self._stream: Any = None
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Begin; returns once events can no longer be missed."""
        loop = asyncio.get_running_loop()
        opened = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(loop, opened), name="docker-events", daemon=True)
        self._thread.start()
        await opened.wait()

    async def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._stream is not None:
            with contextlib.suppress(Exception):
                self._stream.close()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 2.0)

    def _run(self, loop: asyncio.AbstractEventLoop, opened: asyncio.Event) -> None:
        client = None
        first = True
        since = time.time()
        while not self._stopping.is_set():
            try:
                client = client or self._engine.another()
                # With `since` in the past the engine answers its headers at once even when nothing happens.
                self._stream = client.events(since=int(since), filters=self._filters, decode=True)
                loop.call_soon_threadsafe(opened.set if first else self._reopened)
                first = False
                for event in self._stream:
                    since = event.get("timeNano", 0) / 1e9 or since
                    loop.call_soon_threadsafe(self._handle, event)
            except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError,
                    AttributeError, RuntimeFailure, RuntimeError) as e:  # fmt: skip
                # Whatever breaks a stream in the SDK, its closing by `stop` included.
                if self._stopping.is_set():
                    break
                log.warning("the engine's event stream broke: %s", e)
                if first:
                    loop.call_soon_threadsafe(opened.set)
                    first = False
            self._stopping.wait(_RETRY)
        if client is not None:
            client.close()
