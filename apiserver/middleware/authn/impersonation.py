"""Impersonation: Impersonate-User, -Group, -Uid and -Extra-* headers, each allowed by the authorizer.

The constrained modes (KEP-5284) are tried before the old one: verbs `impersonate-on:<mode>:<verb>` on what is asked
and `impersonate:<mode>` on whom (endpoints/filters/impersonation).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol
from urllib.parse import unquote

from apiserver.context import RequestInfo, User
from apiserver.middleware.authn import users
from apiserver.middleware.authz.attributes import forbidden
from apiserver.registry.strategies.checks import domain_prefixed_path
from kubepy.api.errors import BadRequest, Forbidden, go_value

_USER, _GROUP, _UID, _EXTRA = b"impersonate-user", b"impersonate-group", b"impersonate-uid", b"impersonate-extra-"
_AUTHENTICATION = "authentication.k8s.io"
_MANY = 4
_LEGACY = ""
_REMEMBERED = 10_000

Headers = Mapping[bytes, bytes] | Iterable[tuple[bytes, bytes]]


class _Authorizer(Protocol):
    def authorize(self, user: User, info: RequestInfo) -> tuple[bool, str]: ...


def wanted_user(headers: Headers) -> User | None:
    """The user the headers name, as they name it; None without such headers. Raises BadRequest.

    `headers` are pairs in the order sent (a mapping holds one group only), names in lower case.
    """
    name = uid = ""
    groups: list[str] = []
    extra: dict[str, tuple[str, ...]] = {}
    found = False
    for key, raw in headers.items() if isinstance(headers, Mapping) else headers:
        if not key.startswith(b"impersonate-"):
            continue
        value = raw.decode("utf-8", "replace")
        if key == _USER:
            name = name or value
        elif key == _UID:
            uid = uid or value
        elif key == _GROUP:
            groups.append(value)
            found = True
        elif key.startswith(_EXTRA):
            extra_key = unquote(key[len(_EXTRA) :].decode("latin-1"))
            extra[extra_key] = (*extra.get(extra_key, ()), value)
            found = True
    if not name:
        if found or uid:
            parts = f'Name:"", UID:{go_value(uid)}, Groups:{_go_list(groups)}, Extra:{_go_map(extra)}'
            raise BadRequest(f"requested &user.DefaultInfo{{{parts}}} without impersonating a user name")
        return None
    return User(name, uid, tuple(groups), extra)


def _go_list(values: Sequence[str]) -> str:
    return "[]string{" + ", ".join(map(go_value, values)) + "}" if values else "[]string(nil)"


def _go_map(values: Mapping[str, Sequence[str]]) -> str:
    """As Go's %#v prints a map."""
    if not values:
        return "map[string][]string(nil)"
    return "map[string][]string{" + ", ".join(f"{go_value(k)}:{_go_list(v)}" for k, v in sorted(values.items())) + "}"


def impersonate(
    user: User, headers: Headers, authorizer: _Authorizer, info: RequestInfo | None = None, remembered: dict[str, str] | None = None
) -> User:
    """Whom `user` acts as for this request: itself without impersonation headers. Raises BadRequest, Forbidden.

    `remembered` keeps the mode that last let a user of that name through: it is tried first, and what it says counts first.
    """
    wanted = wanted_user(headers)
    if wanted is None:
        return user
    modes = [*_modes(user, wanted)] if info is not None else []
    modes.append(_LEGACY)
    last = remembered.get(user.name) if remembered is not None else None
    if last in modes:
        modes.sort(key=lambda mode: mode != last)
    first: Forbidden | None = None
    for mode in modes:
        try:
            found = _in_mode(authorizer, user, wanted, mode, info)
        except Forbidden as error:
            first = first or error
            continue
        if remembered is not None:
            if len(remembered) >= _REMEMBERED:
                remembered.clear()
            remembered[user.name] = mode
        return found
    assert first is not None
    raise first


def _in_mode(authorizer: _Authorizer, user: User, wanted: User, mode: str, info: RequestInfo | None) -> User:
    if mode == _LEGACY:
        return _authorize(authorizer, user, wanted, "impersonate", constrained=False)
    assert info is not None
    _check(authorizer, user, replace(info, verb=f"impersonate-on:{mode}:{info.verb}"))
    return _authorize(authorizer, user, wanted, f"impersonate:{mode}", constrained=True)


def _node_name(name: str) -> str:
    return name[len(users.NODE_PREFIX) :] if name.startswith(users.NODE_PREFIX) else ""


def _modes(user: User, wanted: User) -> Iterator[str]:
    plain = not (wanted.uid or wanted.groups or wanted.extra)
    node = _node_name(wanted.name)
    account = users.split_service_account(wanted.name)
    if plain and node:
        if users.split_service_account(user.name) and user.extra.get(users.NODE_NAME) == (node,):
            yield "associated-node"
        yield "arbitrary-node"
    elif plain and account:
        yield "serviceaccount"
    elif not node and not account:
        yield "user-info"


def _check(authorizer: _Authorizer, user: User, info: RequestInfo) -> None:
    allowed, reason = authorizer.authorize(user, info)
    if not allowed:
        raise forbidden(user, info, reason)


def _authorize(authorizer: _Authorizer, user: User, wanted: User, verb: str, *, constrained: bool) -> User:
    group = _AUTHENTICATION if constrained else ""

    def ask(resource: str, name: str, *, api_group: str = group, namespace: str = "", subresource: str = "") -> RequestInfo:
        return RequestInfo(True, "", verb, api_group, "v1", resource=resource, subresource=subresource, namespace=namespace, name=name)

    groups = wanted.groups
    account = users.split_service_account(wanted.name)
    node = _node_name(wanted.name)
    if account is not None:
        _check(authorizer, user, ask("serviceaccounts", account[1], namespace=account[0]))
        if not groups:
            groups = users.service_account_groups(account[0])
    elif constrained and node:
        _check(authorizer, user, ask("nodes", "*" if verb.endswith(":associated-node") else node))
        groups = (users.NODES,)
    else:
        _check(authorizer, user, ask("users", wanted.name))
    if wanted.uid:
        _check(authorizer, user, ask("uids", wanted.uid, api_group=_AUTHENTICATION))
    if constrained:
        _refuse_unfit(user, wanted, ask("groups", ""), ask("userextras", "", api_group=_AUTHENTICATION))
    if not (constrained and len(wanted.groups) >= _MANY and authorizer.authorize(user, ask("groups", "*"))[0]):
        for name in wanted.groups:
            _check(authorizer, user, ask("groups", name))
    many = constrained and (len(wanted.extra) >= _MANY or sum(map(len, wanted.extra.values())) >= _MANY)
    any_extra = ask("userextras", "*", api_group=_AUTHENTICATION, subresource="*")
    for key, values in () if many and authorizer.authorize(user, any_extra)[0] else wanted.extra.items():
        for value in values:
            _check(authorizer, user, ask("userextras", value, api_group=_AUTHENTICATION, subresource=key))
    if wanted.name == users.ANONYMOUS.name:
        if users.ALL_UNAUTHENTICATED not in groups:
            groups = (*groups, users.ALL_UNAUTHENTICATED)
    elif users.ALL_UNAUTHENTICATED not in groups and users.ALL_AUTHENTICATED not in groups:
        groups = (*groups, users.ALL_AUTHENTICATED)
    return replace(wanted, groups=groups)


def _refuse_unfit(user: User, wanted: User, groups: RequestInfo, extras: RequestInfo) -> None:
    """What the constrained modes never allow, whatever the rules say."""
    if "" in wanted.groups:
        raise forbidden(user, groups, "impersonating the empty string group is not allowed")
    if users.MASTERS in wanted.groups:
        raise forbidden(user, replace(groups, name=users.MASTERS), "impersonating the system:masters group is not allowed")
    for key, values in wanted.extra.items():
        if not key:
            raise forbidden(user, extras, "impersonating the empty string key in extra is not allowed")
        if problems := domain_prefixed_path("extra.key", key):
            text = ", ".join(map(str, problems))
            shown = text if len(problems) == 1 else f"[{text}]"
            raise forbidden(user, extras, f"impersonating an invalid key in extra is not allowed: {shown}")
        if key != key.lower():
            raise forbidden(user, extras, f"impersonating a non-lowercase key in extra is not allowed: {go_value(key)}")
        if "" in values:
            raise forbidden(user, extras, "impersonating the empty string value in extra is not allowed")
