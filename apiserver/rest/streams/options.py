"""The options of a connecting subresource as the object that admission sees: PodExecOptions and the like, from the query. Pure.

Upstream: apiserver pkg/endpoints/handlers/rest.go (getRequestOptions), core/v1 types with their conversions from url.Values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubepy.api import errors

Query = Mapping[str, Sequence[str]]

_STREAMS = ("stdin", "stdout", "stderr", "tty")
_FIELDS: dict[str, tuple[str, ...]] = {
    "PodExecOptions": (*_STREAMS, "container", "command"),
    "PodAttachOptions": (*_STREAMS, "container"),
    "PodPortForwardOptions": ("ports",),
    "PodProxyOptions": ("path",),
    "ServiceProxyOptions": ("path",),
    "NodeProxyOptions": ("path",),
}


def _value(name: str, given: Sequence[str]) -> Any:
    if name in _STREAMS:
        return given[0].lower() not in ("false", "0")
    if name == "ports":
        try:
            return [int(port) for text in given for port in text.split(",")]
        except ValueError as e:
            raise errors.BadRequest(f"unable to convert {given} to a list of ports: {e}") from None
    return list(given) if name == "command" else given[0]


def options_of(kind: str, query: Query, path: str = "") -> dict[str, Any]:
    """The options object; `path` is what follows the proxy subresource, with its leading slash. Unset fields are left out.

    Raises BadRequest.
    """
    given = {**query, "path": [path]} if path else query
    values = {name: _value(name, given[name]) for name in _FIELDS.get(kind, ()) if given.get(name)}
    return {"kind": kind, "apiVersion": "v1", **{name: value for name, value in values.items() if value}}
