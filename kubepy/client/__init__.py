"""The client of the Kubernetes API that every daemon and the CLI use: kubeconfigs, verbs by kind, watch streams.

Knows only the wire; imports no daemon and keeps no cache (that is kubepy.runtime's).
Names are loaded when they are used: who reads a kubeconfig does not pay for HTTP.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubepy.client.config import Config, ConfigError, load
    from kubepy.client.rest import Client, Unreachable
else:
    _HOMES = {"Client": "rest", "Config": "config", "ConfigError": "config", "Unreachable": "rest", "load": "config"}

    def __getattr__(name):  # PEP 562
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = ["Client", "Config", "ConfigError", "Unreachable", "load"]
