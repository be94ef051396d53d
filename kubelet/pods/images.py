"""Makes sure that a container's image is there: policy, credentials, back-off (kubelet/images/image_manager.go)."""

from __future__ import annotations

import base64
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson

from kubelet.host import Host
from kubelet.pods.backoff import Backoffs
from kubelet.runtime.docker_reference import domain_of
from kubelet.runtime.interface import Auth, Image, ImageFailure, RuntimeFailure

Obj = dict[str, Any]
T = TypeVar("T")


class NotStarted(Exception):
    """A container cannot be started now: the reason and message of its waiting state, and when (epoch) to try again."""

    def __init__(self, reason: str, message: str, retry_at: float = 0.0) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason, self.message, self.retry_at = reason, message, retry_at


def pull_policy(container: Obj) -> str:
    """The container's policy, or what its tag implies."""
    policy = container.get("imagePullPolicy")
    if policy:
        return str(policy)
    name = container["image"].rsplit("/", 1)[-1]
    return "Always" if ":" not in name or name.endswith(":latest") else "IfNotPresent"


def credentials(image: str, secrets: list[Obj]) -> list[Auth]:
    """The credentials in pull secrets that fit the image's registry, best first (credentialprovider keyring)."""
    domain = domain_of(image)
    out: list[Auth] = []
    for secret in secrets:
        data = secret.get("data") or {}
        try:
            if ".dockerconfigjson" in data:
                auths = orjson.loads(base64.b64decode(data[".dockerconfigjson"])).get("auths") or {}
            elif ".dockercfg" in data:
                auths = orjson.loads(base64.b64decode(data[".dockercfg"]))
            else:
                continue
        except ValueError:
            continue
        for server, entry in auths.items():
            host = server.removeprefix("https://").removeprefix("http://")
            registry, _, path = host.partition("/")
            if registry in ("index.docker.io", "registry-1.docker.io"):
                registry, path = "docker.io", ""
            if registry != domain or (path not in ("", "v1", "v2", "v1/", "v2/") and not image.startswith(f"{registry}/{path}")):
                continue
            user, password = entry.get("username", ""), entry.get("password", "")
            if not user and entry.get("auth"):
                user, _, password = base64.b64decode(entry["auth"]).decode(errors="replace").partition(":")
            out.append(Auth(user, password, entry.get("identitytoken", ""), server))
    return out


class ImageKeeper:
    """The images of one pod."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._backoffs = Backoffs(host.config.crash_loop_base, host.config.image_pull_max)
        self._last_error: dict[str, str] = {}

    async def ensure(self, pod: Obj, container: Obj, unless_ending: Callable[[Awaitable[T]], Awaitable[T]]) -> Image:
        """The image, pulled if need be. Raises NotStarted."""
        try:
            return await self._ensure(pod, container, unless_ending)
        except NotStarted as e:
            self._host.event(pod, "Warning", "Failed", f"Error: {e.reason}", container["name"])
            raise

    async def _ensure(self, pod: Obj, container: Obj, unless_ending: Callable[[Awaitable[T]], Awaitable[T]]) -> Image:
        host, name = self._host, container["image"]
        try:
            present = await host.runtime.image(name)
        except RuntimeFailure as e:
            host.event(pod, "Warning", "InspectFailed", f'Failed to inspect image "{name}": {e}', container["name"])
            raise NotStarted("ImageInspectError", f'Failed to inspect image "{name}": {e}') from e
        policy = pull_policy(container)
        if present is not None and policy != "Always":
            text = f'Container image "{name}" already present on machine and can be accessed by the pod'
            host.event(pod, "Normal", "Pulled", text, container["name"])
            return present
        if policy == "Never":
            text = f'Container image "{name}" is not present with pull policy of Never'
            host.event(pod, "Warning", "ErrImageNeverPull", text, container["name"])
            raise NotStarted("ErrImageNeverPull", text)
        return await self._pull(pod, container, name, unless_ending)

    async def _pull(self, pod: Obj, container: Obj, name: str, unless_ending: Callable[[Awaitable[Any]], Awaitable[Any]]) -> Image:
        host, now = self._host, time.time()
        until = self._backoffs.until(name, self._backoffs.updated(name))
        if until > now:
            text = f'Back-off pulling image "{name}"'
            host.event(pod, "Normal", "BackOff", text, container["name"])
            if error := self._last_error.get(name):
                text += f": ErrImagePull: {error}"
            raise NotStarted("ImagePullBackOff", text, until)
        host.event(pod, "Normal", "Pulling", f'Pulling image "{name}"', container["name"])
        namespace = pod["metadata"]["namespace"]
        names = [s["name"] for s in pod["spec"].get("imagePullSecrets") or ()]
        secrets = [s for s in (host.objects.get("secrets", namespace, n) for n in names) if s is not None]
        try:
            image: Image = await unless_ending(host.runtime.pull(name, credentials(name, secrets)))
        except ImageFailure as e:
            self._backoffs.grow(name, time.time())
            self._last_error[name] = str(e)
            host.event(pod, "Warning", "Failed", f'Failed to pull image "{name}": {e}', container["name"])
            raise NotStarted("ErrImagePull", str(e), self._backoffs.until(name, time.time())) from e
        took = f"{time.time() - now:.3f}".rstrip("0").rstrip(".") + "s"
        text = f'Successfully pulled image "{name}" in {took} ({took} including waiting). Image size: {image.size} bytes.'
        host.event(pod, "Normal", "Pulled", text, container["name"])
        return image
