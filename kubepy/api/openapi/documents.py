"""The OpenAPI documents: /openapi/v2, /openapi/v3 and its parts. Pure; built when first asked for, kept until what is served changes.

Upstream: apiserver pkg/server/routes/openapi.go, kube-openapi pkg/handler3; KEP-2896.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from kubepy.api.openapi import schemas, v2, v2proto
from kubepy.api.openapi.parameters import Obj
from kubepy.api.openapi.paths import Paths, hoisted
from kubepy.api.resource import Resource

_SECURITY = {"BearerToken": {"type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header"}}
Answer = tuple[int, str, bytes, Mapping[str, str]]
"""(status, content type, body, headers)."""


@dataclass(frozen=True, slots=True)
class Source:
    """One served resource; custom resources bring their version's openAPIV3Schema (None: no schema published)."""

    resource: Resource
    schema: Mapping[str, Any] | None = None


class Documents:
    """The documents over a set of resources. `version` is the server's, such as v1.36.2."""

    def __init__(self, version: str, sources: Iterable[Source] = ()) -> None:
        self._version = version
        self._groups: dict[str, list[Source]] = {}
        self._hashes: dict[str, str] = {}
        self._bodies: dict[str, bytes] = {}
        self._v2: bytes | None = None
        self._v2_protobuf: bytes | None = None
        self.replace(sources)

    def replace(self, sources: Iterable[Source]) -> None:
        """Describe these resources from now on. Documents of unchanged group versions are kept."""
        groups: dict[str, list[Source]] = {}
        for source in sources:
            r = source.resource
            groups.setdefault(f"apis/{r.group}/{r.version}" if r.group else f"api/{r.version}", []).append(source)
        hashes = {path: self._hash(path, members) for path, members in groups.items()}
        self._bodies = {p: b for p, b in self._bodies.items() if self._hashes.get(p) == hashes.get(p)}
        if hashes != self._hashes:
            self._v2 = self._v2_protobuf = None
        self._groups, self._hashes = groups, hashes

    def _hash(self, path: str, members: list[Source]) -> str:
        # Of what the document is made from: making it would take longer than most clients want of the index.
        digest = hashlib.sha512(f"{self._version} {path}".encode())
        for m in members:
            digest.update(repr(m.resource).encode())
            if m.resource.custom:
                digest.update(orjson.dumps(m.schema, option=orjson.OPT_SORT_KEYS))
        return digest.hexdigest().upper()

    def index(self) -> Obj:
        """/openapi/v3: where each group version's document is."""
        return {"paths": {p: {"serverRelativeURL": f"/openapi/v3/{p}?hash={h}"} for p, h in self._hashes.items()}}

    def v3(self, path: str) -> bytes | None:
        """The document of a group version, by a path such as `apis/apps/v1`; None when it is not served."""
        members = self._groups.get(path)
        if members is None:
            return None
        if path not in self._bodies:
            self._bodies[path] = orjson.dumps(self._document(members))
        return self._bodies[path]

    def _document(self, members: list[Source]) -> Obj:
        first = members[0].resource
        paths, own = _describe(members)
        info = {"title": "Kubernetes", "version": self._version}
        if first.custom:
            info = {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"}
        named = schemas.closure({*own, *schemas.references(list(paths.values()))}, own)
        if not first.custom:
            named = {name: schemas.of_group(schema, first.group, first.version) for name, schema in named.items()}
        components: Obj = {"schemas": named}
        if not first.custom:
            components["securitySchemes"] = _SECURITY
        return {"openapi": "3.0.0", "info": info, "paths": paths, "components": components}

    def v2(self) -> bytes:
        """/openapi/v2: everything in one document."""
        if self._v2 is None:
            paths: Obj = {}
            own: dict[str, Obj] = {}
            for members in self._groups.values():
                found, named = _describe(members, v2=True)
                paths |= found
                own |= named
            named = schemas.closure({*own, *schemas.references(list(paths.values()))}, own)
            self._v2 = orjson.dumps(
                {
                    "swagger": "2.0",
                    "info": {"title": "Kubernetes", "version": self._version},
                    "paths": {p: v2.path_item(item) for p, item in sorted(paths.items())},
                    "definitions": {name: v2.schema(s) for name, s in named.items()},
                    "securityDefinitions": _SECURITY,
                    "security": [{"BearerToken": []}],
                }
            )
        return self._v2

    def v2_protobuf(self) -> bytes:
        """The same as protobuf, the form that kubectl and client-go read."""
        if self._v2_protobuf is None:
            self._v2_protobuf = v2proto.document(orjson.loads(self.v2()))
        return self._v2_protobuf

    def answer(self, path: str, headers: Mapping[str, str], query: str) -> Answer:
        """The response to a GET of `path`, which starts with /openapi/; `headers` have lower-case names."""
        body: bytes | None
        media = "application/json"
        if path in ("/openapi/v3", "/openapi/v3/"):
            return 200, "application/json", orjson.dumps(self.index()), {}
        if path == "/openapi/v2":
            accept = headers.get("accept", "")
            if "proto-openapi.spec.v2" in accept:
                media, body = v2proto.MEDIA_TYPE, self.v2_protobuf()
            elif accept and not any(m in accept for m in ("json", "*/*")):
                return 406, "text/plain; charset=utf-8", b"406 not acceptable\n", {}
            else:
                body = self.v2()
            etag = f'"{hashlib.sha512("".join(self._hashes.values()).encode()).hexdigest().upper()}"'
        else:
            part = path.removeprefix("/openapi/v3/")
            body = self.v3(part)
            if body is None:
                return 404, "", b"", {}
            etag = f'"{self._hashes[part]}"'
        extra = {"Etag": etag, "Vary": "Accept"}
        if f"hash={etag[1:-1]}" in query:
            # The address names its content: it never changes.
            extra["Cache-Control"] = "public, immutable"
        if headers.get("if-none-match") == etag:
            return 304, media, b"", extra
        return 200, media, body, extra


def _describe(members: list[Source], *, v2: bool = False) -> tuple[dict[str, Obj], dict[str, Obj]]:
    """(paths, schemas of their own) of the resources of one group version."""
    first = members[0].resource
    paths = Paths(first.group, first.version)
    own: dict[str, Obj] = {}
    if not first.custom:
        paths.discovery()
    for m in members:
        paths.add(m.resource)
        if m.resource.custom:
            own |= schemas.custom_schemas(m.resource, m.schema, v2=v2)
    return {path: hoisted(item) if "parameters" in item else item for path, item in sorted(paths.items.items())}, own
