"""What an authorizer is asked, and how a refusal reads."""

from __future__ import annotations

from typing import Any, Protocol

from apiserver.context import RequestInfo, User
from kubepy.api.errors import Forbidden, resource_text

_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Authorizer(Protocol):
    """Decides synchronously. False means no opinion: nobody allowed it."""

    def authorize(self, user: User, info: RequestInfo) -> tuple[bool, str]:
        """(allowed, reason)."""


def message(user: User, info: RequestInfo) -> str:
    """`User "alice" cannot list resource "pods" in API group "" in the namespace "x"` (responsewriters/errors.go)."""
    if not info.is_resource:
        return f'User "{user.name}" cannot {info.verb} path "{info.path}"'
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    scope = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    return f'User "{user.name}" cannot {info.verb} resource "{resource}" in API group "{info.group}" {scope}'


def forbidden(user: User, info: RequestInfo, reason: str = "") -> Forbidden:
    """The 403 that answers a request which no authorizer allowed."""
    text = message(user, info).translate(_HTML)
    if reason:
        text = f"{text}: {reason}"
    return refuse(info.group, info.resource, info.name, text)


def refuse(group: str, resource: str, name: str, text: str) -> Forbidden:
    """`pods "x" is forbidden: <text>` (apierrors.NewForbidden)."""
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    if resource:
        details["kind"] = resource
    if not (group or resource):
        return Forbidden(f"forbidden: {text}", details=details)
    what = resource_text(group, resource)
    return Forbidden(f'{what} "{name}" is forbidden: {text}' if name else f"{what} is forbidden: {text}", details=details)
