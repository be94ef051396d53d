"""Impersonation: who may act as whom, in the old mode and in the constrained ones."""

from __future__ import annotations

import pytest

from apiserver.context import RequestInfo, User
from apiserver.middleware.authn.impersonation import impersonate, wanted_user
from kubepy.api.errors import BadRequest, Forbidden

BOSS = User("boss")
LIST = RequestInfo(True, "/api/v1/namespaces/x/pods", "list", "", "v1", "pods", "", "x")


class Allowing:
    """Allows the questions it was given as (verb, resource[/subresource], name)."""

    def __init__(self, *allowed: tuple[str, str, str]) -> None:
        self._allowed = allowed

    def authorize(self, user: User, info: RequestInfo) -> tuple[bool, str]:
        resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
        return (info.verb, resource, info.name) in self._allowed, "because"


def headers(user: str = "", *groups: str, **extra: str) -> list[tuple[bytes, bytes]]:
    out = [(b"impersonate-user", user.encode())] if user else []
    out += [(b"impersonate-group", g.encode()) for g in groups]
    return out + [(f"impersonate-extra-{k}".encode(), v.encode()) for k, v in extra.items()]


def test_without_headers_nothing_changes() -> None:
    assert impersonate(BOSS, [(b"accept", b"*/*")], Allowing(), LIST) is BOSS


def test_user_group_and_extra_each_need_leave() -> None:
    rules = (("impersonate", "users", "bob"), ("impersonate", "groups", "dev"), ("impersonate", "userextras/scopes", "view"))
    wanted = headers("bob", "dev", scopes="view")
    assert impersonate(BOSS, wanted, Allowing(*rules), LIST) == User("bob", "", ("dev", "system:authenticated"), {"scopes": ("view",)})
    for missing in range(3):
        with pytest.raises(Forbidden):
            impersonate(BOSS, wanted, Allowing(*(r for i, r in enumerate(rules) if i != missing)), LIST)


def test_groups_of_service_accounts_and_of_the_anonymous() -> None:
    account = impersonate(BOSS, headers("system:serviceaccount:ns:robot"), Allowing(("impersonate", "serviceaccounts", "robot")), LIST)
    assert account.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    nobody = impersonate(BOSS, headers("system:anonymous"), Allowing(("impersonate", "users", "system:anonymous")), LIST)
    assert nobody.groups == ("system:unauthenticated",)


def test_a_constrained_rule_allows_one_verb() -> None:
    rules = Allowing(("impersonate-on:user-info:list", "pods", ""), ("impersonate:user-info", "users", "bob"))
    assert impersonate(BOSS, headers("bob"), rules, LIST).name == "bob"
    get = RequestInfo(True, "", "get", "", "v1", "pods", "", "x", "p")
    with pytest.raises(Forbidden) as caught:
        impersonate(BOSS, headers("bob"), rules, get)
    assert caught.value.message == (
        'pods "p" is forbidden: User "boss" cannot impersonate-on:user-info:get resource "pods" in API group "" '
        'in the namespace "x": because'
    )


def test_constrained_node_gets_the_nodes_group() -> None:
    rules = Allowing(("impersonate-on:arbitrary-node:list", "pods", ""), ("impersonate:arbitrary-node", "nodes", "n1"))
    assert impersonate(BOSS, headers("system:node:n1"), rules, LIST).groups == ("system:nodes", "system:authenticated")


def test_groups_alone_are_a_bad_request() -> None:
    with pytest.raises(BadRequest) as caught:
        wanted_user(headers("", "dev"))
    shown = '&user.DefaultInfo{Name:"", UID:"", Groups:[]string{"dev"}, Extra:map[string][]string(nil)}'
    assert caught.value.message == f"requested {shown} without impersonating a user name"


def test_what_let_somebody_through_last_speaks_first_when_he_is_refused() -> None:
    rules, remembered = Allowing(("impersonate", "users", "bob")), dict[str, str]()
    new = 'pods is forbidden: User "boss" cannot impersonate-on:user-info:list'
    old = 'users "jane" is forbidden: User "boss" cannot impersonate resource "users"'
    with pytest.raises(Forbidden, match=new):
        impersonate(BOSS, headers("jane"), rules, LIST, remembered)
    impersonate(BOSS, headers("bob"), rules, LIST, remembered)
    with pytest.raises(Forbidden, match=old):
        impersonate(BOSS, headers("jane"), rules, LIST, remembered)


def test_many_extras_may_be_allowed_at_once_and_need_proper_keys() -> None:
    rules = (("impersonate-on:user-info:list", "pods", ""), ("impersonate:user-info", "users", "bob"))
    any_extra = ("impersonate:user-info", "userextras/*", "*")
    many = [*headers("bob"), *((b"impersonate-extra-a.io%2fx", str(n).encode()) for n in range(4))]
    assert impersonate(BOSS, many, Allowing(*rules, any_extra), LIST).extra == {"a.io/x": ("0", "1", "2", "3")}
    remembered = {"boss": "user-info"}
    with pytest.raises(Forbidden, match="impersonating an invalid key in extra is not allowed"):
        impersonate(BOSS, headers("bob", scopes="a"), Allowing(*rules, any_extra), LIST, remembered)
