"""StatefulSets: pods with ordinals, names, claims and an order. identity and plan are pure; sync does the I/O."""

from controllers.statefulset.sync import start

__all__ = ["start"]
