"""Matching of RBAC policy rules (rbac/v1 evaluation_helpers.go). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Rule = dict[str, Any]


def verb_matches(rule: Rule, verb: str) -> bool:
    """Whether the rule names the verb or all verbs."""
    verbs = rule.get("verbs") or ()
    return "*" in verbs or verb in verbs


def group_matches(rule: Rule, group: str) -> bool:
    """Whether the rule names the API group or all groups."""
    groups = rule.get("apiGroups") or ()
    return "*" in groups or group in groups


def resource_matches(rule: Rule, resource: str, subresource: str) -> bool:
    """Whether the rule names `resource/subresource`, everything, or `*/subresource`."""
    resources = rule.get("resources") or ()
    combined = f"{resource}/{subresource}" if subresource else resource
    return "*" in resources or combined in resources or (bool(subresource) and f"*/{subresource}" in resources)


def url_matches(rule: Rule, path: str) -> bool:
    """Whether the rule names the path, or a prefix of it with a star."""
    return any(url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*"))) for url in rule.get("nonResourceURLs") or ())


def covers(owner: Sequence[Rule], servant: Sequence[Rule]) -> list[Rule]:
    """The parts of `servant`, broken down to single permissions, that `owner` does not cover (component-helpers policy_comparator)."""
    return [single for rule in servant for single in break_down(rule) if not any(_covers_one(o, single) for o in owner)]


def break_down(rule: Rule) -> list[Rule]:
    """Single permissions of a rule: one verb, one group, one resource, at most one name, or one verb and one URL."""
    out: list[Rule] = []
    names = rule.get("resourceNames") or []
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in rule.get("verbs") or ():
                single: Rule = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                if names:
                    out.extend({**single, "resourceNames": [name]} for name in names)
                else:
                    out.append(single)
    out.extend({"nonResourceURLs": [url], "verbs": [verb]} for url in rule.get("nonResourceURLs") or () for verb in rule.get("verbs") or ())
    return out


def _covers_one(owner: Rule, single: Rule) -> bool:
    if not verb_matches(owner, single["verbs"][0]):
        return False
    if "nonResourceURLs" in single:
        return _url_covered(owner, single["nonResourceURLs"][0])
    if not group_matches(owner, single["apiGroups"][0]) or not _resource_covered(owner, single["resources"][0]):
        return False
    names = owner.get("resourceNames")
    if not names:
        return True
    return bool(single.get("resourceNames")) and single["resourceNames"][0] in names


def _resource_covered(owner: Rule, resource: str) -> bool:
    resources = owner.get("resources") or ()
    if "*" in resources or resource in resources:
        return True
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"*/{subresource}" in resources


def _url_covered(owner: Rule, wanted: str) -> bool:
    return any(
        url in ("*", wanted) or (url.endswith("*") and wanted.rstrip("*").startswith(url.rstrip("*")))
        for url in owner.get("nonResourceURLs") or ()
    )
