"""OwnerReferencesPermissionEnforcement: who sets an owner must be able to delete what he gives it, and who blocks the owner's
deletion must be able to set its finalizers. Off by default.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import UPDATE, BasePlugin, deny
from apiserver.context import Obj, RequestInfo
from kubepy.api.kinds import Resource


class OwnerReferencesPermissionEnforcement(BasePlugin):
    """Upstream: plugin/pkg/admission/gc."""

    name = "OwnerReferencesPermissionEnforcement"
    default_on = False

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Everything that is written, but for the status of pods, which cannot change owners."""
        return operation in self.operations and not (subresource == "status" and (resource.group, resource.plural) == ("", "pods"))

    def handles(self, a: Attributes) -> bool:
        """Writes that change the owners."""
        return self.tools.authorizer is not None and _owners(a.obj) != _owners(a.old)

    async def validate(self, a: Attributes) -> None:
        """Raises Forbidden."""
        r = a.resource
        if a.operation == UPDATE:
            allowed, reason = self._may(a, "delete", r.group, r.version, r.plural, a.subresource, a.namespace, a.name)
            if not allowed:
                raise deny(a, f"cannot set an ownerRef on a resource you can't delete: {reason}, <nil>")
        blocked_before = {ref.get("uid") for ref in _owners(a.old) if ref.get("blockOwnerDeletion")}
        blocking = [ref for ref in _owners(a.obj) if ref.get("blockOwnerDeletion") and ref.get("uid") not in blocked_before]
        if not blocking or self._may(a, "update", "*", "*", "*", "finalizers", "", "*")[0]:
            return
        for ref in blocking:
            self._check_finalizers(a, ref)

    def _check_finalizers(self, a: Attributes, ref: Obj) -> None:
        version, kind = ref.get("apiVersion", ""), ref.get("kind", "")
        owner = self.tools.registry.catalog.by_kind(version, kind)
        if owner is None:
            group, _, short = version.rpartition("/")
            problem = f'no matches for kind "{kind}" in version "{f"{group}/{short}" if group else short}"'
            text = f"cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion {version} Kind {kind}"
            raise deny(a, f"{text}: {problem}")
        r = owner.resource
        namespace = a.namespace if r.namespaced else ""
        allowed, reason = self._may(a, "update", r.group, r.version, r.plural, "finalizers", namespace, ref.get("name", ""))
        if not allowed:
            text = "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on"
            raise deny(a, f"{text}: {reason}, <nil>")

    def _may(
        self, a: Attributes, verb: str, group: str, version: str, plural: str, subresource: str, namespace: str, name: str
    ) -> tuple[bool, str]:
        info = RequestInfo(True, "", verb, group, version, plural, subresource, namespace, name)
        allowed, reason = self.tools.authorizer.authorize(a.ctx.user, info)
        return bool(allowed), str(reason)


def _owners(obj: Obj | None) -> Sequence[Obj]:
    return ((obj or {}).get("metadata") or {}).get("ownerReferences") or ()
