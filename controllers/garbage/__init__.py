"""Garbage collection by owner references: graph is pure, collector does the I/O."""

from controllers.garbage.collector import start

__all__ = ["start"]
