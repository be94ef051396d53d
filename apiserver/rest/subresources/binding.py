"""pods/binding (and the older bindings): the scheduler's decision (pkg/registry/core/pod/storage/storage.go)."""

from __future__ import annotations

import orjson

from apiserver.context import Context, Obj
from apiserver.registry import objectmeta
from apiserver.registry.store import Registry
from apiserver.registry.strategy import Strategy
from apiserver.rest.subresources.posted import SUCCESS
from kubepy.api import errors, names

BARE = Strategy(has_generation=False)
"""Writes past the strategy of pods: a binding may change what an update may not."""
_LABELS_FROM = ("labels", "annotations")


class Binder:
    """Assigns pods to nodes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def create_binding(self, ctx: Context, namespace: str, _name: str, obj: Obj) -> Obj:
        """POST on bindings: the pod is the one the binding names."""
        return await self.bind(ctx, namespace, (obj.get("metadata") or {}).get("name") or "", obj)

    async def bind(self, ctx: Context, namespace: str, name: str, obj: Obj) -> Obj:
        """Set spec.nodeName. Raises BadRequest, Invalid, Conflict, NotFound."""
        meta = obj["metadata"]
        if meta.get("name") and name and meta["name"] != name:
            raise errors.BadRequest("name in URL does not match name in Binding object")
        name = name or meta.get("name") or ""
        target = obj.get("target") or {}
        found = []
        if (kind := target.get("kind", "")) and kind != "Node":
            found.append(errors.not_supported("target.kind", kind, ("Node", "<empty>")))
        if not target.get("name"):
            found.append(errors.required("target.name", ""))
        else:
            found += [errors.invalid("target.name", target["name"], m) for m in names.path_segment(target["name"])]
        if found:
            text = ", ".join(map(str, found))
            raise errors.StatusError(text if len(found) == 1 else f"[{text}]", reason="")
        served = self._registry.of("", "pods")

        def transform(old: Obj | None) -> Obj:
            if old is None:
                raise errors.NotFound.of("", "pods", name)
            self._check(old, name, target["name"], meta)
            new: Obj = orjson.loads(orjson.dumps(old))
            new["spec"]["nodeName"] = target["name"]
            for key in _LABELS_FROM:
                if meta.get(key):
                    new["metadata"][key] = {**(new["metadata"].get(key) or {}), **meta[key]}
            _scheduled(new)
            new["status"].pop("nominatedNodeName", None)  # it has its node (ClearingNominatedNodeNameAfterBinding)
            if not meta.get("resourceVersion"):
                new["metadata"].pop("resourceVersion", None)
            return new

        await self._registry.update(ctx, served, namespace, name, transform, subresource="binding", strategy=BARE, admission=False)
        return SUCCESS

    @staticmethod
    def _check(pod: Obj, name: str, node: str, meta: Obj) -> None:
        def refuse(text: str) -> errors.Conflict:
            return errors.Conflict.of("", "pods/binding", name, text)

        if (uid := meta.get("uid")) and uid != pod["metadata"]["uid"]:
            raise errors.Conflict.of(
                "", "pods/binding", name,
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: {pod['metadata']['uid']}",
            )  # fmt: skip
        if "deletionTimestamp" in pod["metadata"]:
            raise refuse(f"pod {name} is being deleted, cannot be assigned to a host")
        if present := pod["spec"].get("nodeName"):
            raise refuse(f'pod {name} is already assigned to node "{present}"')
        if pod["spec"].get("schedulingGates"):
            raise refuse(f"pod {name} has non-empty .spec.schedulingGates")


def _scheduled(pod: Obj) -> None:
    """Condition PodScheduled=True."""
    status = pod.setdefault("status", {})
    conditions = status.setdefault("conditions", [])
    now = objectmeta.timestamp()
    new: Obj = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    for i, c in enumerate(conditions):
        if c.get("type") == "PodScheduled":
            if c.get("status") == "True":
                new["lastTransitionTime"] = c.get("lastTransitionTime", now)
            conditions[i] = new
            return
    conditions.append(new)
