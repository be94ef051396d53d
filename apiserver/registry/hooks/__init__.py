"""What kinds do beyond their own object when they are written: allocation of addresses and ports, release, cascades."""

from __future__ import annotations

from collections.abc import Mapping

from apiserver.context import Lister
from apiserver.options import Options
from apiserver.registry.store import Registry
from apiserver.registry.strategy import Hooks


def built_in_hooks(options: Options, registry: Registry, lister: Lister) -> Mapping[tuple[str, str], Hooks]:
    """(group, plural) → hooks."""
    return {}
