"""PodDisruptionBudgets: how many pods may be evicted now. plan is pure."""

from controllers.disruption.sync import start

__all__ = ["start"]
