"""What the verbs need to serve requests: the registry and what stands around it. Made once by the composition root."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apiserver.context import RequestInfo, User
from apiserver.middleware.authn.authenticator import Authenticator
from apiserver.middleware.authz.attributes import Authorizer, forbidden
from apiserver.registry.catalog import Catalog
from apiserver.registry.store import Registry
from apiserver.rest.mutation import Ownership
from apiserver.rest.verbs.watch import Watches


@dataclass(slots=True)
class Api:
    """The parts of a running API server that request handlers use."""

    registry: Registry
    catalog: Catalog
    authenticator: Authenticator
    authorizer: Authorizer
    ownership: Ownership
    watches: Watches = field(default_factory=Watches)
    parts: dict[str, Any] = field(default_factory=dict)
    """Handlers that other owners bring: `token` (TokenRequest), `reviews`, `kubelet` (streaming), `aggregator`."""

    def require(self, user: User, info: RequestInfo) -> None:
        """Raise Forbidden unless `user` may do `info`."""
        allowed, reason = self.authorizer.authorize(user, info)
        if not allowed:
            raise forbidden(user, info, reason)
