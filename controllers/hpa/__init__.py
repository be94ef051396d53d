"""HorizontalPodAutoscalers: replicas that follow metrics. calculator and behavior are pure."""

from controllers.hpa.sync import start

__all__ = ["start"]
