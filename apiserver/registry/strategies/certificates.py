"""CertificateSigningRequests: the request, its approval and its certificate.

Upstream: pkg/apis/certificates/validation, pkg/registry/certificates/certificates/strategy.go. Who asks, and when
conditions changed, is for the registry's hooks.
"""

from __future__ import annotations

import base64
import binascii
from functools import partial

from cryptography import x509

from apiserver.context import Obj
from apiserver.registry.pem import BLOCK, parse_request
from apiserver.registry.strategies.checks import Errors
from apiserver.registry.strategies.common import copy, empty_status
from apiserver.registry.strategies.signers import signer_name
from apiserver.registry.strategy import Strategy
from kubepy.api.errors import duplicate, forbidden_field, invalid, not_supported, required

_USAGES = frozenset(
    (
        "signing", "digital signature", "content commitment", "key encipherment", "key agreement", "data encipherment", "cert sign",
        "crl sign", "encipher only", "decipher only", "any", "server auth", "client auth", "code signing", "email protection", "s/mime",
        "ipsec end system", "ipsec tunnel", "ipsec user", "timestamping", "ocsp signing", "microsoft sgc", "netscape sgc",
    )
)  # fmt: skip
_DECISIONS = ("Approved", "Denied", "Failed")
_OPPOSITE = {"Approved": "Denied", "Denied": "Approved"}
_STATUSES = ("False", "True", "Unknown")


def _pem(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


def _request_problem(text: str) -> str | None:
    try:
        parse_request(text)
    except ValueError as e:
        return str(e)
    return None


def _request(out: Errors, obj: Obj) -> None:
    spec = obj.get("spec") or {}
    text = spec.get("request") or ""
    if problem := _request_problem(text):
        out.append(invalid("spec.request", text or None, problem))
    usages = spec.get("usages") or []
    if not usages:
        out.append(required("spec.usages"))
    for i, usage in enumerate(usages):
        if usage not in _USAGES:
            out.append(not_supported(f"spec.usages[{i}]", usage, sorted(_USAGES)))
    out.extend(duplicate(f"spec.usages[{i}]", usage) for i, usage in enumerate(usages) if usage in usages[:i])
    signer = spec.get("signerName") or ""
    if signer == "kubernetes.io/legacy-unknown":
        out.append(invalid("spec.signerName", signer, "the legacy signerName is not allowed via this API version"))
    else:
        signer_name(out, signer, "spec.signerName")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < 600:
        out.append(invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 600 seconds (10 minutes)"))
    _conditions(out, obj)


def _conditions(out: Errors, obj: Obj) -> None:
    found = (obj.get("status") or {}).get("conditions") or []
    seen: set[str] = set()
    for i, c in enumerate(found):
        at, kind, status = f"status.conditions[{i}]", c.get("type", ""), c.get("status", "")
        if not kind:
            out.append(required(f"{at}.type"))
        if kind in _DECISIONS and status not in ("True",):
            out.append(not_supported(f"{at}.status", status, ("True",)) if status else required(f"{at}.status"))
        elif status not in _STATUSES:
            out.append(not_supported(f"{at}.status", status, _STATUSES) if status else required(f"{at}.status"))
        if _OPPOSITE.get(kind) in seen:
            out.append(invalid("status.conditions", kind, "Approved and Denied conditions are mutually exclusive"))
        if kind in seen:
            out.append(duplicate(f"{at}.type", kind))
        seen.add(kind)


def _certificate_problem(pem: bytes) -> str:
    """What is wrong with the certificates issued; empty when nothing is."""
    blocks = list(BLOCK.finditer(pem))
    for block in blocks:
        if block[1] != b"CERTIFICATE":
            return f'only CERTIFICATE PEM blocks are allowed, found "{block[1].decode()}"'
        try:
            x509.load_pem_x509_certificate(block[0])
        except ValueError as e:
            return str(e)
    return "" if blocks else "must contain at least one CERTIFICATE PEM block"


def _validate(obj: Obj) -> Errors:
    out: Errors = []
    _request(out, obj)
    return out


def _of_type(obj: Obj, kind: str) -> list[Obj]:
    return [c for c in (obj.get("status") or {}).get("conditions") or () if c.get("type") == kind]


def _changed(new: Obj, old: Obj, *, certificate: bool = False, approval: bool = False) -> Errors:
    """An update: the request as a whole, and what this endpoint may not change."""
    out: Errors = []
    _request(out, new)
    pairs = {kind: (_of_type(new, kind), _of_type(old, kind)) for kind in _DECISIONS}
    for kind, (ours, theirs) in pairs.items():
        if len(ours) < len(theirs):
            out.append(forbidden_field("status.conditions", f'updates may not remove a condition of type "{kind}"'))
    for kind in () if approval else ("Approved", "Denied"):
        ours, theirs = pairs[kind]
        if len(ours) > len(theirs):
            out.append(forbidden_field("status.conditions", f'updates may not add a condition of type "{kind}"'))
    now, then = ((obj.get("status") or {}).get("certificate") for obj in (new, old))
    if now != then and not certificate:
        out.append(forbidden_field("status.certificate", "updates may not set certificate content"))
    elif now != then and then:
        out.append(forbidden_field("status.certificate", "updates may not modify existing certificate content"))
    return out


def _validate_status(new: Obj, old: Obj) -> Errors:
    out = _changed(new, old, certificate=True)
    text = (new.get("status") or {}).get("certificate")
    if text and text != (old.get("status") or {}).get("certificate") and (problem := _certificate_problem(_pem(text))):
        out.append(invalid("status.certificate", "<certificate data>", problem))
    return out


def _prepare_update(new: Obj, old: Obj) -> None:
    # The request's author and content are fixed; so is the status, here.
    copy(new, old, "spec")
    copy(new, old, "status")


def _prepare_status(new: Obj, old: Obj) -> None:
    copy(new, old, "spec")
    _keep_decisions(new, old)


def _keep_decisions(new: Obj, old: Obj) -> None:
    """The status endpoint does not change decisions; where it would add or remove some, validation refuses it."""
    conditions = (new.get("status") or {}).get("conditions") or []
    for kind in ("Approved", "Denied"):
        kept = _of_type(old, kind)
        places = [i for i, c in enumerate(conditions) if c.get("type") == kind]
        if len(places) == len(kept):
            for i, c in zip(places, kept, strict=True):
                conditions[i] = c


def _prepare_approval(new: Obj, old: Obj) -> None:
    copy(new, old, "spec")
    conditions = (new.get("status") or {}).get("conditions")
    status = dict(old.get("status") or {})
    if conditions:
        status["conditions"] = conditions
    else:
        status.pop("conditions", None)
    new["status"] = status


_BASE = Strategy(
    prepare=empty_status(),
    prepare_update=_prepare_update,
    validate=_validate,
    validate_update=_changed,
    status_checks=(1, 1),
    name_check=lambda _name, _prefix: [],
    has_generation=False,
    reset_fields=("spec", "status"),
    status_prepare_update=_prepare_status,
    status_validate_update=_validate_status,
)
_APPROVAL = _BASE.with_(
    metadata_checks=(1, 1),
    prepare_update=_prepare_approval,
    validate_update=partial(_changed, approval=True),
    reset_fields=("spec", "status.certificate"),
)
STRATEGY = _BASE.with_(subresources={"approval": _APPROVAL})
