"""The chain of authorizers that --authorization-mode names, behind the privileged group that may do everything."""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.context import Lister, RequestInfo, User
from apiserver.middleware.authn.users import MASTERS
from apiserver.middleware.authz.attributes import Authorizer
from apiserver.middleware.authz.node import NodeAuthorizer
from apiserver.middleware.authz.rbac import RBAC

MODES = ("AlwaysAllow", "AlwaysDeny", "Node", "RBAC")


class AlwaysAllow:
    """Allows everything."""

    def authorize(self, user: User, info: RequestInfo) -> tuple[bool, str]:
        """Yes."""
        return True, ""


class AlwaysDeny:
    """Allows nothing."""

    def authorize(self, user: User, info: RequestInfo) -> tuple[bool, str]:
        """No."""
        return False, "Everything is forbidden."


class Chain:
    """The first authorizer that allows decides; members of system:masters are allowed before any is asked."""

    def __init__(self, authorizers: Sequence[Authorizer], *, rbac: RBAC | None = None, node: NodeAuthorizer | None = None) -> None:
        self._authorizers = tuple(authorizers)
        self.rbac = rbac
        self.node = node
        self.allows_everything = any(isinstance(a, AlwaysAllow) for a in authorizers)

    def authorize(self, user: User, info: RequestInfo) -> tuple[bool, str]:
        """(allowed, reason); refusals join the reasons of all, one a line."""
        if MASTERS in user.groups:
            return True, ""
        reasons = []
        for authorizer in self._authorizers:
            allowed, reason = authorizer.authorize(user, info)
            if allowed:
                return True, reason
            if reason:
                reasons.append(reason)
        return False, "\n".join(reasons)


def build_authorizer(modes: Sequence[str], lister: Lister) -> Chain:
    """The chain for the modes in the order given. Raises ValueError for an unknown or repeated mode."""
    rbac = RBAC(lister) if "RBAC" in modes else None
    node = NodeAuthorizer(lister) if "Node" in modes else None
    made: dict[str, Authorizer | None] = {"AlwaysAllow": AlwaysAllow(), "AlwaysDeny": AlwaysDeny(), "RBAC": rbac, "Node": node}
    chain: list[Authorizer] = []
    for mode in modes:
        authorizer = made.pop(mode, None)
        if authorizer is None:
            problem = "is not a valid mode" if mode not in MODES else "is specified more than once"
            raise ValueError(f"authorization-mode {mode!r} {problem}; known modes: {', '.join(MODES)}")
        chain.append(authorizer)
    if not chain:
        raise ValueError("at least one authorization-mode must be passed")
    return Chain(chain, rbac=rbac, node=node)
