"""What a scheduling plugin is. Plugins are pure, vectorised over nodes, and never import one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from scheduler.framework.cluster import Cluster
from scheduler.framework.podinfo import Obj, PodInfo
from scheduler.framework.snapshot import Bools, Snapshot

Scores = NDArray[np.float64]
MAX_SCORE = 100.0

Hint = Callable[[PodInfo, Obj | None, Obj | None], bool]
"""(rejected pod, old object, new object) → whether the change may let the pod in. Added objects have no old, deleted ones no new."""
Hints = Mapping[str, Hint]
"""Hints by the kind of change; the kinds are listed in `framework.changes`."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Nodes that a filter refuses for one reason. `resolvable`: removing pods could help (upstream's Unschedulable,
    against UnschedulableAndUnresolvable)."""

    reason: str
    nodes: Bools
    resolvable: bool


class Unschedulable(Exception):
    """A pod that no node can take, whatever the nodes are (a PreFilter's refusal); the text is upstream's."""


class NotReady(Exception):
    """A pod that is not to be tried yet (a PreEnqueue's refusal): nothing is said of it until what it waits for has come."""


@dataclass(slots=True)
class Cycle:
    """One pod's way through the plugins: what it is, the nodes as they are, what plugins remember from filter to score, and
    why nodes were left out so far (nodes by reason, who refused, the slots where removing pods would not help)."""

    pod: PodInfo
    snapshot: Snapshot
    feasible: Bools
    state: dict[str, Any] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    refused_by: set[str] = field(default_factory=set)
    unresolvable: Bools = field(init=False)

    def __post_init__(self) -> None:
        self.unresolvable = np.zeros(self.snapshot.capacity, np.bool_)


class Plugin(Protocol):
    """What all plugins have: upstream's name, and which changes make another attempt worthwhile for a pod that it refused."""

    name: str
    hints: Hints


@runtime_checkable
class PreFilterPlugin(Protocol):
    """Looks at the pod once, before any node."""

    name: str

    def prefilter(self, cycle: Cycle) -> Bools | None:
        """The only nodes worth a look (None: all). Raises Unschedulable."""


@runtime_checkable
class FilterPlugin(Protocol):
    """Says which nodes cannot take the pod."""

    name: str

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Rejections over all slots. A node counts for the first that names it, unless the plugin has `all_reasons` set."""


@runtime_checkable
class PreEnqueuePlugin(Protocol):
    """Knows pods that cannot be tried before something else has happened."""

    name: str

    def preenqueue(self, cluster: Cluster, pod: PodInfo) -> None:
        """Raises NotReady for such a pod."""


@runtime_checkable
class ScorePlugin(Protocol):
    """Prefers some feasible nodes to others."""

    name: str

    def score(self, cycle: Cycle) -> Scores | None:
        """0…100 per slot, normalised over `cycle.feasible`; None when the plugin has nothing to say."""


def normalise(raw: Scores, feasible: Bools, *, reverse: bool = False) -> Scores:
    """Scale so that the greatest feasible value is 100 (upstream DefaultNormalizeScore)."""
    values = raw[feasible]
    top = values.max() if values.size else 0.0
    if top <= 0:
        return np.full(raw.shape, MAX_SCORE if reverse else 0.0)
    scaled = np.floor(raw * MAX_SCORE / top)
    return MAX_SCORE - scaled if reverse else scaled
