"""Label selectors as upstream prints them in events and conditions (the generated String of metav1.LabelSelector). Pure."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]


def go_selector(selector: Obj | None) -> str:
    """The text of a selector; `nil` for none."""
    if selector is None:
        return "nil"
    labels = "".join(f"{k}: {v}," for k, v in sorted((selector.get("matchLabels") or {}).items()))
    rules = "".join(
        f"LabelSelectorRequirement{{Key:{r['key']},Operator:{r['operator']},Values:[{' '.join(r.get('values') or ())}],}},"
        for r in selector.get("matchExpressions") or ()
    )
    return f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{rules}}},}}"
