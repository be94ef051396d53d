"""The authenticator and the token issuer that a server's flags ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apiserver.context import Lister
from apiserver.middleware.authn.authenticator import Authenticator, TokenSource
from apiserver.middleware.authn.bootstraptoken import BootstrapTokens
from apiserver.middleware.authn.certificates import ClientCertificates
from apiserver.middleware.authn.serviceaccount import ServiceAccountTokens, TokenIssuer, load_private_key, load_public_keys
from apiserver.middleware.authn.tokenfile import load_token_file

DEFAULT_ISSUER = "https://kubernetes.default.svc"


@dataclass(frozen=True, slots=True)
class AuthnOptions:
    """Paths and values of the authentication flags; each is named after its flag."""

    client_ca_file: Path | None = None
    token_auth_file: Path | None = None
    service_account_issuer: Sequence[str] = (DEFAULT_ISSUER,)
    """The first one signs, all are accepted."""
    service_account_key_file: Sequence[Path] = ()
    """Further keys to verify with; the signing key's public half is always accepted."""
    service_account_signing_key_file: Path | None = None
    api_audiences: Sequence[str] = ()
    """Defaults to the issuers."""
    anonymous_auth: bool = True
    enable_bootstrap_token_auth: bool = True


def build_authenticator(
    options: AuthnOptions, lister: Lister, others: Sequence[TokenSource] = ()
) -> tuple[Authenticator, TokenIssuer | None]:
    """The authenticator, and the issuer of service-account tokens when there is a signing key. Raises OSError, ValueError."""
    audiences = tuple(options.api_audiences) or tuple(options.service_account_issuer)
    issuer = None
    key_files = list(options.service_account_key_file)
    if options.service_account_signing_key_file is not None:
        issuer = TokenIssuer(options.service_account_issuer[0], load_private_key(options.service_account_signing_key_file))
        key_files.append(options.service_account_signing_key_file)
    accounts = None
    if key_files:
        accounts = ServiceAccountTokens(options.service_account_issuer, load_public_keys(*key_files), lister, audiences)
    authenticator = Authenticator(
        certificates=ClientCertificates(options.client_ca_file.read_bytes()) if options.client_ca_file else None,
        static=load_token_file(options.token_auth_file) if options.token_auth_file else None,
        service_accounts=accounts,
        bootstrap=BootstrapTokens(lister) if options.enable_bootstrap_token_auth else None,
        others=others,
        api_audiences=audiences,
        anonymous=options.anonymous_auth,
    )
    return authenticator, issuer
