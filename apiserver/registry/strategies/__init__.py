"""The behaviour of every built-in kind: one strategy per (group, plural), shared by all versions of the kind. No I/O."""

from __future__ import annotations

from apiserver.registry.strategies import persistentvolumeclaims, pods, services
from apiserver.registry.strategy import Strategy

STRATEGIES: dict[tuple[str, str], Strategy] = {
    ("", "persistentvolumeclaims"): persistentvolumeclaims.STRATEGY,
    ("", "pods"): pods.STRATEGY,
    ("", "services"): services.STRATEGY,
}
"""What is not here has upstream's generic behaviour and no checks of its own."""
