"""The pages that tell of the process itself, /statusz and /flagz: plain text, or a structure where one is asked for by name. Pure.

Upstream: component-base pkg/zpages, KEP-4827 and KEP-4828. Upstream's text has separators that vary at random, for no one to rely on.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from apiserver.rest.yamlout import to_yaml

_GROUP = "config.k8s.io"
_VERSIONS = ("v1beta1", "v1alpha1")
_TEXTS = ("*/*", "text/*", "text/plain")
_STRUCTURED = ("application/json", "application/yaml")
_REFUSED = "only the following media types are accepted: application/json, application/yaml, text/plain"
_WARNING = (
    "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging"
    " purposes only."
)
_PATHS = ("/flagz", "/healthz", "/livez", "/metrics", "/readyz", "/statusz", "/version")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: status, media type, body."""

    status: int
    media: str
    body: bytes


def statusz(accept: str, started: float, now: float, version: str) -> Answer:
    """Since when the server runs (`started`, `now`: seconds since the epoch) and what it is; `version` without a v."""
    begun, up = datetime.fromtimestamp(int(started), UTC), int(now - started)
    emulated = version.rpartition(".")[0]
    facts = {
        "startTime": begun.strftime("%Y-%m-%dT%H:%M:%SZ"), "uptimeSeconds": up, "goVersion": f"python{platform.python_version()}",
        "binaryVersion": version, "emulationVersion": emulated, "paths": list(_PATHS),
    }  # fmt: skip
    text = (
        f"\nStarted: {begun.strftime('%a %b %d %H:%M:%S UTC %Y')}\nUp: {up // 3600} hr {up // 60 % 60:02d} min {up % 60:02d} sec\n"
        f"Go version: {facts['goVersion']}\nBinary version: {version}\nEmulation version: {emulated}\nPaths: {' '.join(_PATHS)}\n"
    )
    return _page(accept, "Statusz", text, facts)


def flagz(accept: str, flags: Mapping[str, Any]) -> Answer:
    """The flags that the server runs with, by name."""
    shown = {name: _flag(flags[name]) for name in sorted(flags)}
    return _page(accept, "Flagz", "".join(f"{name}: {value}\n" for name, value in shown.items()), {"flags": shown})


def _flag(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ",".join(f"{k}={_flag(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_flag, value))}]"
    return "" if value is None else str(value)


def _page(accept: str, kind: str, text: str, facts: Mapping[str, Any]) -> Answer:
    for part in accept.split(",") if accept else ("*/*",):
        media, *params = (p.strip() for p in part.split(";"))
        asked = dict(p.split("=", 1) for p in params if "=" in p)
        if media in _TEXTS:
            return Answer(200, "text/plain; charset=utf-8", f"\napiserver {kind.lower()}\n{_WARNING}\n{text}".encode())
        version = asked.get("v")
        if media in _STRUCTURED and (asked.get("g"), asked.get("as")) == (_GROUP, kind) and version in _VERSIONS:
            whole = {"kind": kind, "apiVersion": f"{_GROUP}/{version}", "metadata": {"name": "apiserver"}, **facts}
            return Answer(200, f"{media};g={_GROUP};v={version};as={kind}", _encoded(media, whole))
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": _REFUSED}
    media = "application/yaml" if accept.startswith("application/yaml") else "application/json"
    return Answer(406, media, _encoded(media, {**status, "reason": "NotAcceptable", "code": 406}))


def _encoded(media: str, value: Mapping[str, Any]) -> bytes:
    if media == "application/yaml":
        return to_yaml(dict(value))
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)
