"""Images: what is there, pulling, and the sandbox image that we make ourselves."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Sequence
from typing import Any

import docker.utils

from kubelet.runtime.docker import elf, naming
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.interface import Auth, Image, ImageFailure, NoSuchContainer, RuntimeFailure

SANDBOX_IMAGE = "kubepy/pause"
SANDBOX_TAG = "1"


def with_tag(name: str) -> str:
    """`name` with `:latest` where it names neither tag nor digest."""
    if "@" in name or ":" in name.rsplit("/", 1)[-1]:
        return name
    return f"{name}:latest"


def image_of(inspected: dict[str, Any]) -> Image:
    """From Docker's inspect; the reference is the repository digest if there is one (as cri-dockerd shows it)."""
    digests = inspected.get("RepoDigests") or ()
    ref = f"docker-pullable://{digests[0]}" if digests else f"docker://{inspected['Id']}"
    config = inspected.get("Config") or {}
    names = (*digests, *(inspected.get("RepoTags") or ()))
    return Image(inspected["Id"], ref, config.get("User", ""), int(inspected.get("Size", 0)), names)


class Images:
    """The engine's images; what is present is asked of the engine, nothing is remembered but stop signals."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sandbox: str | None = None
        self._pulls: dict[str, asyncio.Task[Image]] = {}
        self._stop_signals: dict[str, str] = {}

    async def sandbox(self, cluster: str) -> str:
        """The id of the sandbox image, imported when it is missing."""
        if self._sandbox is None:
            name = f"{SANDBOX_IMAGE}:{SANDBOX_TAG}"
            found = await self.get(name)
            if found is None:
                info = await self._engine.call(self._engine.api.info)
                machine = info.get("Architecture") or platform.machine()
                if machine not in elf.MACHINES:
                    raise RuntimeFailure(f"no sandbox program for machine {machine}")
                await self._engine.call(
                    self._engine.api.import_image_from_data, elf.image_tar(machine), repository=SANDBOX_IMAGE, tag=SANDBOX_TAG,
                    changes=['ENTRYPOINT ["/pause"]', f"LABEL {naming.KIND}=sandbox"],
                )  # fmt: skip
                found = await self.get(name)
                if found is None:
                    raise RuntimeFailure("the engine did not keep the sandbox image")
            self._sandbox = found.id
        return self._sandbox

    async def get(self, name: str) -> Image | None:
        """The local image of that name or id."""
        try:
            inspected = await self._engine.call(self._engine.api.inspect_image, with_tag(name) if not name.startswith("sha256:") else name)
        except NoSuchContainer:
            return None
        self._stop_signals[inspected["Id"]] = (inspected.get("Config") or {}).get("StopSignal") or ""
        return image_of(inspected)

    def stop_signal(self, image_id: str) -> str:
        """The image's STOPSIGNAL, known once it was inspected; empty for SIGTERM."""
        return self._stop_signals.get(image_id, "")

    async def all(self) -> Sequence[Image]:
        """Every tagged image."""
        found = await self._engine.call(self._engine.api.images)
        return [image_of(i) for i in found if i.get("RepoTags") or i.get("RepoDigests")]

    async def pull(self, name: str, auths: Sequence[Auth]) -> Image:
        """Pull, with each credential in turn (without any when there is none). Concurrent pulls of one image are one."""
        task = self._pulls.get(name)
        if task is None:
            task = self._pulls[name] = asyncio.ensure_future(self._pull(name, auths))
            task.add_done_callback(lambda _: self._pulls.pop(name, None))
        return await asyncio.shield(task)

    async def _pull(self, name: str, auths: Sequence[Auth]) -> Image:
        repository, tag = docker.utils.parse_repository_tag(with_tag(name))
        error = ImageFailure(f'rpc error: code = Unknown desc = failed to pull image "{name}"')
        for auth in auths or (None,):
            credentials = None
            if auth is not None:
                credentials = {"username": auth.username, "password": auth.password, "serveraddress": auth.server}
                if auth.identity_token:
                    credentials = {"identitytoken": auth.identity_token, "serveraddress": auth.server}
            try:
                await self._engine.call(self._drain, repository, tag, credentials)
            except RuntimeFailure as e:
                error = ImageFailure(str(e))
                continue
            found = await self.get(name)
            if found is not None:
                return found
        raise error

    def _drain(self, repository: str, tag: str | None, credentials: dict[str, str] | None) -> None:
        # A stream, because errors come inside the body of a 200 answer.
        for line in self._engine.api.pull(repository, tag=tag, stream=True, decode=True, auth_config=credentials):
            if "error" in line:
                raise ImageFailure(str(line["error"]))
