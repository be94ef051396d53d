"""The Deployment controller: reads caches, asks plan and status what to do, writes ReplicaSets and statuses."""

from __future__ import annotations

from typing import Any

from controllers.common import pods
from controllers.common.claims import Claimer
from controllers.common.podcontrol import namespace_terminating
from controllers.common.templates import template_hash
from controllers.context import Context
from controllers.deployment import plan, revisions, status
from kubepy.api import meta
from kubepy.api.errors import AlreadyExists, NotFound, StatusError
from kubepy.api.selectors import SelectorError, from_label_selector
from kubepy.runtime import Result
from kubepy.runtime.cache import key_of

Obj = dict[str, Any]
DEPLOYMENTS, REPLICASETS = "deployments.apps", "replicasets.apps"


def start(ctx: Context) -> None:
    """Register the Deployment controller."""
    _Deployments(ctx)


class _Deployments:
    def __init__(self, ctx: Context) -> None:
        self._client, self._clock = ctx.client, ctx.clock
        self._recorder = ctx.recorder("deployment-controller")
        self._deployments, self._sets, self._pods = ctx.informer(DEPLOYMENTS), ctx.informer(REPLICASETS), ctx.informer("pods")
        for informer in (self._sets, self._pods):
            informer.cache.add_index("controller", pods.by_controller)
            informer.cache.add_index("orphan", pods.orphans)
        self._controller = ctx.controller("deployment", self._sync, workers=5)
        self._controller.watch(self._deployments)
        self._controller.depends(self._sets, self._pods)
        self._sets.on_event(self._set_changed)
        self._pods.on_event(self._pod_changed)

    def _owner_of(self, obj: Obj) -> Obj | None:
        return pods.owner_in(self._deployments.cache, obj, "Deployment")

    def _set_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        moved = old is not None and meta.controller_of(old) != meta.controller_of(new)
        if moved and old is not None and (previous := self._owner_of(old)) is not None:
            self._controller.enqueue(key_of(previous))
        if meta.controller_of(new) is not None:
            if (owner := self._owner_of(new)) is not None:
                self._controller.enqueue(key_of(owner))
        elif kind == "ADDED" or moved or (old is not None and meta.labels(old) != meta.labels(new)):
            self._offer(new)

    def _offer(self, orphan: Obj) -> None:
        labels = meta.labels(orphan)
        if not labels:
            return
        for d in self._deployments.cache.list(meta.namespace(orphan)):
            try:
                selector = from_label_selector(d["spec"].get("selector"))
            except SelectorError:
                continue
            if not selector.empty and selector.matches(labels):
                self._controller.enqueue(key_of(d))

    def _pod_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        """A Recreate rollout waits for the last old pod to be gone."""
        if kind != "DELETED" or (ref := meta.controller_of(new)) is None or ref["kind"] != "ReplicaSet":
            return
        owner_set = self._sets.cache.get(f"{meta.namespace(new)}/{ref['name']}")
        owner = self._owner_of(owner_set) if owner_set is not None else None
        if owner is not None and owner["spec"].get("strategy", {}).get("type") == "Recreate":
            self._controller.enqueue(key_of(owner))

    async def _sync(self, key: str) -> Result | None:
        cached = self._deployments.cache.get(key)
        if cached is None:
            return None
        d: Obj = {**cached, "status": {**cached.get("status", {})}}
        selector = from_label_selector(d["spec"].get("selector"))
        if selector.empty:
            text = "This deployment is selecting all pods. A non-empty selector is required."
            self._recorder.event(d, "Warning", "SelectingAll", text)
            if d["status"].get("observedGeneration", 0) < meta.generation(d):
                await self._write(d, {**d["status"], "observedGeneration": meta.generation(d)})
            return None
        cache = self._sets.cache
        candidates = cache.by_index("controller", meta.uid(d)) + cache.by_index("orphan", meta.namespace(d))
        sets = await Claimer(self._client, DEPLOYMENTS, d, REPLICASETS, selector.matches).claim(candidates)
        if meta.deleting(d):
            new, old = plan.split(d, sets)
            return await self._write_if_changed(d, status.calculate(d, new, old, self._clock.time()))
        if (changed := status.paused(d, self._clock.time())) is not None:
            d = await self._write(d, changed)
        if d["spec"].get("paused") or plan.is_scaling(d, sets):
            return await self._scale_only(d, sets)
        if d["spec"].get("strategy", {}).get("type") == "Recreate":
            return await self._recreate(d, sets)
        return await self._roll(d, sets)

    async def _scale_only(self, d: Obj, sets: list[Obj]) -> Result | None:
        d, new, old = await self._revise(d, sets, create=False)
        new, old = await self._resize(d, new, old, plan.scale(d, new, old))
        if d["spec"].get("paused"):
            await self._clean(d, old)
        return await self._write_if_changed(d, status.calculate(d, new, old, self._clock.time()))

    async def _roll(self, d: Obj, sets: list[Obj]) -> Result | None:
        d, new, old = await self._revise(d, sets, create=True)
        assert new is not None
        size = plan.replicas(new)
        wanted = plan.replicas(d) if size > plan.replicas(d) else plan.new_size(d, [*old, new], size)
        if size != wanted:
            new, old = await self._resize(d, new, old, [(new, wanted)])
        elif shrink := plan.shrink_old(d, new, old):
            new, old = await self._resize(d, new, old, shrink)
        elif status.is_complete(d, d["status"]):
            await self._clean(d, old)
        return await self._write_if_changed(d, status.rollout(d, new, old, self._clock.time()))

    async def _recreate(self, d: Obj, sets: list[Obj]) -> Result | None:
        d, new, old = await self._revise(d, sets, create=False)
        if shrink := [(rs, 0) for rs in plan.active(old)]:
            new, old = await self._resize(d, new, old, shrink)
        elif not self._old_pods_run(old):
            if new is None:
                d, new, old = await self._revise(d, sets, create=True)
            assert new is not None
            if plan.replicas(new) != plan.replicas(d):
                new, old = await self._resize(d, new, old, [(new, plan.replicas(d))])
            if status.is_complete(d, d["status"]):
                await self._clean(d, old)
        return await self._write_if_changed(d, status.rollout(d, new, old, self._clock.time()))

    def _old_pods_run(self, old: list[Obj]) -> bool:
        if plan.counted(old, "replicas") > 0:
            return True
        return any(not pods.is_terminal(p) for rs in old for p in self._pods.cache.by_index("controller", meta.uid(rs)))

    async def _revise(self, d: Obj, sets: list[Obj], *, create: bool) -> tuple[Obj, Obj | None, list[Obj]]:
        """(Deployment, new set, old sets) with revision numbers brought up to date; makes the new set if asked to."""
        new, old = plan.split(d, sets)
        number = revisions.next_revision(old)
        if new is None:
            if not create:
                return d, None, old
            d, new = await self._create_set(d, old, number)
            return d, new, old
        annotations = revisions.new_set_annotations(d, dict(meta.annotations(new)), number)
        min_ready = d["spec"].get("minReadySeconds", 0)
        if annotations != meta.annotations(new) or new["spec"].get("minReadySeconds", 0) != min_ready:
            changed = {
                **new,
                "metadata": {**new["metadata"], "annotations": annotations},
                "spec": {**new["spec"], "minReadySeconds": min_ready},
            }
            return d, await self._client.update(REPLICASETS, changed), old
        revision = annotations.get(revisions.REVISION, "")
        progress: Obj = {**d["status"]}
        found = status.has_deadline(d) and status.find(progress, "Progressing") is None
        if found:
            text = f'Found new replica set "{meta.name(new)}"'
            status.set_condition(progress, status.new_condition("Progressing", "True", "FoundNewReplicaSet", text, self._clock.time()))
        if found or meta.annotations(d).get(revisions.REVISION) != revision:
            d = await self._write(d, progress, revision)
        return d, new, old

    async def _create_set(self, d: Obj, old: list[Obj], number: int) -> tuple[Obj, Obj]:
        template = d["spec"]["template"]
        suffix = template_hash(template, d["status"].get("collisionCount"))
        labels = {**((template.get("metadata") or {}).get("labels") or {}), plan.HASH_LABEL: suffix}
        selector = d["spec"]["selector"]
        size = plan.new_size(d, old, 0)
        name = f"{meta.name(d)[: 253 - len(suffix) - 1]}-{suffix}"
        body: Obj = {
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": name, "namespace": meta.namespace(d), "labels": labels, "ownerReferences": [meta.controller_ref(d)],
                "annotations": revisions.new_set_annotations(d, None, number),
            },
            "spec": {
                "replicas": size, "minReadySeconds": d["spec"].get("minReadySeconds", 0),
                "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), plan.HASH_LABEL: suffix}},
                "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}},
            },
        }  # fmt: skip
        progress: Obj = {**d["status"]}
        existed = False
        try:
            made = await self._client.create(REPLICASETS, body, meta.namespace(d))
        except AlreadyExists:
            made = await self._client.get(REPLICASETS, name, meta.namespace(d))
            if not (meta.is_controlled_by(made, d) and plan.same_template(made["spec"]["template"], template)):
                # Another template has this hash: count the collision, which gives another name at the next try.
                progress["collisionCount"] = (progress.get("collisionCount") or 0) + 1
                await self._write(d, progress)
                raise
            existed = True
        except StatusError as e:
            if not namespace_terminating(e):
                await self._creation_failed(d, f'Failed to create new replica set "{name}": {e}')
            raise
        if not existed and size > 0:
            self._recorder.event(d, "Normal", "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {size}")
        if not existed and status.has_deadline(d):
            text = f'Created new replica set "{name}"'
            status.set_condition(progress, status.new_condition("Progressing", "True", "NewReplicaSetCreated", text, self._clock.time()))
        return await self._write(d, progress, str(number)), made

    async def _creation_failed(self, d: Obj, text: str) -> None:
        if status.has_deadline(d):
            progress: Obj = {**d["status"]}
            status.set_condition(progress, status.new_condition("Progressing", "False", "ReplicaSetCreateError", text, self._clock.time()))
            await self._write(d, progress)
        self._recorder.event(d, "Warning", "ReplicaSetCreateError", text)

    async def _resize(self, d: Obj, new: Obj | None, old: list[Obj], sizes: plan.Sizes) -> tuple[Obj | None, list[Obj]]:
        """Give sets their sizes, with an event for each change; (new set, old sets) as they are then."""
        latest: dict[str, Obj] = {}
        for rs, size in sizes:
            uid = meta.uid(rs)
            rs = latest.get(uid, rs)
            before = plan.replicas(rs)
            wanted = revisions.size_annotations(d)
            if before == size and all(meta.annotations(rs).get(k) == v for k, v in wanted.items()):
                continue
            annotations = {**meta.annotations(rs), **wanted}
            body = {**rs, "metadata": {**rs["metadata"], "annotations": annotations}, "spec": {**rs["spec"], "replicas": size}}
            updated = latest[uid] = await self._client.update(REPLICASETS, body)
            if before != size:
                direction = "up" if size > before else "down"
                text = f"Scaled {direction} replica set {meta.name(rs)} from {before} to {size}"
                self._recorder.event(d, "Normal", "ScalingReplicaSet", text)
            new = updated if new is not None and meta.uid(new) == uid else new
            old = [updated if meta.uid(o) == uid else o for o in old]
        return new, old

    async def _clean(self, d: Obj, old: list[Obj]) -> None:
        for rs in plan.to_clean(d, old, revisions.revision):
            try:
                await self._client.delete(REPLICASETS, meta.name(rs), meta.namespace(rs), propagation="Background")
            except NotFound:
                continue

    async def _write(self, d: Obj, new_status: Obj, revision: str | None = None) -> Obj:
        """Update the status, and with it the revision annotation; the Deployment as it is then."""
        metadata = d["metadata"]
        if revision is not None:
            metadata = {**metadata, "annotations": {**meta.annotations(d), revisions.REVISION: revision}}
        answer = await self._client.update_status(DEPLOYMENTS, {**d, "metadata": metadata, "status": new_status})
        answer.setdefault("status", {})
        return answer

    async def _write_if_changed(self, d: Obj, new_status: Obj) -> Result | None:
        if status.differs(new_status, d["status"]):
            d = await self._write(d, new_status)
        after = status.check_again(d, d["status"], self._clock.time())
        return Result(after=after) if after is not None else None
