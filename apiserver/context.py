"""What is known of one request while it is served: who asks, for what, and what is to be reported back. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Obj = dict[str, Any]
"""A Kubernetes object as parsed JSON."""


WARNINGS_LENGTH = 4096
"""Characters of all warnings of one answer, from which they are cut."""
WARNING_LENGTH = 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated user (authentication/user.Info)."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


SYSTEM_USER = User("system:apiserver", groups=("system:masters", "system:authenticated"))
"""The API server itself, for what it writes of its own accord."""


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A parsed request path and method (apiserver pkg/endpoints/request RequestInfo).

    `verb` is get, list, watch, create, update, patch, delete, deletecollection, or the lower-case method where
    `is_resource` is false.
    """

    is_resource: bool
    path: str
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()
    field_selector: str = ""
    """The fieldSelector of a list, watch or deletecollection, as sent: nodes may only list what selects them."""


@dataclass(slots=True)
class Context:
    """One request on its way through admission and registry. Mutable: warnings and audit annotations collect here."""

    user: User
    info: RequestInfo
    dry_run: bool = False
    field_manager: str = ""
    user_agent: str = ""
    field_validation: str = "Warn"
    as_sent: Obj | None = None
    """The decoded object with the empty lists that become null in the store, where it has any: ownership sees them."""
    warnings: list[str] = field(default_factory=list)
    audit: dict[str, str] = field(default_factory=dict)
    _warned: int = 0
    _cutting: bool = False

    def warn(self, text: str) -> None:
        """Add a Warning header's text, once; beyond 4096 characters all are cut to 256, and what then goes beyond is left out.

        What cannot stand in a header is left out, too.

        Upstream: apiserver pkg/endpoints/filters/warning.go.
        """
        if (self._cutting and self._warned >= WARNINGS_LENGTH) or text in self.warnings or not text or _CONTROL.search(text):
            return
        self.warnings.append(text[:WARNING_LENGTH] if self._cutting else text)
        self._warned += len(self.warnings[-1])
        if self._warned > WARNINGS_LENGTH and not self._cutting:
            self._cutting = True
            self.warnings[:] = [w[:WARNING_LENGTH] for w in self.warnings]
            self._warned = sum(map(len, self.warnings))


class Lister(Protocol):
    """Synchronous reads from the watch cache. What is returned is shared and MUST NOT be changed."""

    def get(self, group: str, plural: str, namespace: str | None, name: str) -> Obj | None:
        """The object in its storage version, or None."""

    def list(self, group: str, plural: str, namespace: str | None = None) -> Iterable[Obj]:
        """All objects (of one namespace), in key order."""

    def generation(self, group: str, plural: str) -> int:
        """A number that changes whenever any object of the resource does: the key of what is derived from them."""
