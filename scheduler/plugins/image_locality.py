"""ImageLocality: prefers nodes that have the pod's images already (upstream plugins/imagelocality)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scheduler.framework.interface import MAX_SCORE, Cycle, Hint, Scores

MIN_BYTES = 23 * 1024 * 1024
MAX_CONTAINER_BYTES = 1000 * 1024 * 1024


def normalised(image: str) -> str:
    """An image name with its tag, `:latest` where it has neither tag nor digest."""
    return image if image.rfind(":") > image.rfind("/") else image + ":latest"


class ImageLocality:
    """Score."""

    name = "ImageLocality"
    hints: Mapping[str, Hint] = {}

    def score(self, cycle: Cycle) -> Scores | None:
        """By the bytes already there, each image weighed by how widespread it is."""
        s, spec = cycle.snapshot, cycle.pod.spec
        containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
        total = len(s.nodes)
        size = np.zeros(s.capacity)
        found = False
        for c in containers:
            holders = s.image_nodes.get(normalised(c.get("image") or ""))
            if holders:
                found = True
                spread = len(holders) / total
                for slot, held in holders.items():
                    size[slot] += int(held * spread)
        if not found:
            return None
        top = MAX_CONTAINER_BYTES * len(containers)
        return np.floor(MAX_SCORE * (np.clip(size, MIN_BYTES, top) - MIN_BYTES) / (top - MIN_BYTES))
