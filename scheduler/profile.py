"""Profiles: which plugins decide for the pods of a scheduler name, in what order and with what weight. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scheduler.framework import changes
from scheduler.framework.changes import Change
from scheduler.framework.interface import FilterPlugin, Hints, PreEnqueuePlugin, PreFilterPlugin, ScorePlugin
from scheduler.framework.podinfo import DEFAULT_SCHEDULER, PodInfo
from scheduler.plugins import PLUGINS
from scheduler.plugins.default_preemption import DefaultPreemption

Obj = dict[str, Any]
EXTENDER = "Extender"


@dataclass(frozen=True)
class Profile:
    """One scheduler name's plugins. `preemption` None: none is tried; `gates`: pods with scheduling gates wait."""

    name: str
    preenqueues: Sequence[PreEnqueuePlugin]
    prefilters: Sequence[PreFilterPlugin]
    filters: Sequence[FilterPlugin]
    scores: Sequence[tuple[ScorePlugin, int]]
    hints: Mapping[str, Hints]
    preemption: DefaultPreemption | None
    gates: bool = True
    claims_first: bool = True
    """DynamicResources has its say after a failure, before preemption."""
    extenders: Sequence[Any] = field(default=())

    def concerns(self, change: Change, pod: PodInfo, rejected_by: frozenset[str]) -> bool:
        """Whether a change may help a pod that these plugins refused; a pod that none refused is always helped."""
        if not rejected_by or EXTENDER in rejected_by:
            return True
        for name in rejected_by:
            hints = self.hints.get(name, {})
            for kind in change.kinds:
                hint = hints.get(kind)
                if hint is not None and hint(pod, change.old, change.new):
                    return True
        return False


POINTS = ("preEnqueue", "preFilter", "filter", "postFilter", "score")
"""The extension points that a configuration can change here; the others are accepted and mean nothing."""


def build(name: str = DEFAULT_SCHEDULER, plugins: Obj | None = None, args: Mapping[str, Obj] | None = None) -> Profile:
    """A profile of the default plugins as changed by a configuration's `plugins`, with each plugin's arguments.

    Raises ValueError for a plugin that does not exist, or arguments that mean nothing.
    """
    plugins, args = plugins or {}, args or {}
    everywhere = _merge({n: weight for n, (_, weight) in PLUGINS.items()}, plugins.get("multiPoint") or {})
    at = {point: _merge(everywhere, plugins.get(point) or {}) for point in POINTS}
    used = {n for enabled in at.values() for n in enabled}
    made: dict[str, Any] = {}
    for n in used:
        if n not in PLUGINS:
            raise ValueError(f'plugin "{n}" does not exist')
        try:
            made[n] = PLUGINS[n][0](args.get(n) or {})
        except (TypeError, KeyError) as e:
            raise ValueError(f"initializing plugin {n!r}: {e}") from e
    scores = [(made[n], weight or 1) for n, weight in at["score"].items() if isinstance(made[n], ScorePlugin)]
    return Profile(
        name=name,
        preenqueues=[made[n] for n in at["preEnqueue"] if isinstance(made[n], PreEnqueuePlugin)],
        prefilters=[made[n] for n in at["preFilter"] if isinstance(made[n], PreFilterPlugin)],
        filters=[made[n] for n in at["filter"] if isinstance(made[n], FilterPlugin)],
        scores=scores,
        hints={n: _with_taints(made[n].hints) for n in used},
        preemption=made["DefaultPreemption"] if "DefaultPreemption" in at["postFilter"] else None,
        gates="SchedulingGates" in at["preEnqueue"],
        claims_first="DynamicResources" in at["postFilter"],
    )


def _with_taints(hints: Hints) -> Hints:
    """Whoever waits for new nodes also waits for changes of taints, whatever they are (upstream's buildQueueingHintMap).

    Pods are tried again more often than they need be; what they say of the nodes is then never older than the taints.
    """
    if changes.NODE_ADD not in hints or changes.NODE_TAINT in hints:
        return hints
    return {**hints, changes.NODE_TAINT: lambda pod, old, new: True}


def _merge(base: Mapping[str, int], change: Obj) -> dict[str, int]:
    """Upstream's mergePluginSet: disabled ones go (`*`: all), enabled ones keep their place or come last; value: the weight."""
    disabled = {p["name"] for p in change.get("disabled") or ()}
    enabled = {p["name"]: int(p.get("weight") or 0) for p in change.get("enabled") or ()}
    out = {} if "*" in disabled else {n: enabled.get(n) or weight for n, weight in base.items() if n not in disabled}
    for n, weight in enabled.items():
        if n not in out:
            out[n] = weight or (PLUGINS[n][1] if n in PLUGINS else 0)
    return out
