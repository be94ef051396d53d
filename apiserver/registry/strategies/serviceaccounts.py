"""ServiceAccounts: nothing to validate, references that are cut down to names, one annotation to warn about.

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


def _clean(obj: Obj) -> None:
    """References to secrets are names alone."""
    for secret in obj.get("secrets") or ():
        for key in [k for k in secret if k != "name"]:
            del secret[key]


STRATEGY = Strategy(prepare=_clean, prepare_update=lambda new, _old: _clean(new), warnings=_warnings, has_generation=False)
