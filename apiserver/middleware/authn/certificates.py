"""Client certificates: common name → user, organisations → groups, verified against the client CA bundle."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from apiserver.context import User
from apiserver.middleware.authn.users import CREDENTIAL_ID, authenticated

_UID_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57683.2")
_CACHE_LIMIT = 4096


class CertificateError(Exception):
    """The certificate does not prove an identity; the text says why."""


class ClientCertificates:
    """Maps DER certificates to users; a certificate seen before costs one dictionary look-up.

    The TLS layer has proved possession of the key. That a trusted CA signed the certificate, that it is valid now and
    meant for clients is checked here, so that a connection does not outlive its certificate (request/x509).
    """

    def __init__(self, ca_pem: bytes, *, now: Callable[[], float] = time.time) -> None:
        self._authorities = x509.load_pem_x509_certificates(ca_pem)
        self._now = now
        self._known: dict[bytes, tuple[User | None, float, float]] = {}

    def user(self, der: bytes) -> User | None:
        """The certificate's user; None when it has no common name. Raises CertificateError."""
        known = self._known.get(der)
        if known is None:
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
            known = self._known[der] = self._examine(der)
        user, not_before, not_after = known
        if not not_before <= self._now() <= not_after:
            raise CertificateError("x509: certificate has expired or is not yet valid")
        return user

    def _examine(self, der: bytes) -> tuple[User | None, float, float]:
        try:
            cert = x509.load_der_x509_certificate(der)
        except ValueError as error:
            raise CertificateError(f"x509: malformed certificate: {error}") from error
        if not any(_signed(cert, authority) for authority in self._authorities):
            raise CertificateError("x509: certificate signed by unknown authority")
        if not _for_clients(cert):
            raise CertificateError("x509: certificate specifies an incompatible key usage")
        return _user(cert, der), cert.not_valid_before_utc.timestamp(), cert.not_valid_after_utc.timestamp()


def _signed(cert: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        cert.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _for_clients(cert: x509.Certificate) -> bool:
    try:
        usages = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages


def _texts(attributes: Iterable[x509.NameAttribute[str | bytes]]) -> list[str]:
    return [a.value if isinstance(a.value, str) else a.value.decode(errors="replace") for a in attributes]


def _user(cert: x509.Certificate, der: bytes) -> User | None:
    names = _texts(cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    if not names or not names[-1]:
        return None
    uids = _texts(cert.subject.get_attributes_for_oid(_UID_OID))
    if len(uids) > 1:
        raise CertificateError(f"expected 1 UID, but found multiple: {uids}")
    groups = tuple(_texts(cert.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)))
    extra = {CREDENTIAL_ID: (f"X509SHA256={hashlib.sha256(der).hexdigest()}",)}
    return authenticated(User(names[-1], uids[0] if uids else "", groups, extra))
