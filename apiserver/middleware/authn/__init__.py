"""Authentication: who sends a request."""

from apiserver.middleware.authn.authenticator import Authenticator
from apiserver.middleware.authn.impersonation import impersonate
from apiserver.middleware.authn.users import ANONYMOUS

__all__ = ["ANONYMOUS", "Authenticator", "impersonate"]
