"""The client of the Kubernetes API that every daemon and the CLI use: kubeconfigs, verbs by kind, watch streams.

Knows only the wire; imports no daemon and keeps no cache (that is kubepy.runtime's).
"""

from kubepy.client.config import Config, ConfigError, load
from kubepy.client.rest import Client, Unreachable

__all__ = ["Client", "Config", "ConfigError", "Unreachable", "load"]
