"""Deployments: rollouts over ReplicaSets. plan, status and revisions are pure; sync does the I/O."""

from controllers.deployment.sync import start

__all__ = ["start"]
