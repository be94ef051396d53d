"""FlowSchemas and PriorityLevelConfigurations.

Upstream: pkg/apis/flowcontrol/validation, apiserver pkg/apis/flowcontrol/bootstrap/default.go.
"""

from __future__ import annotations

import math

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors, named
from apiserver.registry.strategies.common import both, checked, with_status
from kubepy.api import names
from kubepy.api.errors import duplicate, forbidden_field, invalid, not_supported, required

_NATURAL = "must be a non-negative integer"
_METHODS = ("ByNamespace", "ByUser")
_KINDS = ("Group", "ServiceAccount", "User")
_SUBJECT_FIELDS = {"User": "user", "Group": "group", "ServiceAccount": "serviceAccount"}
_EVERYTHING_URLS = {"verbs": ["*"], "nonResourceURLs": ["*"]}
_EVERYTHING = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}


_VERBS = frozenset(("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"))
_HASH_BITS = 60
"""Bits of a request's hash that choose its hand of queues (shuffle sharding)."""


def _groups(*which: str) -> list[Obj]:
    return [{"kind": "Group", "group": {"name": name}} for name in which]


_MANDATORY: dict[str, Obj] = {
    "exempt": {
        "priorityLevelConfiguration": {"name": "exempt"},
        "matchingPrecedence": 1,
        "rules": [{"subjects": _groups("system:masters"), "resourceRules": [_EVERYTHING], "nonResourceRules": [_EVERYTHING_URLS]}],
    },
    "catch-all": {
        "priorityLevelConfiguration": {"name": "catch-all"},
        "matchingPrecedence": 10000,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [
            {
                "subjects": _groups("system:unauthenticated", "system:authenticated"),
                "resourceRules": [_EVERYTHING],
                "nonResourceRules": [_EVERYTHING_URLS],
            }
        ],
    },
}


def _schema(out: Errors, new: Obj, _old: Obj | None) -> None:
    spec, name = new.get("spec") or {}, new["metadata"].get("name", "")
    if name in _MANDATORY and spec != _MANDATORY[name]:
        shown = goform.of("FlowSchemaSpec", spec)
        out.append(invalid("spec", shown, f"spec of '{name}' must equal the fixed value"))
    precedence = spec.get("matchingPrecedence", 0)
    if precedence <= 0:
        out.append(invalid("spec.matchingPrecedence", precedence, "must be a positive value"))
    if precedence > 10000:
        out.append(invalid("spec.matchingPrecedence", precedence, "must not be greater than 10000"))
    if precedence == 1 and name != "exempt":
        text = "only the schema named 'exempt' may have matchingPrecedence 1"
        out.append(invalid("spec.matchingPrecedence", precedence, text))
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in _METHODS:
        shown = goform.of("FlowDistinguisherMethod", method)
        out.append(not_supported("spec.distinguisherMethod.type", shown, _METHODS))
    level = (spec.get("priorityLevelConfiguration") or {}).get("name", "")
    if not level:
        out.append(required("spec.priorityLevelConfiguration.name", "must reference a priority level"))
    else:
        named(out, level, "spec.priorityLevelConfiguration.name", names.dns1123_subdomain)
    for i, rule in enumerate(spec.get("rules") or ()):
        _rules(out, rule, f"spec.rules[{i}]")
    _conditions(out, new)


def _conditions(out: Errors, new: Obj) -> None:
    seen = set()
    for i, c in enumerate((new.get("status") or {}).get("conditions") or ()):
        at, kind = f"status.conditions[{i}]", c.get("type", "")
        if kind in seen:
            out.append(duplicate(f"{at}.type", kind))
        seen.add(kind)
        if not kind:
            out.append(required(f"{at}.type"))


def _rules(out: Errors, rule: Obj, path: str) -> None:
    subjects = rule.get("subjects") or []
    if not subjects:
        out.append(required(f"{path}.subjects", "subjects must contain at least one value"))
    for i, subject in enumerate(subjects):
        _subject(out, subject, f"{path}.subjects[{i}]")
    found, urls = rule.get("resourceRules") or [], rule.get("nonResourceRules") or []
    if not found and not urls:
        out.append(required(path, "at least one of resourceRules and nonResourceRules has to be non-empty"))
    for i, r in enumerate(found):
        _resource_rule(out, r, f"{path}.resourceRules[{i}]")
    for i, r in enumerate(urls):
        _url_rule(out, r, f"{path}.nonResourceRules[{i}]")


def _subject(out: Errors, subject: Obj, path: str) -> None:
    kind = subject.get("kind", "")
    if kind not in _KINDS:
        out.append(not_supported(f"{path}.kind", kind, _KINDS))
        return
    wanted = _SUBJECT_FIELDS[kind]
    for other in _SUBJECT_FIELDS.values():
        if other != wanted and subject.get(other) is not None:
            out.append(forbidden_field(f"{path}.{other}", f"{other} is forbidden when subject kind is not '{_kind_of(other)}'"))
    found = subject.get(wanted)
    at = f"{path}.{wanted}"
    if found is None:
        out.append(required(at, f"{wanted} is required when subject kind is '{kind}'"))
        return
    if not found.get("name"):
        out.append(required(f"{at}.name"))
    elif kind == "ServiceAccount" and found["name"] != "*":
        named(out, found["name"], f"{at}.name", names.dns1123_subdomain)
    if kind == "ServiceAccount":
        if not found.get("namespace"):
            out.append(required(f"{at}.namespace", "must specify namespace for service account"))
        else:
            named(out, found["namespace"], f"{at}.namespace", names.dns1123_label)


def _kind_of(field: str) -> str:
    return next(kind for kind, name in _SUBJECT_FIELDS.items() if name == field)


def _star(out: Errors, values: list[str], path: str, what: str) -> None:
    if len(values) > 1 and "*" in values:
        out.append(invalid(path, values, f"if '*' is present, must not specify other {what}"))


def _verbs(out: Errors, rule: Obj, path: str) -> None:
    verbs = rule.get("verbs") or []
    at = f"{path}.verbs"
    if not verbs:
        out.append(required(at, "verbs must contain at least one value"))
    elif "*" in verbs:
        _star(out, verbs, at, "verbs")
    elif not _VERBS.issuperset(verbs):
        out.append(not_supported(at, verbs, sorted(_VERBS)))


def _resource_rule(out: Errors, rule: Obj, path: str) -> None:
    _verbs(out, rule, path)
    for key, one, many in (("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")):
        values = rule.get(key) or []
        if not values:
            out.append(required(f"{path}.{key}", f"resource rules must supply at least one {one}"))
        _star(out, values, f"{path}.{key}", many)
    namespaces = rule.get("namespaces") or []
    if not namespaces and not rule.get("clusterScope"):
        out.append(required(f"{path}.namespaces", "resource rules that are not cluster scoped must supply at least one namespace"))
    elif "*" in namespaces:
        _star(out, namespaces, f"{path}.namespaces", "namespaces")
    else:
        for i, namespace in enumerate(namespaces):
            intro = "each member of this list must be '*' or a DNS-1123 label; "
            out.extend(invalid(f"{path}.namespaces[{i}]", namespace, intro + m) for m in names.dns1123_label(namespace))


def _url_rule(out: Errors, rule: Obj, path: str) -> None:
    _verbs(out, rule, path)
    urls = rule.get("nonResourceURLs") or []
    at = f"{path}.nonResourceURLs"
    if not urls:
        out.append(required(at, "nonResourceURLs must contain at least one value"))
    elif len(urls) > 1 and "*" in urls:
        out.append(invalid(at, urls, "if '*' is present, must not specify other non-resource URLs"))
    else:
        for i, url in enumerate(urls):
            _url(out, url, f"{at}[{i}]")


def _url(out: Errors, url: str, path: str) -> None:
    if not url:
        out.append(invalid(path, url, "must not be empty"))
    elif url in ("/", "*"):
        return
    elif not url.startswith("/"):
        out.append(invalid(path, url, "must start with slash"))
    elif " " in url:
        out.append(invalid(path, url, "must not contain white-space"))
    elif "//" in url:
        out.append(invalid(path, url, "must not contain double slash"))
    elif url.count("*") > 1 or ("*" in url and not url.endswith("/*")):
        out.append(invalid(path, url, "wildcard can only do suffix matching"))


def _level(out: Errors, new: Obj, _old: Obj | None) -> None:
    spec, name = new.get("spec") or {}, new["metadata"].get("name", "")
    kind = spec.get("type", "")
    exempt, limited = spec.get("exempt"), spec.get("limited")
    if (name == "exempt") != (kind == "Exempt"):
        text = "must be 'Exempt' if and only if `name` is 'exempt'"
        out.append(invalid("spec.type", kind, text))
    if kind == "Exempt":
        if limited is not None:
            out.append(forbidden_field("spec.limited", "must be nil if the type is not Limited"))
        if exempt is not None:
            _shares(out, exempt, "spec.exempt")
    elif kind == "Limited":
        if exempt is not None:
            out.append(forbidden_field("spec.exempt", "must be nil if the type is Limited"))
        if limited is None:
            out.append(required("spec.limited", "must not be empty when type is Limited"))
        else:
            _limited(out, limited)
    else:
        out.append(not_supported("spec.type", kind, ("Exempt", "Limited")))
    _conditions(out, new)


def _shares(out: Errors, found: Obj, path: str) -> None:
    if (shares := found.get("nominalConcurrencyShares")) is not None and shares < 0:
        out.append(invalid(f"{path}.nominalConcurrencyShares", shares, _NATURAL))
    _lendable(out, found, path)


def _lendable(out: Errors, found: Obj, path: str) -> None:
    if (percent := found.get("lendablePercent")) is not None and not 0 <= percent <= 100:
        out.append(invalid(f"{path}.lendablePercent", percent, "must be between 0 and 100, inclusive"))


def _limited(out: Errors, limited: Obj) -> None:
    if (shares := limited.get("nominalConcurrencyShares")) is not None and shares < 0:
        out.append(invalid("spec.limited.nominalConcurrencyShares", shares, _NATURAL))
    _response(out, limited.get("limitResponse") or {}, "spec.limited.limitResponse")
    _lendable(out, limited, "spec.limited")
    if (percent := limited.get("borrowingLimitPercent")) is not None and percent < 0:
        out.append(invalid("spec.limited.borrowingLimitPercent", percent, "if specified, must be a non-negative integer"))


def _response(out: Errors, response: Obj, at: str) -> None:
    kind, queuing = response.get("type", ""), response.get("queuing")
    if kind == "Reject":
        if queuing is not None:
            out.append(forbidden_field(f"{at}.queuing", "must be nil if limited.limitResponse.type is not Limited"))
    elif kind == "Queue":
        if queuing is None:
            out.append(required(f"{at}.queuing", "must not be empty if limited.limitResponse.type is Limited"))
        else:
            _queuing(out, queuing, f"{at}.queuing")
    else:
        out.append(not_supported(f"{at}.type", kind, ("Queue", "Reject")))


def _queuing(out: Errors, queuing: Obj, path: str) -> None:
    limit, queues, hand = queuing.get("queueLengthLimit", 0), queuing.get("queues", 0), queuing.get("handSize", 0)
    if limit <= 0:
        out.append(invalid(f"{path}.queueLengthLimit", limit, "must be positive"))
    if queues <= 0:
        out.append(invalid(f"{path}.queues", queues, "must be positive"))
    elif queues > 10_000_000:
        out.append(invalid(f"{path}.queues", queues, "must not be greater than 10000000"))
    if hand <= 0:
        out.append(invalid(f"{path}.handSize", hand, "must be positive"))
    elif hand > queues:
        text = f"should not be greater than queues ({queues})"
        out.append(invalid(f"{path}.handSize", hand, text))
    elif math.ceil(math.log2(queues) * hand) > _HASH_BITS:
        text = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {_HASH_BITS}"
        out.append(invalid(f"{path}.handSize", hand, text))


def _status(out: Errors, new: Obj, _old: Obj) -> None:
    _conditions(out, new)


SCHEMA = with_status(status_prepare_update=None, status_checks=(0, 0), status_validate_update=checked(_status), **both(_schema))
LEVEL = with_status(status_prepare_update=None, status_checks=(0, 0), status_validate_update=checked(_status), **both(_level))
