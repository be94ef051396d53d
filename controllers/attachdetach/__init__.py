"""Attaching of CSI volumes to nodes. plan is pure; sync does the I/O."""

from controllers.attachdetach.sync import start

__all__ = ["start"]
