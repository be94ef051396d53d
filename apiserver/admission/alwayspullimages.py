"""AlwaysPullImages: every start of a container asks the registry, so that nobody runs an image that he may not pull. Off by default."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import BasePlugin, deny
from apiserver.context import Obj
from apiserver.registry.strategies.podspec.windows import all_containers
from kubepy.api.errors import StatusError, not_supported

_ALWAYS = "Always"


class AlwaysPullImages(BasePlugin):
    """Upstream: plugin/pkg/admission/alwayspullimages."""

    name = "AlwaysPullImages"
    default_on = False
    resources = frozenset((("", "pods"),))

    def handles(self, a: Attributes) -> bool:
        """New pods, and pods that get an image that they did not have."""
        return a.old is None or not _images(a.obj or {}) <= _images(a.old)

    async def admit(self, a: Attributes) -> None:
        """Set the pull policy of containers and image volumes."""
        assert a.obj is not None
        for holder, key, _ in _policies(a.obj["spec"]):
            holder[key] = _ALWAYS

    async def validate(self, a: Attributes) -> None:
        """Raises a plain error, as upstream, when somebody has set another policy since."""
        assert a.obj is not None
        wrong = [
            not_supported(at, holder.get(key, ""), (_ALWAYS,)) for holder, key, at in _policies(a.obj["spec"]) if holder.get(key) != _ALWAYS
        ]
        if wrong:
            texts = [deny(a, str(error)).message for error in wrong]
            raise StatusError(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]", reason="", code=500)


def _images(pod: Obj) -> set[str]:
    return {container.get("image", "") for container, _ in all_containers(pod.get("spec") or {}, "spec")}


def _policies(spec: Obj) -> Iterator[tuple[Obj, str, str]]:
    """(who has a pull policy, under which name, its path)."""
    for container, at in all_containers(spec, "spec"):
        yield container, "imagePullPolicy", f"{at}.imagePullPolicy"
    for i, volume in enumerate(spec.get("volumes") or ()):
        if (image := volume.get("image")) is not None:
            yield image, "pullPolicy", f"spec.volumes[{i}].image.pullPolicy"
