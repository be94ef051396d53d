"""NamespaceLifecycle: nothing is made in a namespace that is missing or going; some namespaces stay for ever."""

from __future__ import annotations

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import CREATE, DELETE, UPDATE, BasePlugin, deny
from apiserver.middleware.authz.attributes import refuse
from kubepy.api.errors import NotFound
from kubepy.api.kinds import Resource

IMMORTAL = frozenset(("default", "kube-system", "kube-public"))


class NamespaceLifecycle(BasePlugin):
    """Upstream: apiserver pkg/admission/plugin/namespace/lifecycle."""

    name = "NamespaceLifecycle"

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Writes in namespaces, and deletions of namespaces."""
        if (resource.group, resource.plural) == ("", "namespaces"):
            return operation == DELETE and subresource == ""
        if (resource.group, resource.plural) == ("authorization.k8s.io", "localsubjectaccessreviews"):
            return False
        return resource.namespaced and operation in (CREATE, UPDATE)

    async def admit(self, a: Attributes) -> None:
        """Raises Forbidden, NotFound."""
        if a.operation == DELETE:
            if a.name in IMMORTAL:
                raise refuse("", "namespaces", a.name, "this namespace may not be deleted")
            return
        namespace = self.lister.get("", "namespaces", None, a.namespace)
        if namespace is None:
            # Another API server may have made it a moment ago: ask the store, not the cache.
            registry = self.tools.registry
            if registry is None:
                raise NotFound.of("", "namespaces", a.namespace)
            namespace = await registry.get(registry.of("", "namespaces"), "", a.namespace)
        if a.operation == CREATE and "deletionTimestamp" in namespace["metadata"]:
            error = deny(a, f"unable to create new content in namespace {a.namespace} because it is being terminated")
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {a.namespace} is being terminated",
                "field": "metadata.namespace",
            }
            error.details = {**(error.details or {}), "causes": [cause]}
            raise error
