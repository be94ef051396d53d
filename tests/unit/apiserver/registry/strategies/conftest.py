"""Objects through a strategy, as the registry does it: decode, default, prepare, validate, warn."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from apiserver.registry.strategies import STRATEGIES
from kubepy.api import kinds
from kubepy.api.schema import decoder_for, node_for

Obj = dict[str, Any]


@dataclass
class Outcome:
    """What a write came to."""

    obj: Obj
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def _decode(obj: Obj) -> tuple[Obj, Any]:
    r = next(r for r in kinds.RESOURCES if r.api_version == obj["apiVersion"] and r.kind == obj["kind"])
    decoded: Obj = decoder_for(node_for(r.api_version, r.kind)).decode(copy.deepcopy(obj)).obj
    meta = decoded.setdefault("metadata", {})
    meta.setdefault("name", "x")
    if r.namespaced:
        meta.setdefault("namespace", "ns")
    strategy = STRATEGIES[(r.group, r.plural)]
    strategy.default(decoded)
    return decoded, strategy


@pytest.fixture
def create() -> Callable[[Obj], Outcome]:
    """Create an object."""

    def run(obj: Obj) -> Outcome:
        decoded, strategy = _decode(obj)
        decoded["metadata"].setdefault("uid", "uid-1")
        strategy.prepare(decoded)
        errors = [str(e) for e in strategy.validate(decoded)]
        warnings = [] if errors else strategy.warnings(decoded, None)
        strategy.canonicalize(decoded)
        return Outcome(decoded, errors, warnings)

    return run


@pytest.fixture
def update() -> Callable[[Obj, Obj], Outcome]:
    """Replace the first (stored) object with the second, through the main endpoint or a subresource."""

    def run(old: Obj, new: Obj, subresource: str = "") -> Outcome:
        stored, strategy = _decode(old)
        decoded, _ = _decode(new)
        if subresource == "status":
            strategy.status_prepare_update(decoded, stored)
            return Outcome(decoded, [str(e) for e in strategy.status_validate_update(decoded, stored)])
        endpoint = strategy.subresources.get(subresource, strategy)
        endpoint.prepare_update(decoded, stored)
        return Outcome(decoded, [str(e) for e in endpoint.validate_update(decoded, stored)])

    return run
