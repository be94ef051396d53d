"""Node and pod affinity, node selectors, tolerations, taints' effects and topology spread.

Upstream: validateAffinity, ValidateNodeSelector, ValidateTolerations, validateTopologySpreadConstraints.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors, label_name, label_selector, named
from apiserver.registry.strategies.podspec.options import Options
from kubepy.api import names
from kubepy.api.errors import duplicate, forbidden_field, invalid, not_supported, required

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NOT_AN_OPERATOR = "not a valid selector operator"
_WEIGHT = "must be in the range 1-100"
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def affinity(out: Errors, value: Obj, path: str, options: Options) -> None:
    """spec.affinity."""
    if node := value.get("nodeAffinity"):
        at = f"{path}.nodeAffinity"
        if (selector := node.get(_REQUIRED)) is not None:
            node_selector(out, selector, f"{at}.{_REQUIRED}", options.any_required_affinity_value)
        for i, term in enumerate(node.get(_PREFERRED) or ()):
            here = f"{at}.{_PREFERRED}[{i}]"
            _weight(out, term, here)
            node_selector_term(out, term.get("preference") or {}, f"{here}.preference", True)
    for kind in ("podAffinity", "podAntiAffinity"):
        if side := value.get(kind):
            at = f"{path}.{kind}"
            for i, term in enumerate(side.get(_REQUIRED) or ()):
                _pod_term(out, term, f"{at}.{_REQUIRED}[{i}]", options)
            for i, weighted in enumerate(side.get(_PREFERRED) or ()):
                here = f"{at}.{_PREFERRED}[{i}]"
                _weight(out, weighted, here)
                _pod_term(out, weighted.get("podAffinityTerm") or {}, f"{here}.podAffinityTerm", options)


def _weight(out: Errors, term: Obj, path: str) -> None:
    weight = term.get("weight") or 0
    if not 1 <= weight <= 100:
        out.append(invalid(f"{path}.weight", weight, _WEIGHT))


def node_selector(out: Errors, selector: Obj, path: str, any_value: bool = False) -> None:
    """A v1.NodeSelector: terms, one of which must match."""
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        out.append(required(f"{path}.nodeSelectorTerms", "must have at least one node selector term"))
    for i, term in enumerate(terms):
        node_selector_term(out, term, f"{path}.nodeSelectorTerms[{i}]", any_value)


def node_selector_term(out: Errors, term: Obj, path: str, any_value: bool) -> None:
    """matchExpressions and matchFields of one term."""
    for i, req in enumerate(term.get("matchExpressions") or ()):
        _requirement(out, req, f"{path}.matchExpressions[{i}]", any_value)
    for i, req in enumerate(term.get("matchFields") or ()):
        _field_requirement(out, req, f"{path}.matchFields[{i}]")


def _requirement(out: Errors, req: Obj, path: str, any_value: bool) -> None:
    operator, values = req.get("operator") or "", req.get("values") or ()
    if operator in ("In", "NotIn"):
        if not values:
            out.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            out.append(forbidden_field(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            out.append(required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'"))
    else:
        out.append(invalid(f"{path}.operator", operator, _NOT_AN_OPERATOR))
    label_name(out, req.get("key") or "", f"{path}.key")
    if not any_value:
        for i, v in enumerate(values):
            for m in names.label_value(v):
                out.append(invalid(f"{path}.values[{i}]", v, m))


def _field_requirement(out: Errors, req: Obj, path: str) -> None:
    operator, values, key = req.get("operator") or "", req.get("values") or (), req.get("key") or ""
    if operator in ("In", "NotIn"):
        if len(values) != 1:
            out.append(required(f"{path}.values", "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"))
    else:
        out.append(invalid(f"{path}.operator", operator, _NOT_AN_OPERATOR))
    if key != "metadata.name":
        out.append(invalid(f"{path}.key", key, "not a valid field selector key"))
        return
    for i, v in enumerate(values):
        named(out, v, f"{path}.values[{i}]", names.dns1123_subdomain)


def _pod_term(out: Errors, term: Obj, path: str, options: Options) -> None:
    selector = term.get("labelSelector")
    label_selector(out, selector, f"{path}.labelSelector", options.any_selector_value)
    label_selector(out, term.get("namespaceSelector"), f"{path}.namespaceSelector", options.any_selector_value)
    for name in term.get("namespaces") or ():
        named(out, name, f"{path}.namespace", names.dns1123_label)
    match, mismatch = term.get("matchLabelKeys") or (), term.get("mismatchLabelKeys") or ()
    if match or mismatch:
        _label_keys(out, match, mismatch, selector, path)
    key = term.get("topologyKey") or ""
    if not key:
        out.append(required(f"{path}.topologyKey", "can not be empty"))
    label_name(out, key, f"{path}.topologyKey")


def _label_keys(out: Errors, match: Sequence[str], mismatch: Sequence[str], selector: Obj | None, path: str) -> None:
    for field, keys in (("matchLabelKeys", match), ("mismatchLabelKeys", mismatch)):
        if keys and selector is None:
            out.append(forbidden_field(f"{path}.{field}", "must not be specified when labelSelector is not set"))
        elif keys:
            for i, key in enumerate(keys):
                label_name(out, key, f"{path}.{field}[{i}]")
    if selector is not None:
        index = {key: i for i, key in enumerate(match)}
        seen = set(selector.get("matchLabels") or ())
        for expression in selector.get("matchExpressions") or ():
            key = expression.get("key") or ""
            if key in index and key in seen:
                out.append(invalid(f"{path}[{index[key]}]", key, "exists in both matchLabelKeys and labelSelector"))
            seen.add(key)
    for i, key in enumerate(match):
        if key in mismatch:
            out.append(invalid(f"{path}.matchLabelKeys[{i}]", key, "exists in both matchLabelKeys and mismatchLabelKeys"))


def taint_effect(out: Errors, effect: str, path: str) -> None:
    """An effect that is not empty."""
    if not effect:
        out.append(required(path))
    elif effect not in TAINT_EFFECTS:
        out.append(not_supported(path, effect, TAINT_EFFECTS))


def tolerations(out: Errors, values: Sequence[Obj], path: str) -> None:
    """spec.tolerations."""
    for i, t in enumerate(values):
        key, operator, value, effect = t.get("key"), t.get("operator") or "", t.get("value") or "", t.get("effect") or ""
        if key:
            for m in names.qualified_name(key):
                out.append(invalid(f"{path}[{i}].key", key, m))
        elif operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            out.append(invalid(f"{path}[{i}].operator", operator, text))
        if t.get("tolerationSeconds") is not None and effect != "NoExecute":
            out.append(invalid(f"{path}[{i}].effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
        if operator in ("Equal", ""):
            if problems := names.label_value(value):
                out.append(invalid(f"{path}[{i}].operator", value, ";".join(problems)))
        elif operator == "Exists":
            if value:
                out.append(invalid(f"{path}[{i}].operator", value, "value must be empty when `operator` is 'Exists'"))
        else:
            # The comparing operators are named once one is tried, though their gate is off.
            known = ("Equal", "Exists", "Lt", "Gt") if operator in ("Lt", "Gt") else ("Equal", "Exists")
            out.append(not_supported(f"{path}[{i}].operator", operator, known))
        if effect and effect not in TAINT_EFFECTS:
            out.append(not_supported(f"{path}[{i}].effect", effect, TAINT_EFFECTS))


def topology_spread(out: Errors, constraints: Sequence[Obj], path: str, options: Options) -> None:
    """spec.topologySpreadConstraints."""
    for i, c in enumerate(constraints):
        at = f"{path}[{i}]"
        skew, key, action = c.get("maxSkew") or 0, c.get("topologyKey") or "", c.get("whenUnsatisfiable") or ""
        if skew <= 0:
            out.append(invalid(f"{at}.maxSkew", skew, "must be greater than zero"))
        if not key:
            out.append(required(f"{at}.topologyKey", "can not be empty"))
        if action not in ("DoNotSchedule", "ScheduleAnyway"):
            out.append(not_supported(f"{at}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway")))
        if any((o.get("topologyKey") or "", o.get("whenUnsatisfiable") or "") == (key, action) for o in constraints[i + 1 :]):
            out.append(duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}"))
        if (domains := c.get("minDomains")) is not None:
            if domains <= 0:
                out.append(invalid(f"{at}.minDomains", domains, "must be greater than zero"))
            if action != "DoNotSchedule":
                text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                out.append(invalid(f"{at}.minDomains", domains, text))
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            policy = c.get(field)
            if policy is not None and policy not in ("Honor", "Ignore"):
                out.append(not_supported(f"{at}.{field}", policy, ("Honor", "Ignore")))
        selector = c.get("labelSelector")
        if keys := c.get("matchLabelKeys"):
            if options.old_spread_keys:
                _spread_keys(out, keys, selector, f"{at}.matchLabelKeys")
            else:
                _label_keys(out, keys, (), selector, at)
        if not options.any_spread_selector:
            label_selector(out, selector, f"{at}.labelSelector")


def spread_keys_wrong(constraints: Sequence[Obj]) -> bool:
    """Stored constraints that break today's rule for matchLabelKeys, so that the older rule judges their updates."""
    out: Errors = []
    for c in constraints:
        _label_keys(out, c.get("matchLabelKeys") or (), (), c.get("labelSelector"), "")
    return bool(out)


def _spread_keys(out: Errors, keys: Sequence[str], selector: Obj | None, path: str) -> None:
    used: set[str] = set()
    if selector is None:
        out.append(forbidden_field(path, "must not be specified when labelSelector is not set"))
    else:
        used = set(selector.get("matchLabels") or ()) | {e.get("key", "") for e in selector.get("matchExpressions") or ()}
    for i, key in enumerate(keys):
        label_name(out, key, f"{path}[{i}]")
        if key in used:
            out.append(invalid(f"{path}[{i}]", key, "exists in both matchLabelKeys and labelSelector"))
