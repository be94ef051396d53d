"""The RBAC authorizer: roles and bindings compiled per user, kept until any of them changes.

Subjects are indexed per generation of each kind; what a user may do is resolved once, and each distinct question once
more (plugin/pkg/auth/authorizer/rbac, pkg/registry/rbac/validation).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.context import Lister, Obj, RequestInfo, User
from apiserver.middleware.authn.users import split_service_account
from apiserver.middleware.authz.rules import Rule, group_matches, resource_matches, url_matches, verb_matches

GROUP = "rbac.authorization.k8s.io"
_KINDS = ("clusterroles", "clusterrolebindings", "roles", "rolebindings")
_QUESTION_LIMIT = 4096
_USER_LIMIT = 4096

Subject = tuple[str, str, str]
"""(kind, namespace of a service account or "", name)."""
Match = tuple[frozenset[str] | None, str]
"""Object names it is limited to (None: all) and the reason to give."""


class _Grants:
    """What one user holds: bindings resolved to rules, in upstream's visiting order, with the answers given so far."""

    __slots__ = ("answers", "cluster", "namespaces")

    def __init__(self, cluster: list[tuple[Rule, str]], errors: list[str]) -> None:
        self.cluster = (cluster, errors)
        self.namespaces: dict[str, tuple[list[tuple[Rule, str]], list[str]]] = {}
        self.answers: dict[tuple[str, ...], tuple[tuple[Match, ...], str]] = {}


class RBAC:
    """Authorizes by the Roles, ClusterRoles and their bindings that the lister shows."""

    def __init__(self, lister: Lister) -> None:
        self._lister = lister
        self._generations: tuple[int, ...] = ()
        self._users: dict[tuple[str, tuple[str, ...]], _Grants] = {}
        self._cluster_bindings: dict[Subject, list[tuple[int, Obj, dict[str, Any]]]] = {}
        self._bindings: dict[str, dict[Subject, list[tuple[int, Obj, dict[str, Any]]]]] = {}

    def authorize(self, user: User, info: RequestInfo) -> tuple[bool, str]:
        """(allowed, reason); the reason of a refusal names roles that bindings refer to in vain."""
        grants = self._grants(user)
        key: tuple[str, ...]
        if info.is_resource:
            key = (info.verb, info.group, info.resource, info.subresource, info.namespace)
        else:
            key = (info.verb, info.path)
        answer = grants.answers.get(key)
        if answer is None:
            if len(grants.answers) >= _QUESTION_LIMIT:
                grants.answers.clear()
            answer = grants.answers[key] = self._answer(user, grants, info)
        matches, refusal = answer
        for names, reason in matches:
            if names is None or info.name in names:
                return True, reason
        return False, refusal

    def rules_for(self, user: User, namespace: str) -> tuple[list[Rule], list[str]]:
        """All rules that hold for `user` in `namespace` ("" for the cluster scope alone), and errors met."""
        grants = self._grants(user)
        rules, errors = grants.cluster
        if not namespace:
            return [r for r, _ in rules], list(errors)
        more, further = self._in_namespace(user, grants, namespace)
        return [r for r, _ in (*rules, *more)], [*errors, *further]

    def role_rules(self, ref: dict[str, Any], namespace: str) -> list[Rule]:
        """The rules of the role that a binding in `namespace` refers to. Raises KeyError with upstream's message."""
        name = ref.get("name", "")
        if ref.get("kind") == "ClusterRole":
            role = self._lister.get(GROUP, "clusterroles", None, name)
        else:
            role = self._lister.get(GROUP, "roles", namespace, name)
        if role is None:
            raise KeyError(f'{ref.get("kind", "").lower()}.{GROUP} "{name}" not found')
        rules: list[Rule] = role.get("rules") or []
        return rules

    def _grants(self, user: User) -> _Grants:
        lister = self._lister
        generations = tuple([lister.generation(GROUP, kind) for kind in _KINDS])
        if generations != self._generations:
            self._index(generations)
        key = (user.name, user.groups)
        grants = self._users.get(key)
        if grants is None:
            if len(self._users) >= _USER_LIMIT:
                self._users.clear()
            grants = self._users[key] = _Grants(*self._resolve(user, self._cluster_bindings, ""))
        return grants

    def _index(self, generations: tuple[int, ...]) -> None:
        old = self._generations
        self._users.clear()
        if not old or old[1] != generations[1]:
            self._cluster_bindings = _by_subject(self._lister.list(GROUP, "clusterrolebindings"), "")
        if not old or old[3] != generations[3]:
            by_namespace: dict[str, list[Obj]] = {}
            for binding in self._lister.list(GROUP, "rolebindings"):
                by_namespace.setdefault(binding["metadata"]["namespace"], []).append(binding)
            self._bindings = {ns: _by_subject(bindings, ns) for ns, bindings in by_namespace.items()}
        self._generations = generations

    def _in_namespace(self, user: User, grants: _Grants, namespace: str) -> tuple[list[tuple[Rule, str]], list[str]]:
        found = grants.namespaces.get(namespace)
        if found is None:
            bindings = self._bindings.get(namespace)
            found = grants.namespaces[namespace] = self._resolve(user, bindings, namespace) if bindings else ([], [])
        return found

    def _resolve(
        self, user: User, bindings: dict[Subject, list[tuple[int, Obj, dict[str, Any]]]], namespace: str
    ) -> tuple[list[tuple[Rule, str]], list[str]]:
        held: dict[int, tuple[int, Obj, dict[str, Any]]] = {}
        for subject in _subjects(user):
            for entry in bindings.get(subject, ()):
                if entry[0] not in held or entry[1]["subjects"].index(entry[2]) < entry[1]["subjects"].index(held[entry[0]][2]):
                    held[entry[0]] = entry
        rules: list[tuple[Rule, str]] = []
        errors: list[str] = []
        for _, binding, subject_obj in sorted(held.values(), key=lambda e: e[0]):
            ref = binding["roleRef"]
            try:
                role = self.role_rules(ref, namespace)
            except KeyError as error:
                errors.append(error.args[0])
                continue
            if role:
                reason = "RBAC: allowed by " + _describe(binding, subject_obj, namespace)
                rules.extend((rule, reason) for rule in role)
        return rules, errors

    def _answer(self, user: User, grants: _Grants, info: RequestInfo) -> tuple[tuple[Match, ...], str]:
        rules, errors = grants.cluster
        more, further = self._in_namespace(user, grants, info.namespace) if info.namespace else ([], [])
        matches: list[Match] = []
        for rule, reason in (*rules, *more):
            if _allows(rule, info):
                names = rule.get("resourceNames") if info.is_resource else None
                matches.append((frozenset(names) if names else None, reason))
                if not names:
                    break
        problems = list(dict.fromkeys((*errors, *further)))
        if not problems:
            return tuple(matches), ""
        return tuple(matches), "RBAC: " + (problems[0] if len(problems) == 1 else "[" + ", ".join(problems) + "]")


def _allows(rule: Rule, info: RequestInfo) -> bool:
    if not verb_matches(rule, info.verb):
        return False
    if info.is_resource:
        return group_matches(rule, info.group) and resource_matches(rule, info.resource, info.subresource)
    return url_matches(rule, info.path)


def _subjects(user: User) -> Iterator[Subject]:
    yield "User", "", user.name
    for group in user.groups:
        yield "Group", "", group
    account = split_service_account(user.name)
    if account is not None:
        yield "ServiceAccount", *account


def _by_subject(bindings: Any, namespace: str) -> dict[Subject, list[tuple[int, Obj, dict[str, Any]]]]:
    out: dict[Subject, list[tuple[int, Obj, dict[str, Any]]]] = {}
    for number, binding in enumerate(bindings):
        for subject in binding.get("subjects") or ():
            kind = subject.get("kind", "")
            home = (subject.get("namespace") or namespace) if kind == "ServiceAccount" else ""
            out.setdefault((kind, home, subject.get("name", "")), []).append((number, binding, subject))
    return out


def _describe(binding: Obj, subject: dict[str, Any], namespace: str) -> str:
    """How upstream names a binding in reasons: `ClusterRoleBinding "b" of ClusterRole "r" to User "u"`."""
    ref = binding["roleRef"]
    name = subject.get("name", "")
    if subject.get("kind") == "ServiceAccount":
        name = f"{name}/{subject.get('namespace') or namespace}"
    own = binding["metadata"]["name"]
    what = f'RoleBinding "{own}/{namespace}"' if namespace else f'ClusterRoleBinding "{own}"'
    return f'{what} of {ref["kind"]} "{ref["name"]}" to {subject["kind"]} "{name}"'
