"""ServiceAccounts: nothing to validate, one annotation to warn about.

Upstream: pkg/registry/core/serviceaccount/strategy.go.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategy import Strategy

_ENFORCE = "kubernetes.io/enforce-mountable-secrets"


def _notes(obj: Obj | None) -> dict[str, str]:
    return (obj or {"metadata": {}})["metadata"].get("annotations") or {}


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    value = _notes(new).get(_ENFORCE)
    if value is None or (old is not None and value == _notes(old).get(_ENFORCE)):
        return []
    text = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
    return [f"metadata.annotations[{_ENFORCE}]: {text}"]


STRATEGY = Strategy(warnings=_warnings, has_generation=False)
