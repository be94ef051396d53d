"""CronJobs: Jobs on a schedule. schedule is pure."""

from controllers.cronjob.sync import start

__all__ = ["start"]
