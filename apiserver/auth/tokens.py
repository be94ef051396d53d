"""TokenRequest: a service-account token on demand (pkg/registry/core/serviceaccount/storage/token.go)."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from apiserver.context import Context, Lister, Obj
from apiserver.middleware.authn.serviceaccount import TokenIssuer
from kubepy.api.errors import BadRequest, Conflict, FieldError, Invalid, NotFound, invalid

_GROUP, _KIND = "authentication.k8s.io", "TokenRequest"
DEFAULT_SECONDS = 3600
_MIN_SECONDS, _MAX_SECONDS = 600, 1 << 32
POD_TOKEN_SECONDS = 3607
"""What admission asks for pods: an odd number that says a kubelet will refresh the token."""
_EXTENDED_SECONDS = 365 * 24 * 3600
_BINDABLE = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}
"""Kinds of the group without a name, whatever their version."""


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """`audiences` when a request names none; the flags --service-account-max-token-expiration (seconds, 0: none) and
    --service-account-extend-token-expiration."""

    audiences: tuple[str, ...]
    max_seconds: int = 0
    extend: bool = True


def now() -> float:
    """Seconds since the epoch."""
    return time.time()


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class TokenRequests:
    """Answers TokenRequests from the watch cache."""

    def __init__(self, issuer: TokenIssuer, lister: Lister, options: TokenOptions, *, clock: Callable[[], float] = now) -> None:
        self._issuer = issuer
        self._lister = lister
        self._options = options
        self._clock = clock

    async def create(self, ctx: Context, namespace: str, name: str, obj: Obj) -> Obj:
        """The request with its token in the status. Raises NotFound, BadRequest, Invalid, Conflict."""
        meta, spec = dict(obj.get("metadata") or {}), dict(obj.get("spec") or {})
        for field, own, what in (("name", name, "name"), ("namespace", namespace, "namespace")):
            if meta.get(field) and meta[field] != own:
                error = invalid(f"metadata.{field}", meta[field], f"must match the service account {what} if specified")
                raise Invalid.of(_GROUP, _KIND, name, [error])
        account = self._get("serviceaccounts", namespace, name)
        at = self._clock()
        seconds = spec.setdefault("expirationSeconds", DEFAULT_SECONDS)
        spec["audiences"] = spec.get("audiences") or list(self._options.audiences)
        errors = _check(spec)
        if errors:
            raise Invalid.of(_GROUP, _KIND, "", errors)
        if self._options.max_seconds and seconds > self._options.max_seconds:
            text = f"requested expiration of {seconds} seconds shortened to {self._options.max_seconds} seconds"
            ctx.warn(text)
            seconds = spec["expirationSeconds"] = self._options.max_seconds
        bound = self._bound(spec.get("boundObjectRef"), namespace, name)
        lifetime, warn_after = seconds, 0
        kubernetes = any(a in self._options.audiences for a in spec["audiences"])
        if self._options.extend and "pod" in bound and seconds == POD_TOKEN_SECONDS and kubernetes:
            # Old clients do not reread their token file: the token itself lives on, and its late use is noticed.
            lifetime, warn_after = _EXTENDED_SECONDS, seconds
        claims = self._issuer.bound_claims(account, spec["audiences"], lifetime, at, warn_after=warn_after, **bound)
        ctx.audit["authentication.kubernetes.io/issued-credential-id"] = f"JTI={claims['jti']}"
        return {
            "kind": obj["kind"],
            "apiVersion": obj["apiVersion"],
            "metadata": {
                **meta, "name": name, "namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": timestamp(at),
            },
            "spec": {
                "audiences": spec["audiences"], "expirationSeconds": seconds, "boundObjectRef": spec.get("boundObjectRef"),
            },
            "status": {"token": self._issuer.issue(claims), "expirationTimestamp": timestamp(at + seconds)},
        }  # fmt: skip

    def _get(self, plural: str, namespace: str | None, name: str) -> Obj:
        found = self._lister.get("", plural, namespace, name)
        if found is None:
            raise NotFound.of("", plural, name)
        return found

    def _bound(self, ref: Obj | None, namespace: str, account: str) -> dict[str, Obj]:
        if ref is None:
            return {}
        kind, name = ref.get("kind", ""), ref.get("name", "")
        group, _, version = ref.get("apiVersion", "").rpartition("/")
        plural = _BINDABLE.get(kind) if not group else None
        if plural is None:
            raise BadRequest(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
        if not name:
            raise BadRequest("Name parameter required.")
        target = self._get(plural, None if plural == "nodes" else namespace, name)
        bound = {kind.lower(): target}
        if kind == "Pod":
            spec = target["spec"]
            if spec.get("serviceAccountName", "") != account:
                raise BadRequest(f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.')
            if spec.get("nodeName"):
                node = self._lister.get("", "nodes", None, spec["nodeName"])
                bound["node"] = node or {"metadata": {"name": spec["nodeName"]}}
        uid = ref.get("uid", "")
        if uid and uid != target["metadata"].get("uid"):
            text = (
                f"the UID in the bound object reference ({uid}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
            raise Conflict.of("", kind, name, text)
        return bound


def _check(spec: Obj) -> list[FieldError]:
    seconds = spec["expirationSeconds"]
    if seconds < _MIN_SECONDS:
        return [invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")]
    if seconds > _MAX_SECONDS:
        return [invalid("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")]
    return []
