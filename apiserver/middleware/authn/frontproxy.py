"""Users that an authenticating proxy names in headers, believed when its certificate is the front proxy's (request/headerrequest)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from apiserver.context import User
from apiserver.middleware.authn.certificates import CertificateError, ClientCertificates
from apiserver.middleware.authn.users import authenticated

_USER, _UID, _GROUP, _EXTRA = b"x-remote-user", b"x-remote-uid", b"x-remote-group", b"x-remote-extra-"


class FrontProxy:
    """`allowed_names` are the common names of proxies, any when empty (--requestheader-allowed-names)."""

    def __init__(self, certificates: ClientCertificates, allowed_names: Sequence[str] = ()) -> None:
        self._certificates = certificates
        self._allowed = frozenset(allowed_names)

    def user(self, headers: Iterable[tuple[bytes, bytes]], certificate: bytes) -> User | None:
        """The user the headers name; None when the certificate is not a front proxy's."""
        try:
            proxy = self._certificates.user(certificate)
        except CertificateError:
            return None
        if self._allowed and (proxy is None or proxy.name not in self._allowed):
            return None
        name = uid = ""
        groups: list[str] = []
        extra: dict[str, tuple[str, ...]] = {}
        for key, raw in headers:
            if not key.startswith(b"x-remote-"):
                continue
            value = raw.decode("utf-8", "replace")
            if key == _USER:
                name = name or value
            elif key == _UID:
                uid = uid or value
            elif key == _GROUP:
                groups.append(value)
            elif key.startswith(_EXTRA):
                extra_key = unquote(key[len(_EXTRA) :].decode("latin-1"))
                extra[extra_key] = (*extra.get(extra_key, ()), value)
        return authenticated(User(name, uid, tuple(groups), extra)) if name else None
