"""Creating and deleting pods on behalf of an owner, with the events that upstream records about it."""

from __future__ import annotations

from typing import Any

from kubepy.api import meta
from kubepy.api.errors import NotFound, StatusError
from kubepy.client import Client
from kubepy.runtime import EventRecorder

Obj = dict[str, Any]


def prefix(owner_name: str) -> str:
    """The generateName of an owner's pods: `<name>-`, or the bare name where that is too long."""
    return f"{owner_name}-" if len(owner_name) < 253 else owner_name


def pod_from_template(template: Obj, owner: Obj) -> Obj:
    """The pod that an owner creates from its template (controller_utils.go GetPodFromTemplate); the template is not changed."""
    source = template.get("metadata") or {}
    metadata: Obj = {"generateName": prefix(meta.name(owner)), "namespace": meta.namespace(owner)}
    for key in ("labels", "annotations", "finalizers"):
        if source.get(key):
            metadata[key] = source[key].copy()
    metadata["ownerReferences"] = [meta.controller_ref(owner)]
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": template.get("spec", {})}


def namespace_terminating(error: Exception) -> bool:
    """Whether an error says that the namespace is being terminated, where every creation fails."""
    causes = (error.details or {}).get("causes") or () if isinstance(error, StatusError) else ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


class PodControl:
    """Pod writes of one controller."""

    def __init__(self, client: Client, recorder: EventRecorder) -> None:
        self._client, self._recorder = client, recorder

    async def create(self, owner: Obj, pod: Obj) -> Obj:
        """Create a pod; the outcome becomes an event about the owner. Raises StatusError."""
        try:
            made = await self._client.create("pods", pod, meta.namespace(owner))
        except StatusError as e:
            if not namespace_terminating(e):
                self._recorder.event(owner, "Warning", "FailedCreate", f"Error creating: {e}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {meta.name(made)}")
        return made

    async def delete(self, owner: Obj, pod: Obj) -> None:
        """Delete a pod; the outcome becomes an event about the owner. Raises StatusError, NotFound among them, without event."""
        try:
            await self._client.delete("pods", meta.name(pod), meta.namespace(pod))
        except NotFound:
            raise
        except StatusError as e:
            self._recorder.event(owner, "Warning", "FailedDelete", f"Error deleting: {e}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {meta.name(pod)}")
