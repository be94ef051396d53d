"""What a test has asked of a cluster: a model of random operations on every workload kind, seeded, each retried as real clients do."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from kubepy.api.errors import AlreadyExists, Conflict, NotFound, StatusError
from kubepy.client.rest import Client

Obj = dict[str, Any]

NAMESPACE = "chaos"
RESOURCES = {
    "Deployment": "deployments.apps",
    "ReplicaSet": "replicasets.apps",
    "StatefulSet": "statefulsets.apps",
    "DaemonSet": "daemonsets.apps",
    "Job": "jobs.batch",
    "CronJob": "cronjobs.batch",
    "Service": "services",
}
WEIGHTS = {"Deployment": 8, "ReplicaSet": 3, "StatefulSet": 4, "DaemonSet": 1, "Job": 4, "CronJob": 2, "Service": 3}
LIMITS = {"Deployment": 8, "ReplicaSet": 4, "StatefulSet": 5, "DaemonSet": 2, "Job": 10, "CronJob": 3, "Service": 8}
ADOPTERS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")
POLICIES = ("Background", "Foreground", "Orphan")
TRIES = 40


@dataclass
class World:
    """The objects that should exist, by (kind, name), and the names whose dependents were orphaned on purpose."""

    client: Client
    chance: random.Random
    wanted: dict[tuple[str, str], Obj] = field(default_factory=dict)
    orphaned: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    count: int = 0

    # -- the operations -------------------------------------------------------------------------------------------------------

    async def step(self) -> None:
        """One random operation."""
        kind = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        names = [name for k, name in self.wanted if k == kind]
        if not names or (len(names) < LIMITS[kind] and self.chance.random() < 0.3):
            await self.create(kind)
            return
        name = self.chance.choice(names)
        verb = self.chance.choice(VERBS[kind])
        self.done.append(f"{verb.__name__} {kind} {name}")
        await verb(self, kind, name)

    async def create(self, kind: str) -> None:
        """A new object, sometimes under the name of one whose dependents wait to be adopted."""
        waiting = sorted(n for n in self.orphaned if n.startswith(f"{kind.lower()}-") and (kind, n) not in self.wanted)
        if kind in ADOPTERS and waiting and self.chance.random() < 0.5:
            name = self.chance.choice(waiting)
        else:
            self.count += 1
            name = f"{kind.lower()}-{self.count}"
        body = MAKERS[kind](self, name)
        self.done.append(f"create {kind} {name}")
        self.wanted[kind, name] = body

        async def call() -> None:
            try:
                await self.client.create(RESOURCES[kind], body, NAMESPACE)
            except AlreadyExists:
                # Either our own write whose answer was lost, or the former object of that name, which is still being deleted.
                try:
                    found = await self.client.get(RESOURCES[kind], name, NAMESPACE)
                except NotFound:
                    raise Conflict(f"{name} was deleted just now") from None
                if found["metadata"].get("deletionTimestamp"):
                    raise Conflict(f"{name} is being deleted") from None

        await retried(call)

    async def scale(self, kind: str, name: str) -> None:
        """Through the scale subresource."""
        replicas = self.chance.choice((0, 1, 2, 3, 4, 6))
        self.wanted[kind, name]["spec"]["replicas"] = replicas

        async def call() -> None:
            scale = await self.client.get(RESOURCES[kind], name, NAMESPACE, subresource="scale")
            scale["spec"]["replicas"] = replicas
            await self.client.update(RESOURCES[kind], scale, NAMESPACE, subresource="scale")

        await retried(call)

    async def retemplate(self, kind: str, name: str) -> None:
        """A new template, as `kubectl set env` makes one."""
        value = str(self.chance.randrange(1000))
        await self._change(kind, name, lambda o: o["spec"]["template"]["spec"]["containers"][0].update(env=[{"name": "V", "value": value}]))

    async def pause(self, kind: str, name: str) -> None:
        """Pause a rollout, or resume it."""
        paused = not self.wanted[kind, name]["spec"].get("paused", False)
        await self._change(kind, name, lambda o: o["spec"].update(paused=paused))

    async def suspend(self, kind: str, name: str) -> None:
        """Suspend a Job or CronJob, or resume it."""
        suspended = not self.wanted[kind, name]["spec"].get("suspend", False)
        await self._change(kind, name, lambda o: o["spec"].update(suspend=suspended))

    async def parallel(self, kind: str, name: str) -> None:
        """Another parallelism."""
        number = self.chance.choice((1, 2, 3, 5))
        await self._change(kind, name, lambda o: o["spec"].update(parallelism=number))

    async def rollback(self, kind: str, name: str) -> None:
        """Take the template of an older ReplicaSet, as `kubectl rollout undo` does; nothing if there is none."""
        found: list[Obj] = []

        async def read() -> None:
            found[:] = (await self.client.list("replicasets.apps", NAMESPACE, label_selector=f"app={name}"))["items"]

        await retried(read)
        if len(found) < 2 or self.wanted[kind, name]["spec"].get("paused"):
            return
        template = copy.deepcopy(self.chance.choice(found)["spec"]["template"])
        template["metadata"]["labels"].pop("pod-template-hash", None)
        await self._change(kind, name, lambda o: o["spec"].update(template=copy.deepcopy(template)))

    async def delete_pod(self, kind: str, name: str) -> None:
        """Delete one of its pods, at once or gracefully."""
        found: list[Obj] = []

        async def read() -> None:
            found[:] = (await self.client.list("pods", NAMESPACE, label_selector=f"app={name}"))["items"]

        await retried(read)
        if found:
            pod = self.chance.choice(found)["metadata"]["name"]
            grace = self.chance.choice((0, None))
            await retried(lambda: gone_is_fine(self.client.delete("pods", pod, NAMESPACE, grace=grace)))

    async def delete(self, kind: str, name: str) -> None:
        """Delete it with one of the three policies."""
        policy = self.chance.choice(POLICIES)
        self.done[-1] += f" {policy}"
        self.wanted.pop((kind, name))
        if policy == "Orphan":
            self.orphaned.add(name)
        await retried(lambda: gone_is_fine(self.client.delete(RESOURCES[kind], name, NAMESPACE, propagation=policy)))

    async def settle(self) -> None:
        """Resume what is paused or suspended, so that the end is known; CronJobs are suspended."""
        for kind, name in list(self.wanted):
            spec = self.wanted[kind, name]["spec"]
            if kind == "CronJob" and not spec["suspend"]:
                await self.suspend(kind, name)
            elif kind == "Deployment" and spec.get("paused"):
                await self.pause(kind, name)
            elif kind == "Job" and spec.get("suspend"):
                await self.suspend(kind, name)

    async def _change(self, kind: str, name: str, change: Callable[[Obj], object]) -> None:
        """Read, change, write: again on a conflict."""
        change(self.wanted[kind, name])

        async def call() -> None:
            found = await self.client.get(RESOURCES[kind], name, NAMESPACE)
            change(found)
            await self.client.update(RESOURCES[kind], found, NAMESPACE)

        await retried(call)


async def gone_is_fine(call: Awaitable[Any]) -> None:
    """A deletion whose object is gone has succeeded."""
    try:
        await call
    except NotFound:
        return


async def retried(call: Callable[[], Awaitable[Any]]) -> None:
    """Call again on a lost connection, a server that is not there, and a conflict; other errors are the test's."""
    for attempt in range(TRIES):
        try:
            await call()
            return
        except Conflict:
            if attempt == TRIES - 1:
                raise
        except StatusError as error:
            if error.status_code not in (429, 500, 503, 504) or attempt == TRIES - 1:
                raise
        await asyncio.sleep(min(1.0, 0.05 * 2**attempt))


# -- the objects --------------------------------------------------------------------------------------------------------------


def template(name: str, command: list[str] | None = None, **spec: Any) -> Obj:
    """A pod template with the label app=<name>."""
    container: Obj = {"name": "c", "image": "registry.example/app:1", "resources": {"requests": {"cpu": "60m", "memory": "16Mi"}}}
    if command:
        container["command"] = command
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec}}


def _selected(world: World, name: str, kind: str, **spec: Any) -> Obj:
    chosen = {"selector": {"matchLabels": {"app": name}}, "template": template(name), **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "labels": {"app": name}}, "spec": chosen}


def _deployment(world: World, name: str) -> Obj:
    strategies: list[Obj] = [
        {"type": "Recreate"},
        {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "50%", "maxUnavailable": "25%"}},
    ]
    return _selected(world, name, "Deployment", replicas=world.chance.randrange(6), strategy=world.chance.choice(strategies))


def _replicaset(world: World, name: str) -> Obj:
    return _selected(world, name, "ReplicaSet", replicas=world.chance.randrange(6))


def _statefulset(world: World, name: str) -> Obj:
    policy = world.chance.choice(("OrderedReady", "Parallel"))
    return _selected(world, name, "StatefulSet", replicas=world.chance.randrange(5), serviceName=name, podManagementPolicy=policy)


def _daemonset(world: World, name: str) -> Obj:
    strategy: Obj = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": world.chance.choice((1, "50%"))}}
    return _selected(world, name, "DaemonSet", updateStrategy=strategy)


def _job_spec(world: World, name: str, suspend: bool = False) -> Obj:
    completions = world.chance.randrange(1, 6)
    pod = template(name, ["sleep", str(world.chance.choice((0.1, 0.5, 1.5)))], restartPolicy="Never")
    mode = world.chance.choice(("Indexed", "NonIndexed"))
    parallelism = world.chance.randrange(1, 4)
    spec: Obj = {"completions": completions, "parallelism": parallelism, "completionMode": mode, "suspend": suspend}
    return {**spec, "backoffLimit": 30, "template": pod}


def _job(world: World, name: str) -> Obj:
    spec = _job_spec(world, name, world.chance.random() < 0.2)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def _cronjob(world: World, name: str) -> Obj:
    made = {"metadata": {"labels": {"app": name}}, "spec": _job_spec(world, name)}
    spec = {"schedule": "* * * * *", "suspend": world.chance.random() < 0.5, "concurrencyPolicy": "Allow", "jobTemplate": made}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def _service(world: World, name: str) -> Obj:
    apps = [n for k, n in world.wanted if k in ADOPTERS] or ["nothing"]
    spec = {"selector": {"app": world.chance.choice(apps)}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": {"svc": name}}, "spec": spec}


MAKERS: dict[str, Callable[[World, str], Obj]] = {
    "Deployment": _deployment,
    "ReplicaSet": _replicaset,
    "StatefulSet": _statefulset,
    "DaemonSet": _daemonset,
    "Job": _job,
    "CronJob": _cronjob,
    "Service": _service,
}
Verb = Callable[[World, str, str], Awaitable[None]]
REPLICATED: list[Verb] = [World.scale, World.scale, World.retemplate, World.delete_pod, World.delete]
VERBS: dict[str, list[Verb]] = {
    "Deployment": [*REPLICATED, World.retemplate, World.pause, World.rollback],
    "ReplicaSet": REPLICATED,
    "StatefulSet": REPLICATED,
    "DaemonSet": [World.retemplate, World.retemplate, World.delete_pod, World.delete],
    "Job": [World.suspend, World.parallel, World.delete],
    "CronJob": [World.suspend, World.suspend, World.delete],
    "Service": [World.delete],
}
