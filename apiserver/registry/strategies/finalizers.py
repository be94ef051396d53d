"""The rule of the built-in kinds for metadata.finalizers: qualified names, or one of the few short ones of old.

Upstream: validateKubeFinalizerName in pkg/apis/core/validation, called by that package's ValidateObjectMeta.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors
from apiserver.registry.strategy import Strategy, Validate, ValidateUpdate
from kubepy.api.errors import invalid

STANDARD = ("kubernetes", "orphan", "foregroundDeletion")


def _unqualified(obj: Obj) -> Errors:
    return [
        invalid(f"metadata.finalizers[{i}]", f, "name is neither a standard finalizer name nor is it fully qualified")
        for i, f in enumerate(obj["metadata"].get("finalizers") or ())
        if "/" not in f and f not in STANDARD
    ]


def _create(validate: Validate) -> Validate:
    def check(new: Obj) -> Errors:
        found = validate(new)
        return _unqualified(new) + found if new["metadata"].get("finalizers") else found

    return check


def _update(validate: ValidateUpdate, times: int) -> ValidateUpdate:
    def check(new: Obj, old: Obj) -> Errors:
        found = validate(new, old)
        return _unqualified(new) * times + found if new["metadata"].get("finalizers") else found

    return check


def checked_finalizers(strategy: Strategy) -> Strategy:
    """The strategy, which also looks at finalizers on every write, as often as at the rest of metadata."""
    changes: dict[str, object] = {
        "validate": _create(strategy.validate),
        "validate_update": _update(strategy.validate_update, sum(strategy.metadata_checks)),
    }
    if strategy.status_validate_update is not None:
        changes["status_validate_update"] = _update(strategy.status_validate_update, sum(strategy.status_checks))
    changes["subresources"] = {
        name: s.with_(validate_update=_update(s.validate_update, sum(s.metadata_checks))) for name, s in strategy.subresources.items()
    }
    return strategy.with_(**changes)
