"""Discovery documents, built from lists of resources. Pure: callers add what is theirs (addresses, aggregated groups).

Upstream: apiserver pkg/endpoints/discovery and pkg/endpoints/discovery/aggregated; apidiscovery.k8s.io/v2 (KEP-3352).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kubepy.api.resource import Resource, Subresource

Obj = dict[str, Any]

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""The media type of the aggregated documents."""


def by_group_version(resources: Iterable[Resource]) -> dict[str, dict[str, list[Resource]]]:
    """group → version → resources, in the order of `resources` (which is discovery's order of preference)."""
    out: dict[str, dict[str, list[Resource]]] = {}
    for r in resources:
        out.setdefault(r.group, {}).setdefault(r.version, []).append(r)
    return out


def api_versions(addresses: Sequence[Obj]) -> Obj:
    """/api: the versions of the legacy group. `addresses` are ServerAddressByClientCIDR objects."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": list(addresses)}


def api_group(group: str, versions: Sequence[str]) -> Obj:
    """One metav1.APIGroup, as an entry of a list; the first version is the preferred one."""
    entries = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions]
    return {"name": group, "versions": entries, "preferredVersion": entries[0]}


def group_document(group: str, versions: Sequence[str]) -> Obj:
    """/apis/<group>."""
    return {"kind": "APIGroup", "apiVersion": "v1", **api_group(group, versions)}


def group_list(groups: Iterable[tuple[str, Sequence[str]]]) -> Obj:
    """/apis: the groups with their versions, in order of priority. The legacy group is left out."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [api_group(g, v) for g, v in groups if g]}


def _entry(r: Resource) -> Obj:
    out: Obj = {
        "name": r.plural,
        "singularName": r.singular,
        "namespaced": r.namespaced,
        "kind": r.kind,
        "verbs": list(r.verbs),
    }
    if r.short_names:
        out["shortNames"] = list(r.short_names)
    if r.categories:
        out["categories"] = list(r.categories)
    if r.storage_version_hash:
        out["storageVersionHash"] = r.storage_version_hash
    return out


def _subentry(r: Resource, s: Subresource) -> Obj:
    out: Obj = {"name": f"{r.plural}/{s.name}", "singularName": "", "namespaced": r.namespaced}
    if s.version is not None:
        out |= {"group": s.group, "version": s.version}
    return out | {"kind": s.kind, "verbs": list(s.verbs)}


def resource_list(group_version: str, resources: Iterable[Resource]) -> Obj:
    """/api/v1 or /apis/<group>/<version>: metav1.APIResourceList, each resource followed by its subresources."""
    entries = []
    for r in resources:
        entries.append(_entry(r))
        entries += [_subentry(r, s) for s in r.subresources]
    # Custom resources' lists carry their apiVersion too, and so do the built-in ones except the legacy group's.
    head: Obj = {"kind": "APIResourceList"}
    if group_version != "v1":
        head["apiVersion"] = "v1"
    return head | {"groupVersion": group_version, "resources": entries}


def _kind(r: Resource, group: str, version: str, kind: str) -> Obj:
    """The kind of answers; built-in resources leave out group and version where they are their own."""
    if not r.custom and (group, version) == (r.group, r.version):
        group = version = ""
    return {"group": group, "version": version, "kind": kind}


def _discovery(r: Resource) -> Obj:
    out: Obj = {
        "resource": r.plural,
        "responseKind": _kind(r, r.group, r.version, r.kind),
        "scope": "Namespaced" if r.namespaced else "Cluster",
        "singularResource": r.singular,
        "verbs": list(r.verbs),
    }
    if r.short_names:
        out["shortNames"] = list(r.short_names)
    if r.categories:
        out["categories"] = list(r.categories)
    if r.subresources:
        out["subresources"] = [
            {
                "subresource": s.name,
                "responseKind": _kind(r, r.group if s.group is None else s.group, s.version or r.version, s.kind),
                "verbs": list(s.verbs),
            }
            for s in r.subresources
        ]
    return out


def version_discovery(version: str, resources: Iterable[Resource], freshness: str = "Current") -> Obj:
    """One apidiscovery APIVersionDiscovery; freshness is Current or Stale."""
    return {"version": version, "resources": [_discovery(r) for r in resources], "freshness": freshness}


def group_discovery(group: str, versions: Sequence[Obj]) -> Obj:
    """One apidiscovery APIGroupDiscovery of version_discovery() values."""
    return {"metadata": {"name": group} if group else {}, "versions": list(versions)}


def aggregated(groups: Iterable[Obj]) -> Obj:
    """The aggregated answer of /api or /apis: an APIGroupDiscoveryList of group_discovery() values."""
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": list(groups)}


def aggregated_of(resources: Iterable[Resource]) -> Obj:
    """The aggregated document of some resources, all fresh."""
    grouped = by_group_version(resources)
    return aggregated(group_discovery(g, [version_discovery(v, rs) for v, rs in versions.items()]) for g, versions in grouped.items())
