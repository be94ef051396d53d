"""Bootstrap tokens: `<id>.<secret>` held in secrets of type bootstrap.kubernetes.io/token in kube-system."""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import re
import time
from collections.abc import Callable

from apiserver.context import Lister, Obj, User
from apiserver.middleware.authn.users import authenticated

_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")
SECRET_TYPE = "bootstrap.kubernetes.io/token"
GROUP = "system:bootstrappers"


class BootstrapTokens:
    """Authenticates bootstrap tokens from the watch cache (plugin/pkg/auth/authenticator/token/bootstrap)."""

    def __init__(self, lister: Lister, *, now: Callable[[], float] = time.time) -> None:
        self._lister = lister
        self._now = now

    def authenticate(self, token: str) -> User | None:
        """The user `system:bootstrap:<id>`, or None when the token is not a good bootstrap token."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        token_id, token_secret = match.groups()
        secret = self._lister.get("", "secrets", "kube-system", f"bootstrap-token-{token_id}")
        if secret is None or secret.get("type") != SECRET_TYPE or "deletionTimestamp" in secret["metadata"]:
            return None
        if not hmac.compare_digest(_text(secret, "token-secret").encode(), token_secret.encode()) or _text(secret, "token-id") != token_id:
            return None
        if self._expired(_text(secret, "expiration")) or _text(secret, "usage-bootstrap-authentication") != "true":
            return None
        groups = {GROUP}
        for group in _text(secret, "auth-extra-groups").split(","):
            if group:
                if not _GROUP.fullmatch(group):
                    return None
                groups.add(group)
        return authenticated(User(f"system:bootstrap:{token_id}", "", tuple(sorted(groups))))

    def _expired(self, expiration: str) -> bool:
        if not expiration:
            return False
        try:
            return dt.datetime.fromisoformat(expiration).timestamp() <= self._now()
        except ValueError:
            return True


def _text(secret: Obj, key: str) -> str:
    try:
        return base64.b64decode(secret.get("data", {}).get(key, "")).decode()
    except ValueError:
        return ""
