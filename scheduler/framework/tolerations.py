"""Whether tolerations bear taints (component-helpers scheduling/corev1), evaluated once per distinct set of taints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from kubepy.api.taints import tolerates
from scheduler.framework.podinfo import Obj
from scheduler.framework.snapshot import Snapshot


def untolerated(tolerations: Sequence[Obj], taints: Iterable[Obj], effects: tuple[str, ...]) -> list[Obj]:
    """The taints with one of `effects` that nothing bears."""
    return [t for t in taints if t["effect"] in effects and not any(tolerates(x, t) for x in tolerations)]


def per_taint_set(snapshot: Snapshot, value: Callable[[tuple[Obj, ...]], int]) -> NDArray[np.int64]:
    """`value` of every node's taints, computed once per distinct set."""
    table = np.fromiter((value(s) for s in snapshot.taint_sets), np.int64, len(snapshot.taint_sets))
    return table[snapshot.taint_set]
