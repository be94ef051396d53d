"""The built-in kinds as `Served` values: the table of resources joined with their strategies and conversions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from apiserver.registry.catalog import Served
from apiserver.registry.conversion import CONVERSIONS
from apiserver.registry.strategy import DEFAULT, Hooks, Strategy
from kubepy.api.kinds import RESOURCES, Resource
from kubepy.api.schema import Node, node_for

_DEPRECATED = {
    ("", "v1", "endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ("", "v1", "componentstatuses"): "v1 ComponentStatus is deprecated in v1.19+",
}
"""Warnings that every request for these gets (the prerelease lifecycle of API versions)."""


def built_in(strategies: Mapping[tuple[str, str], Strategy], hooks: Mapping[tuple[str, str], Hooks]) -> Iterator[Served]:
    """One value per built-in resource. `hooks` are added to the strategies of their kinds."""
    hubs: dict[str, Served] = {}
    for r in sorted(RESOURCES, key=lambda r: not _is_hub(r)):
        key = (r.storage_group if r.storage_group is not None else r.group, r.plural)
        strategy = strategies.get(key) or strategies.get((r.group, r.plural)) or DEFAULT
        if (hook := hooks.get(key)) is not None:
            parts = {name: part.with_(hooks=hook) for name, part in strategy.subresources.items()}
            strategy = strategy.with_(hooks=hook, subresources=parts)
        node: Callable[[], Node] = partial(node_for, r.api_version, r.kind)
        if _is_hub(r):
            hubs[r.storage_prefix] = served = Served(r, node, None, strategy, warning=_DEPRECATED.get((r.group, r.version, r.plural), ""))
        else:
            to_hub, from_hub = CONVERSIONS[(r.group, r.version, r.plural)]
            own = strategies.get((r.group, r.plural), DEFAULT) if key[0] != r.group else strategy
            served = Served(r, node, None, own, hub=hubs[r.storage_prefix], to_hub=to_hub, from_hub=from_hub)
        yield served


def _is_hub(r: Resource) -> bool:
    group = r.storage_group if r.storage_group is not None else r.group
    return group == r.group and (r.storage_version or r.version) == r.version
