"""Which nodes need which objects: the pods bound to each node and what those pods refer to.

Kept up to date event by event once `follow` runs; before that it is built from the lister when pods have changed
(plugin/pkg/auth/authorizer/node/graph.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from apiserver.context import Lister, Obj

if TYPE_CHECKING:
    from apiserver.storage.cacher import Cacher
    from apiserver.storage.entry import Entry

Reference = tuple[str, str, str]
"""(plural, namespace, name)."""

_SECRET_SOURCES: dict[str, tuple[str, ...]] = {
    "azureFile": ("secretName",),
    "cephfs": ("secretRef", "name"),
    "cinder": ("secretRef", "name"),
    "flexVolume": ("secretRef", "name"),
    "rbd": ("secretRef", "name"),
    "secret": ("secretName",),
    "scaleIO": ("secretRef", "name"),
    "iscsi": ("secretRef", "name"),
    "storageos": ("secretRef", "name"),
    "csi": ("nodePublishSecretRef", "name"),
}
"""Volume source → where it names a secret (pkg/api/v1/pod/util.go VisitPodSecretNames)."""
_MIRROR = "kubernetes.io/config.mirror"
_PREFIX = "/registry/pods/"
_BOUND = b'"nodeName":"'
_CHANGEABLE = (b"ephemeralContainers", b"esourceClaim")
"""Marks of pods whose references can change after they are bound; for all others one look is enough."""


class _State:
    """The pods known, and for each object how many pods of which node refer to it."""

    def __init__(self) -> None:
        self.reach: dict[Reference, dict[str, int]] = {}
        self._pods: dict[tuple[str, str], tuple[str, tuple[Reference, ...]]] = {}

    def __contains__(self, pod: tuple[str, str]) -> bool:
        return pod in self._pods

    def put(self, pod: Obj) -> None:
        """Add or replace a pod; one that is not bound yet is left out."""
        meta = pod["metadata"]
        namespace, name = meta["namespace"], meta["name"]
        self.drop(namespace, name)
        node = pod.get("spec", {}).get("nodeName")
        if not node:
            return
        reached: tuple[Reference, ...] = (("pods", namespace, name),)
        # A mirror pod is the node's own: it must not open anything else to it.
        if _MIRROR not in (meta.get("annotations") or {}):
            reached += references(pod, namespace)
        self._pods[namespace, name] = (node, reached)
        for reference in reached:
            counts = self.reach.setdefault(reference, {})
            counts[node] = counts.get(node, 0) + 1

    def drop(self, namespace: str, name: str) -> None:
        """Remove a pod."""
        known = self._pods.pop((namespace, name), None)
        if known is None:
            return
        node, reached = known
        for reference in reached:
            counts = self.reach[reference]
            if counts[node] > 1:
                counts[node] -= 1
                continue
            del counts[node]
            if not counts:
                del self.reach[reference]


class PodGraph:
    """Answers whether a pod on a node refers to an object."""

    def __init__(self, lister: Lister) -> None:
        self._lister = lister
        self._state = _State()
        self._generation: int | None = None
        self._followed = False

    def reaches(self, node: str, reference: Reference) -> bool:
        """Whether a pod bound to `node` is, or refers to, the object."""
        if not self._followed:
            self._refresh()
        return node in self._state.reach.get(reference, ())

    async def follow(self, cacher: Cacher) -> None:
        """Keep up with the cache's watch of pods, until cancelled. Run as a task."""
        while True:
            state = _State()
            watcher = cacher.watch(_PREFIX, None, initial_bookmark=True)
            try:
                async for batch in watcher:
                    for event in batch:
                        entry = event.entry
                        if entry is None:
                            self._state = state
                            self._followed = True
                        elif event.type == "DELETED":
                            state.drop(entry.namespace or "", entry.name)
                        elif _matters(entry, state):
                            state.put(entry.obj)
            finally:
                watcher.close()
                self._followed = False
                self._generation = None

    def _refresh(self) -> None:
        generation = self._lister.generation("", "pods")
        if generation == self._generation:
            return
        self._state = _State()
        for pod in self._lister.list("", "pods"):
            self._state.put(pod)
        self._generation = generation


def _matters(entry: Entry, state: _State) -> bool:
    """Whether a written pod may change the graph. Told from its bytes: most pods that are written are not bound yet, or known."""
    if (entry.namespace or "", entry.name) in state:
        return any(word in entry.raw for word in _CHANGEABLE)
    return _BOUND in entry.raw


def references(pod: Obj, namespace: str) -> tuple[Reference, ...]:
    """What a pod refers to, all of it in its own namespace."""
    spec = pod["spec"]
    out: list[Reference] = []
    if spec.get("serviceAccountName"):
        out.append(("serviceaccounts", namespace, spec["serviceAccountName"]))
    out.extend(("secrets", namespace, s["name"]) for s in spec.get("imagePullSecrets") or () if s.get("name"))
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            out.extend((plural, namespace, name) for plural, name in _environment(container))
    for volume in spec.get("volumes") or ():
        out.extend((plural, namespace, name) for plural, name in _volume(volume, pod["metadata"]["name"]))
    status = pod.get("status", {})
    made = {s["name"]: s.get("resourceClaimName") for s in status.get("resourceClaimStatuses") or ()}
    for claim in spec.get("resourceClaims") or ():
        name = claim.get("resourceClaimName") or made.get(claim["name"])
        if name:
            out.append(("resourceclaims", namespace, name))
    extended = (status.get("extendedResourceClaimStatus") or {}).get("resourceClaimName")
    if extended:
        out.append(("resourceclaims", namespace, extended))
    return tuple(dict.fromkeys(out))


def _environment(container: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom") or ():
        for key, plural in (("secretRef", "secrets"), ("configMapRef", "configmaps")):
            if source.get(key, {}).get("name"):
                yield plural, source[key]["name"]
    for variable in container.get("env") or ():
        origin = variable.get("valueFrom") or {}
        for key, plural in (("secretKeyRef", "secrets"), ("configMapKeyRef", "configmaps")):
            if origin.get(key, {}).get("name"):
                yield plural, origin[key]["name"]


def _volume(volume: dict[str, Any], pod: str) -> Iterator[tuple[str, str]]:
    for source, path in _SECRET_SOURCES.items():
        value: Any = volume.get(source)
        for part in path:
            value = value.get(part) if value else None
        if value:
            yield "secrets", value
    if (volume.get("configMap") or {}).get("name"):
        yield "configmaps", volume["configMap"]["name"]
    for source in (volume.get("projected") or {}).get("sources") or ():
        for key, plural in (("secret", "secrets"), ("configMap", "configmaps")):
            if (source.get(key) or {}).get("name"):
                yield plural, source[key]["name"]
    if (volume.get("persistentVolumeClaim") or {}).get("claimName"):
        yield "persistentvolumeclaims", volume["persistentVolumeClaim"]["claimName"]
    elif "ephemeral" in volume:
        yield "persistentvolumeclaims", f"{pod}-{volume['name']}"
