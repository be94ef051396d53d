"""What every daemon and operator shares: clock, queues, informers, controllers, leader election, events, the daemon's frame.

Everything runs in one asyncio loop; nothing here knows a particular kind, except Leases and Events.
Names are loaded when they are used: who wants only a part does not pay for the client.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubepy.runtime.cache import Cache
    from kubepy.runtime.clock import Clock, RealClock, VirtualClock
    from kubepy.runtime.controller import Controller, Result
    from kubepy.runtime.events import EventRecorder
    from kubepy.runtime.informer import Informer, InformerFactory
    from kubepy.runtime.leader import LeaderElector
    from kubepy.runtime.manager import Manager
    from kubepy.runtime.workqueue import WorkQueue
else:
    _HOMES = {
        "Cache": "cache", "Clock": "clock", "Controller": "controller", "EventRecorder": "events", "Informer": "informer",
        "InformerFactory": "informer", "LeaderElector": "leader", "Manager": "manager", "RealClock": "clock", "Result": "controller",
        "VirtualClock": "clock", "WorkQueue": "workqueue",
    }  # fmt: skip

    def __getattr__(name):  # PEP 562
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "Cache", "Clock", "Controller", "EventRecorder", "Informer", "InformerFactory", "LeaderElector", "Manager", "RealClock", "Result",
    "VirtualClock", "WorkQueue",
]  # fmt: skip
