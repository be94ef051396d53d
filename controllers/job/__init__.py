"""Jobs: pods that run to completion, counted exactly once. indexes, policies and backoff are pure; sync does the I/O."""

from controllers.job.sync import start

__all__ = ["start"]
