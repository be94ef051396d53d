"""Names of certificate signers and of trust bundles. Pure.

Upstream: ValidateSignerName, ValidateClusterTrustBundleName in pkg/apis/core/validation/names.go.
"""

from __future__ import annotations

from collections.abc import Callable

from apiserver.registry.strategies.checks import Errors
from kubepy.api import names
from kubepy.api.errors import invalid, required, too_long

_MAX_NAME = 253
_MAX_SIGNER = _MAX_NAME + (_MAX_NAME + 63 + 1) + 1


def signer_name(out: Errors, value: str, path: str) -> None:
    """`example.com/some.path`: a domain of at least two labels, and a path of DNS subdomains."""
    if not value:
        out.append(required(path))
        return
    parts = value.split("/")
    if len(parts) != 2:
        out.append(invalid(path, value, "must be a fully qualified domain and path of the form 'example.com/signer-name'"))
        return
    domain, rest = parts
    if len(domain) > _MAX_NAME:
        out.append(too_long(path, _MAX_NAME))
    _labels(out, domain, path, names.dns1123_label)
    if "." not in domain:
        out.append(invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    _labels(out, rest, path, names.dns1123_subdomain)
    if len(value) > _MAX_SIGNER:
        out.append(too_long(path, _MAX_SIGNER))


def _labels(out: Errors, segment: str, path: str, rule: Callable[[str], list[str]]) -> None:
    """Complaints about the first bad part between dots: more would only repeat it."""
    for part in segment.split("."):
        if problems := rule(part):
            out.extend(invalid(path, segment, f'validating label "{part}": {m}') for m in problems)
            return


def trust_bundle_name(signer: str, name: str) -> list[str]:
    """What is wrong with the name of a ClusterTrustBundle of that signer (`` for none)."""
    if not signer:
        if ":" in name:
            return ['ClusterTrustBundle without signer name must not have ":" in its name']
        return names.dns1123_subdomain(name)
    prefix = signer.replace("/", ":") + ":"
    if not name.startswith(prefix):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"]
    return names.dns1123_subdomain(name[len(prefix) :])
