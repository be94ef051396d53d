"""Where a webhook is to be reached: checks of its URL or Service, with upstream's texts. Pure.

Upstream: apiserver pkg/util/webhook/validation.go.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from apiserver.registry.pem import BLOCK
from kubepy.api import names
from kubepy.api.errors import FieldError, invalid, required


def check_url(path: str, url: str) -> list[FieldError]:
    """ValidateWebhookURL."""
    form = "; desired format: https://host[/path]"
    try:
        parts = urlsplit(url)
    except ValueError as e:
        return [required(path, f"url must be a valid URL: {e}{form}")]
    out: list[FieldError] = []
    user, _, host = parts.netloc.rpartition("@")
    if parts.scheme != "https":
        out.append(invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{form}"))
    if not host:
        out.append(invalid(path, host, f"host must be specified{form}"))
    if parts.username is not None:
        out.append(invalid(path, user, "user information is not permitted in the URL"))
    if parts.fragment:
        out.append(invalid(path, parts.fragment, "fragments are not permitted in the URL"))
    if parts.query:
        out.append(invalid(path, parts.query, "query parameters are not permitted in the URL"))
    return out


def check_service(path: str, service: Mapping[str, Any]) -> list[FieldError]:
    """ValidateWebhookService; the port may still be missing."""
    out = [required(f"{path}.{name}") for name in ("name", "namespace") if not service.get(name)]
    port = service.get("port", 443)
    if found := names.port_number(port):
        out.append(invalid(f"{path}.port", port, f"port is not valid: {', '.join(found)}"))
    text = service.get("path") or "/"
    at = f"{path}.path"
    if text == "/":
        return out
    if text == "//":
        return [*out, invalid(at, text, "segment[0] may not be empty")]
    if not text.startswith("/"):
        out.append(invalid(at, text, "must start with a '/'"))
    # The first character is taken for the slash, whatever it is.
    for i, step in enumerate(text[1:].removesuffix("/").split("/")):
        if not step:
            out.append(invalid(at, text, f"segment[{i}] may not be empty"))
        else:
            out += [invalid(at, text, f"segment[{i}]: {reason}") for reason in names.dns1123_subdomain(step)]
    return out


def bundle_problem(encoded: str) -> str:
    """What is wrong with a CA bundle (base64 of PEM); empty when it has a certificate, or when there is none."""
    data = base64.b64decode(encoded or "")
    problem = "no valid certificate authority data seen" if data else ""
    blocks = list(BLOCK.finditer(data))
    if data and not blocks:
        problem = "unable to parse bytes as PEM block"
    for block in blocks:
        if block[1] != b"CERTIFICATE":
            continue
        try:
            x509.load_pem_x509_certificate(block[0])
        except ValueError as e:
            problem = f"failed to parse certificate: {e}"
            continue
        return ""
    return f"unable to load root certificates: {problem}" if problem else ""
