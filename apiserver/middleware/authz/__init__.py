"""Authorization: what a user may do."""

from apiserver.middleware.authz.attributes import Authorizer, forbidden
from apiserver.middleware.authz.chain import Chain, build_authorizer

__all__ = ["Authorizer", "Chain", "build_authorizer", "forbidden"]
