"""ResourceClaims of pods: made from templates, reserved, released and deleted. plan is pure; sync does the I/O."""

from controllers.resourceclaims.sync import start

__all__ = ["start"]
