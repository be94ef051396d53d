"""Names of well-known users, groups and extra keys, and the group that every authenticated user is in."""

from __future__ import annotations

from dataclasses import replace

from apiserver.context import User

ALL_AUTHENTICATED = "system:authenticated"
ALL_UNAUTHENTICATED = "system:unauthenticated"
MASTERS = "system:masters"
NODES = "system:nodes"
NODE_PREFIX = "system:node:"
SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"
ALL_SERVICE_ACCOUNTS = "system:serviceaccounts"

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
NODE_NAME = "authentication.kubernetes.io/node-name"
NODE_UID = "authentication.kubernetes.io/node-uid"

ANONYMOUS = User("system:anonymous", groups=(ALL_UNAUTHENTICATED,))


def authenticated(user: User) -> User:
    """`user` with the group system:authenticated, unless it says itself whether it is (request/group)."""
    if ALL_AUTHENTICATED in user.groups or ALL_UNAUTHENTICATED in user.groups:
        return user
    return replace(user, groups=(*user.groups, ALL_AUTHENTICATED))


def service_account_name(namespace: str, name: str) -> str:
    """`system:serviceaccount:<namespace>:<name>`."""
    return f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}"


def service_account_groups(namespace: str) -> tuple[str, str]:
    """The groups that the service accounts of `namespace` are in."""
    return ALL_SERVICE_ACCOUNTS, f"{ALL_SERVICE_ACCOUNTS}:{namespace}"


def split_service_account(user_name: str) -> tuple[str, str] | None:
    """(namespace, name) of a service account's user name, else None."""
    if not user_name.startswith(SERVICE_ACCOUNT_PREFIX):
        return None
    namespace, colon, name = user_name[len(SERVICE_ACCOUNT_PREFIX) :].partition(":")
    if not colon or not namespace or not name or ":" in name:
        return None
    return namespace, name


def node_of(user: User) -> str | None:
    """The node's name when `user` is a node (pkg/auth/nodeidentifier): its name and its group must both say so."""
    if user.name.startswith(NODE_PREFIX) and NODES in user.groups:
        return user.name[len(NODE_PREFIX) :]
    return None
