"""What create, update and patch share: options into the context, field ownership, names that must agree.

Upstream: apiserver pkg/endpoints/handlers/{create,update,rest}.go, fieldmanager.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from apiserver.context import Context, Obj
from apiserver.middleware.authz.attributes import refuse
from apiserver.registry import objectmeta
from apiserver.registry.catalog import Catalog, Served
from apiserver.registry.strategy import Strategy
from kubepy.api import errors
from kubepy.api.patch.managed import ManagedFields
from kubepy.api.schema import Node

_STATUS_RESETS = ("spec",)
_METADATA_TOO = ("metadata", "spec")
_OTHER_STATUS_RESETS = {
    ("", "pods"): ("spec", "metadata.deletionTimestamp", "metadata.ownerReferences"),
    ("apps", "deployments"): ("spec", "metadata.labels"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): _METADATA_TOO,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _METADATA_TOO,
    ("apiregistration.k8s.io", "apiservices"): _METADATA_TOO,
    ("certificates.k8s.io", "certificatesigningrequests"): ("spec", "status.conditions"),
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): _METADATA_TOO,
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): _METADATA_TOO,
    ("networking.k8s.io", "servicecidrs"): _METADATA_TOO,
    ("resource.k8s.io", "resourceclaims"): _METADATA_TOO,
    ("storage.k8s.io", "volumeattachments"): _METADATA_TOO,
}


class Ownership:
    """The ManagedFields of every endpoint, made once each."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._made: WeakKeyDictionary[Served, dict[str, ManagedFields]] = WeakKeyDictionary()

    def of(self, served: Served, subresource: str = "") -> ManagedFields:
        """Ownership at one endpoint of a resource."""
        by_name = self._made.get(served)
        if by_name is None:
            by_name = self._made[served] = {}
        found = by_name.get(subresource)
        if found is None:
            found = by_name[subresource] = self._make(served, subresource)
        return found

    def _make(self, served: Served, subresource: str) -> ManagedFields:
        r = served.resource
        strategy = strategy_of(served, subresource)
        resets = strategy.reset_fields
        if subresource == "status" and "status" not in served.strategy.subresources:
            resets = _OTHER_STATUS_RESETS.get((r.group, r.plural), _STATUS_RESETS)

        def convert(obj: Obj, api_version: str) -> tuple[Obj, Node] | None:
            other = self._catalog.by_kind(api_version, r.kind)
            if r.custom and other is not None and (other.resource.group, other.resource.plural) == (r.group, r.plural):
                # What a webhook would make of it is not known here; ownership follows the names of fields.
                return {**obj, "apiVersion": api_version}, other.node
            if other is None or other.work is not served.work:
                return None
            hub = obj if served.to_hub is None else served.to_hub(obj)
            return (hub if other.from_hub is None else other.from_hub(hub)), other.node

        return ManagedFields(
            served.node, r.api_version, r.kind, subresource=subresource, reset_fields=resets, custom=r.custom, convert=convert
        )


def strategy_of(served: Served, subresource: str) -> Strategy:
    """The strategy of an endpoint."""
    return served.strategy.subresources.get(subresource, served.strategy)


def manager_of(options: Obj, agent: str) -> str:
    """The field manager: as given, or the part of the User-Agent before the first slash."""
    given: str = options.get("fieldManager", "")
    if given:
        return given
    name = "".join(c for c in agent.split("/", 1)[0] if c.isprintable())
    return name.encode()[:128].decode("utf-8", "ignore") or "unknown"


def apply_options(ctx: Context, options: Obj) -> None:
    """Put write options into the context."""
    ctx.dry_run = bool(options.get("dryRun"))
    ctx.field_validation = options.get("fieldValidation") or "Warn"
    ctx.field_manager = manager_of(options, ctx.user_agent)


def own(fields: ManagedFields, live: Obj | None, new: Obj, manager: str, as_sent: Obj | None = None) -> None:
    """Set `new`'s managedFields for an update by `manager`; `as_sent` is what to look at instead (Context.as_sent)."""
    entries = fields.on_update(live, as_sent or new, manager, objectmeta.timestamp())
    meta = new["metadata"]
    if entries:
        meta["managedFields"] = entries
    else:
        meta.pop("managedFields", None)


def check_thawed(served: Served, name: str) -> None:
    """Nothing is created while its definition goes away; raises Forbidden."""
    if served.frozen:
        raise refuse(served.resource.group, served.resource.plural, name, served.frozen)


def check_name(obj: Obj, name: str, namespace: str) -> None:
    """The object's name and namespace must be those of the path; raises BadRequest."""
    meta = obj.get("metadata") or {}
    found = meta.get("name") or ""
    if not found:
        raise errors.BadRequest(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if found != name:
        raise errors.BadRequest(f"the name of the object ({found}) does not match the name on the URL ({name})")
    space = meta.get("namespace") or ""
    if namespace and space and space != namespace:
        raise errors.BadRequest(f"the namespace of the object ({space}) does not match the namespace on the request ({namespace})")
