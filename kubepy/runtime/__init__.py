"""What every daemon and operator shares: clock, queues, informers, controllers, leader election, events, the daemon's frame.

Everything runs in one asyncio loop; nothing here knows a particular kind, except Leases and Events.
"""

from kubepy.runtime.cache import Cache
from kubepy.runtime.clock import Clock, RealClock, VirtualClock
from kubepy.runtime.controller import Controller, Result
from kubepy.runtime.events import EventRecorder
from kubepy.runtime.informer import Informer, InformerFactory
from kubepy.runtime.leader import LeaderElector
from kubepy.runtime.manager import Manager
from kubepy.runtime.workqueue import WorkQueue

__all__ = [
    "Cache", "Clock", "Controller", "EventRecorder", "Informer", "InformerFactory", "LeaderElector", "Manager", "RealClock", "Result",
    "VirtualClock", "WorkQueue",
]  # fmt: skip
