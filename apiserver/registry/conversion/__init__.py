"""Conversions between the versions of built-in kinds: (group, version, plural) → (to the hub, from the hub).

Pure; arguments are not changed.
"""

from __future__ import annotations

from collections.abc import Callable

from apiserver.context import Obj
from apiserver.registry.conversion import autoscaling, events

Convert = Callable[[Obj], Obj]

CONVERSIONS: dict[tuple[str, str, str], tuple[Convert, Convert]] = {
    ("autoscaling", "v1", "horizontalpodautoscalers"): (autoscaling.v1_to_v2, autoscaling.v2_to_v1),
    ("events.k8s.io", "v1", "events"): (events.to_core, events.from_core),
}
