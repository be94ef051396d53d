"""DefaultTolerationSeconds: pods tolerate a node that is not ready or unreachable for five minutes."""

from __future__ import annotations

from typing import Any

from apiserver.admission.interface import Attributes, Tools
from apiserver.admission.plugin import BasePlugin

NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
DEFAULT_SECONDS = 300


class DefaultTolerationSeconds(BasePlugin):
    """Upstream: plugin/pkg/admission/defaulttolerationseconds; seconds are those of the flags
    --default-not-ready-toleration-seconds and --default-unreachable-toleration-seconds."""

    name = "DefaultTolerationSeconds"
    resources = frozenset((("", "pods"),))

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._seconds = {
            NOT_READY: getattr(tools.flags, "default_not_ready_toleration_seconds", None) or DEFAULT_SECONDS,
            UNREACHABLE: getattr(tools.flags, "default_unreachable_toleration_seconds", None) or DEFAULT_SECONDS,
        }

    async def admit(self, a: Attributes) -> None:
        """Append what is missing."""
        assert a.obj is not None
        spec = a.obj["spec"]
        present = spec.get("tolerations") or []
        added: list[dict[str, Any]] = []
        for key, seconds in self._seconds.items():
            if not any(t.get("key", key) in (key, "") and t.get("effect", "") in ("NoExecute", "") for t in present):
                added.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds})
        if added:
            spec["tolerations"] = [*present, *added]
