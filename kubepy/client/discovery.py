"""What a server serves, as kinds.Resource values: aggregated discovery, custom resources included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from kubepy.api.kinds import Resource, Subresource
from kubepy.client.rest import Client

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True)
class Discovered:
    """All resources of all served versions, and the group-versions whose server did not answer."""

    resources: tuple[Resource, ...]
    stale: tuple[str, ...] = ()

    def preferred(self) -> list[Resource]:
        """One resource per (group, plural): that of the version the server names first."""
        out: dict[tuple[str, str], Resource] = {}
        for resource in self.resources:
            out.setdefault((resource.group, resource.plural), resource)
        return list(out.values())


async def discover(client: Client) -> Discovered:
    """Ask `/api` and `/apis`. Raises StatusError; a group that fails is listed as stale, not raised."""
    resources: list[Resource] = []
    stale: list[str] = []
    for path in ("/api", "/apis"):
        doc = orjson.loads(await client.raw("GET", path, headers={"Accept": _AGGREGATED}))
        for item in doc.get("items", ()):
            group = item.get("metadata", {}).get("name", "")
            for version in item.get("versions", ()):
                if version.get("freshness") == "Stale":
                    stale.append(f"{group}/{version['version']}" if group else version["version"])
                resources += [_resource(group, version["version"], r) for r in version.get("resources", ())]
    return Discovered(tuple(resources), tuple(stale))


def _resource(group: str, version: str, entry: dict[str, Any]) -> Resource:
    return Resource(
        group=group,
        version=version,
        plural=entry["resource"],
        kind=entry["responseKind"]["kind"],
        singular=entry.get("singularResource", ""),
        namespaced=entry["scope"] == "Namespaced",
        verbs=tuple(entry.get("verbs", ())),
        short_names=tuple(entry.get("shortNames", ())),
        categories=tuple(entry.get("categories", ())),
        subresources=tuple(
            Subresource(
                s["subresource"],
                s["responseKind"]["kind"],
                tuple(s.get("verbs", ())),
                s["responseKind"]["group"] if s["responseKind"].get("version") else None,
                s["responseKind"].get("version") or None,
            )
            for s in entry.get("subresources", ())
        ),
    )
