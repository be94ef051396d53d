"""Discovery: /api, /apis, their groups and versions, plain and aggregated. Documents are built once per catalog generation.

Upstream: apiserver pkg/endpoints/discovery, kube-aggregator pkg/apiserver (order of groups).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import orjson

from apiserver.registry.catalog import Catalog
from apiserver.rest import negotiate
from apiserver.rest.negotiate import YAML
from apiserver.rest.request import Request
from apiserver.rest.yamlout import to_yaml
from kubepy.api import discovery as documents
from kubepy.api import errors
from kubepy.api.resource import Resource

_AS = re.compile(rb"\bas=[^;,]*")

_AGGREGATED = b"APIGroupDiscoveryList"
_NOT_FOUND = b"404 page not found\n"


class Discovery:
    """Answers discovery paths; `addresses` are what /api tells clients to use."""

    def __init__(self, catalog: Catalog, address: str) -> None:
        self._catalog = catalog
        self._address = address
        self._generation = -1
        self._cache: dict[str, bytes] = {}
        self._groups: dict[str, dict[str, list[Resource]]] = {}
        self.remote: Callable[[], tuple[int, dict[tuple[str, str], Any]]] = lambda: (0, {})
        """(generation, (group, version) → APIResourceList or None): what other servers answer (set by the aggregator)."""
        self._remote_generation = 0

    def groups(self) -> dict[str, dict[str, list[Resource]]]:
        """group → version → resources, in discovery's order."""
        generation, _ = self.remote()
        if self._generation != self._catalog.generation or generation != self._remote_generation:
            self._generation, self._remote_generation = self._catalog.generation, generation
            self._cache = {}
            self._groups = documents.by_group_version(_ordered(self._catalog))
        return self._groups

    def paths(self) -> list[str]:
        """The discovery paths for the list of roots."""
        out = ["/api", "/api/v1", "/apis"]
        for group, versions in self.groups().items():
            if group:
                out.append(f"/apis/{group}")
                out += [f"/apis/{group}/{v}" for v in versions]
        return sorted(out)

    async def serve(self, req: Request) -> bool:
        """Answer if the path is a discovery path; False: it is none."""
        path = req.path
        if not path.startswith("/api"):
            return False
        parts = [p for p in path.split("/") if p]
        if not parts or parts[0] not in ("api", "apis") or len(parts) > 3 or (parts[0] == "api" and len(parts) > 2):
            return False
        groups = self.groups()
        if len(parts) > 1:
            group = "" if parts[0] == "api" else parts[1]
            version = parts[-1] if (parts[0] == "api" or len(parts) == 3) else ""
            if group not in groups and any(g == group for g, _ in self.remote()[1]) and not version:
                await req.json(200, orjson.dumps(documents.group_document(group, self._remote_versions(group))))
                return True
            if parts[0] == "api" and version not in groups[""]:
                raise errors.NotFound("the server could not find the requested resource", details={})
            if group not in groups:
                req.send(404, _NOT_FOUND, "text/plain; charset=utf-8")
                return True
            if version and version not in groups[group]:
                if all(r.custom for resources in groups[group].values() for r in resources):
                    req.send(404, _NOT_FOUND, "text/plain; charset=utf-8")
                    return True
                raise errors.NotFound("the server could not find the requested resource", details={})
        lists = parts[0] == "apis" and len(parts) < 3  # served by plain handlers, which answer every method
        if req.method != "GET" and not lists:
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
        aggregated = len(parts) == 1 and _wants_aggregated(req.headers.get(b"accept", b""))
        if not aggregated:
            req.accept = negotiate.negotiate(_without_transform(req.headers.get(b"accept", b"")), plain=lists)
        key = "/".join(parts) + ("+" if aggregated else "")
        body = self._cache.get(key)
        if body is None:
            body = self._cache[key] = orjson.dumps(self._document(parts, aggregated))
        if aggregated:
            await self._send_aggregated(req, body)
        elif req.accept.media == YAML:
            req.send(200, to_yaml(orjson.loads(body)), YAML)
        else:
            await req.json(200, body)
        return True

    def _document(self, parts: list[str], aggregated: bool) -> Any:
        groups = self.groups()
        legacy = parts[0] == "api"
        remote = {} if legacy else self.remote()[1]
        others = [g for g in dict.fromkeys(g for g, _ in remote) if g not in groups]
        if aggregated:
            chosen = [r for g, versions in groups.items() if (not g) == legacy for rs in versions.values() for r in rs]
            out = documents.aggregated_of(chosen)
            for g in others:
                versions_ = [_remote_version(v, remote[g, v]) for v in self._remote_versions(g)]
                out["items"].append(documents.group_discovery(g, versions_))
            return out
        if len(parts) == 1:
            if legacy:
                return documents.api_versions([{"clientCIDR": "0.0.0.0/0", "serverAddress": self._address}])
            return documents.group_list([(g, list(v)) for g, v in groups.items()] + [(g, self._remote_versions(g)) for g in others])
        if legacy:
            return documents.resource_list(parts[1], groups[""][parts[1]])
        if len(parts) == 2:
            return documents.group_document(parts[1], list(groups[parts[1]]))
        return documents.resource_list(f"{parts[1]}/{parts[2]}", groups[parts[1]][parts[2]])

    def _remote_versions(self, group: str) -> list[str]:
        return sorted((v for g, v in self.remote()[1] if g == group), key=_priority)

    @staticmethod
    async def _send_aggregated(req: Request, body: bytes) -> None:
        tag = f'"{hashlib.sha512(body).hexdigest().upper()}"'.encode()
        extra = b"etag: %b\r\nvary: Accept\r\n" % tag
        if req.headers.get(b"if-none-match") == tag:
            # Clients' caches take the headers of this answer: the media type must be that of what they keep.
            req.send(304, b"", documents.AGGREGATED, extra)
            return
        req.send(200, body, documents.AGGREGATED, extra)


def _remote_version(version: str, listed: Any) -> Any:
    """Another server's APIResourceList as an entry of the aggregated document; stale while it does not answer."""
    if listed is None:
        return {"version": version, "resources": [], "freshness": "Stale"}
    resources: list[Any] = []
    by_name: dict[str, Any] = {}
    for r in listed.get("resources") or ():
        name, _, sub = r["name"].partition("/")
        group, _, own = listed.get("groupVersion", "").rpartition("/")
        kind = {"group": r.get("group") or group, "version": r.get("version") or own, "kind": r["kind"]}
        if sub:
            entry = {"subresource": sub, "responseKind": kind, "verbs": r.get("verbs") or []}
            if name in by_name:
                by_name[name].setdefault("subresources", []).append(entry)
            continue
        shown = {
            "resource": name, "responseKind": kind, "scope": "Namespaced" if r.get("namespaced") else "Cluster",
            "singularResource": r.get("singularName", ""), "verbs": r.get("verbs") or [],
        }  # fmt: skip
        shown |= {k: r[k] for k in ("shortNames", "categories") if r.get(k)}
        by_name[name] = shown
        resources.append(shown)
    return {"version": version, "resources": resources, "freshness": "Current"}


def _wants_aggregated(accept: bytes) -> bool:
    for clause in accept.split(b","):
        if _AGGREGATED in clause and b"application/json" in clause:
            params = {p.strip() for p in clause.split(b";")[1:]}
            if b"g=apidiscovery.k8s.io" in params and b"v=v2" in params:
                return True
    return False


def _without_transform(accept: bytes) -> bytes:
    """`accept` with every transformation made one that nobody has: discovery knows no tables, and what else is offered counts."""
    return b",".join(_AS.sub(b"as=none", clause) for clause in accept.split(b","))


def _ordered(catalog: Catalog) -> list[Resource]:
    """Built-in groups first, in the table's order; custom groups by name, their versions by Kubernetes' version order."""
    built_in = [s.resource for s in catalog if not s.resource.custom]
    custom = [s.resource for s in catalog if s.resource.custom]
    return _table_order(built_in) + sorted(custom, key=lambda r: (r.group, _priority(r.version), r.plural))


def _table_order(resources: list[Resource]) -> list[Resource]:
    from kubepy.api.kinds import RESOURCES

    place = {(r.group, r.version, r.plural): i for i, r in enumerate(RESOURCES)}
    return sorted(resources, key=lambda r: place.get((r.group, r.version, r.plural), len(place)))


def _priority(version: str) -> tuple[int, int, int, str]:
    """GA before beta before alpha, higher numbers first; other names last, by name (version.CompareKubeAwareVersionStrings)."""
    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return (3, 0, 0, version)
    level = {None: 0, "beta": 1, "alpha": 2}[match.group(2)]
    return (level, -int(match.group(1)), -int(match.group(3) or 0), "")
