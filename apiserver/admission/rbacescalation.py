"""RBAC escalation: nobody grants what he does not hold, unless allowed to `escalate` roles or to `bind` them.

Upstream does this in the storage of roles and bindings (pkg/registry/rbac/*/policybased); here it ends the mutating phase, which is
the same moment.
"""

from __future__ import annotations

from typing import Any

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import CREATE, UPDATE, BasePlugin
from apiserver.context import Obj, RequestInfo
from apiserver.middleware.authn.users import MASTERS
from apiserver.middleware.authz.attributes import refuse
from apiserver.middleware.authz.rules import Rule, covers
from kubepy.api.errors import BadRequest, NotFound

_GROUP = "rbac.authorization.k8s.io"
_FULL: list[Rule] = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, {"verbs": ["*"], "nonResourceURLs": ["*"]}]


class RBACEscalation(BasePlugin):
    """Refuses roles and bindings that would give more than their author has."""

    name = "RBACEscalation"
    operations = frozenset((CREATE, UPDATE))
    resources = frozenset((_GROUP, plural) for plural in ("roles", "clusterroles", "rolebindings", "clusterrolebindings"))

    def handles(self, a: Attributes) -> bool:
        """Not for system:masters, and not without an authorizer."""
        return self.tools.authorizer is not None and MASTERS not in a.ctx.user.groups

    async def admit(self, a: Attributes) -> None:
        """Raises Forbidden, NotFound."""
        if a.resource.plural.endswith("bindings"):
            self._check_binding(a)
        else:
            self._check_role(a)

    def _check_role(self, a: Attributes) -> None:
        obj, old = a.obj, a.old
        assert obj is not None
        if old is not None and all((obj.get(k) or None) == (old.get(k) or None) for k in ("rules", "aggregationRule")):
            return
        name = obj["metadata"].get("name", a.name)
        # What is created has no name in the request: leave to escalate certain roles lets nobody create them.
        if self._may(a, "escalate", a.resource.plural, "" if a.operation == CREATE else name):
            return
        self._require(a, name, obj.get("rules") or [])
        if obj.get("aggregationRule") and covers(self._held(a)[0], _FULL):
            raise refuse(_GROUP, a.resource.plural, name, "must have cluster-admin privileges to use the aggregationRule")

    def _check_binding(self, a: Attributes) -> None:
        obj, old = a.obj, a.old
        assert obj is not None
        if old is not None and all((obj.get(k) or None) == (old.get(k) or None) for k in ("subjects", "roleRef")):
            return
        ref = obj.get("roleRef") or {}
        plural = "clusterroles" if ref.get("kind") == "ClusterRole" else "roles"
        if self._may(a, "bind", plural, ref.get("name", "")):
            return
        rbac = self.tools.authorizer.rbac
        rules: list[Rule] = []
        if rbac is not None:
            if plural == "roles" and not a.namespace:
                raise BadRequest("Namespace parameter required.")
            try:
                rules = rbac.role_rules(ref, a.namespace)
            except KeyError:
                raise NotFound.of(_GROUP, a.resource.plural, ref.get("name", "")) from None
        self._require(a, obj["metadata"].get("name", a.name), rules)

    def _may(self, a: Attributes, verb: str, plural: str, name: str) -> bool:
        info = RequestInfo(True, "", verb, _GROUP, "*", plural, namespace=a.namespace, name=name)
        return bool(self.tools.authorizer.authorize(a.ctx.user, info)[0])

    def _held(self, a: Attributes) -> tuple[list[Rule], list[str]]:
        rbac = self.tools.authorizer.rbac
        if rbac is None:
            return [], []
        held: tuple[list[Rule], list[str]] = rbac.rules_for(a.ctx.user, a.namespace)
        return held

    def _require(self, a: Attributes, name: str, rules: list[Rule]) -> None:
        held, errors = self._held(a)
        missing = covers(held, rules)
        if not missing:
            return
        user = a.ctx.user
        lines = "\n".join(sorted({_compact_text(rule) for rule in _compact(missing)}))
        text = f'user "{user.name}" (groups={_quoted(user.groups)}) is attempting to grant RBAC permissions not currently held:\n{lines}'
        if errors:
            text += f"; resolution errors: [{' '.join(errors)}]"
        raise refuse(_GROUP, a.resource.plural, name, text)


def _compact(rules: list[Rule]) -> list[Rule]:
    """Single permissions with their verbs joined again where all else is equal (rbac validation CompactRules)."""
    out: list[Rule] = []
    joined: dict[tuple[Any, ...], Obj] = {}
    for rule in rules:
        if "nonResourceURLs" in rule:
            out.append(rule)
            continue
        key = (rule["apiGroups"][0], rule["resources"][0], tuple(rule.get("resourceNames") or ()))
        if key in joined:
            joined[key]["verbs"] += [v for v in rule["verbs"] if v not in joined[key]["verbs"]]
        else:
            joined[key] = {**rule, "verbs": list(rule["verbs"])}
    return [*out, *joined.values()]


_FIELDS = ("apiGroups", "resources", "nonResourceURLs", "resourceNames", "verbs")
_TITLES = {"apiGroups": "APIGroups"}


def _compact_text(rule: Rule) -> str:
    parts = [f"{_TITLES.get(f, f[0].upper() + f[1:])}:{_quoted(rule[f])}" for f in _FIELDS if rule.get(f)]
    return "{" + ", ".join(parts) + "}"


def _quoted(values: Any) -> str:
    return "[" + " ".join(f'"{v}"' for v in values) + "]"
