"""Taints and tolerations: the one rule of which bears which (component-helpers scheduling/corev1). Pure."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]


def tolerates(toleration: Obj, taint: Obj) -> bool:
    """Whether one toleration covers one taint (component-helpers ToleratesTaint)."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    value, own = toleration.get("value", ""), taint.get("value", "")
    if operator == "Equal":
        return bool(toleration.get("key")) and value == own
    if operator in ("Lt", "Gt"):
        try:
            return int(own) < int(value) if operator == "Lt" else int(own) > int(value)
        except ValueError:
            return False
    return False
