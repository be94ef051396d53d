"""DaemonSets: one pod on every node that fits. placement and rollout are pure; sync does the I/O."""

from controllers.daemonset.sync import start

__all__ = ["start"]
