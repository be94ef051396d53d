"""What must hold once a cluster has come to rest: pure functions from everything that is stored to a list of violations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from kubepy.api.quantity import parse
from kubepy.client.rest import Client

Obj = dict[str, Any]
Dump = dict[str, list[Obj]]

READ = (
    "namespaces", "nodes", "pods", "services", "endpoints", "replicasets.apps", "deployments.apps", "statefulsets.apps",
    "daemonsets.apps", "controllerrevisions.apps", "jobs.batch", "cronjobs.batch", "endpointslices.discovery.k8s.io",
)  # fmt: skip
BATCH_FINALIZER = "batch.kubernetes.io/job-tracking"
ENDED = ("Succeeded", "Failed")


async def dump(client: Client) -> Dump:
    """Everything of the kinds that matter here, of all namespaces."""
    return {resource: (await client.list(resource))["items"] for resource in READ}


def violations(found: Dump, wanted: Mapping[tuple[str, str], Obj], orphaned: set[str], namespace: str) -> list[str]:
    """Every difference between what is stored and what was asked."""
    own = {r: [o for o in items if o["metadata"].get("namespace") == namespace] for r, items in found.items()}
    return [
        *_asked(own, wanted), *_owners(own, orphaned, wanted), *_identities(found), *_replicas(own, wanted), *_jobs(own, wanted),
        *_endpoints(own), *_finalizers(own), *_nodes(found),
    ]  # fmt: skip


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def controller(obj: Obj) -> str:
    """The uid of an object's controller, or empty."""
    return next((str(r["uid"]) for r in obj["metadata"].get("ownerReferences") or () if r.get("controller")), "")


def is_ready(pod: Obj) -> bool:
    """Whether the pod's Ready condition holds and it is not being deleted."""
    conditions = pod.get("status", {}).get("conditions") or ()
    return not pod["metadata"].get("deletionTimestamp") and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _asked(own: Dump, wanted: Mapping[tuple[str, str], Obj]) -> Iterator[str]:
    """What was created is there, what was deleted is not."""
    kinds = {
        "Deployment": "deployments.apps", "StatefulSet": "statefulsets.apps", "DaemonSet": "daemonsets.apps", "CronJob": "cronjobs.batch",
        "Service": "services",
    }  # fmt: skip
    for kind, resource in kinds.items():
        there, asked = {_name(o) for o in own[resource]}, {n for k, n in wanted if k == kind}
        yield from (f"{kind} {n} should be there" for n in asked - there)
        yield from (f"{kind} {n} should be gone" for n in there - asked)
    for resource, kind in (("replicasets.apps", "ReplicaSet"), ("jobs.batch", "Job")):
        there = {_name(o) for o in own[resource]}
        yield from (f"{kind} {n} should be there" for k, n in wanted if k == kind and n not in there)
    for items in own.values():
        yield from (f"{o.get('kind', '')} {_name(o)} is still being deleted" for o in items if o["metadata"].get("deletionTimestamp"))


def _owners(own: Dump, orphaned: set[str], wanted: Mapping[tuple[str, str], Obj]) -> Iterator[str]:
    """Owners exist; what has none was made by the test or orphaned on purpose."""
    uids = {o["metadata"]["uid"] for items in own.values() for o in items}
    asked = {n for _, n in wanted}
    adopting = {n for k, n in wanted if k in _WORKLOADS}
    for resource, items in own.items():
        for obj in items:
            refs = obj["metadata"].get("ownerReferences") or ()
            yield from (f"{resource} {_name(obj)}: its owner {r['kind']} {r['name']} is gone" for r in refs if r["uid"] not in uids)
            app = (obj["metadata"].get("labels") or {}).get("app", "")
            if not refs and app and _name(obj) not in asked and (app not in orphaned or app in adopting):
                yield f"{resource} {_name(obj)} has no owner, and nobody orphaned it"


def _identities(found: Dump) -> Iterator[str]:
    """No two pods with one address; no two with one index or ordinal of one owner (names see to ordinals)."""
    alive = [p for p in found["pods"] if p.get("status", {}).get("phase") not in ENDED]
    addresses = Counter(p["status"]["podIP"] for p in alive if p["status"].get("podIP") and not p["spec"].get("hostNetwork"))
    yield from (f"{count} pods have the address {ip}" for ip, count in addresses.items() if count > 1)
    ranges = Counter(n["spec"].get("podCIDR", "") for n in found["nodes"])
    yield from (f"{count} nodes have the range {cidr or 'none'}" for cidr, count in ranges.items() if count > 1 or not cidr)
    indexes = Counter(
        (controller(p), p["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"])
        for p in found["pods"]
        if controller(p)
        and "batch.kubernetes.io/job-completion-index" in (p["metadata"].get("annotations") or {})
        and p.get("status", {}).get("phase") != "Failed"
    )
    yield from (f"{count} pods of job {owner} have the index {index}" for (owner, index), count in indexes.items() if count > 1)


def _replicas(own: Dump, wanted: Mapping[tuple[str, str], Obj]) -> Iterator[str]:
    """Exactly the pods that were asked for, ready, of the newest template; and status says so."""
    by_owner: dict[str, list[Obj]] = {}
    for pod in own["pods"]:
        by_owner.setdefault(controller(pod), []).append(pod)
    stored = {(kind, _name(o)): o for kind, r in _WORKLOADS.items() for o in own[r]}
    for (kind, name), asked in wanted.items():
        obj = stored.get((kind, name))
        if obj is None or kind not in _WORKLOADS:
            continue
        status, spec = obj.get("status") or {}, obj["spec"]
        uid = obj["metadata"]["uid"]
        count = status.get("desiredNumberScheduled", 0) if kind == "DaemonSet" else asked["spec"]["replicas"]
        if kind != "DaemonSet" and spec.get("replicas") != count:
            yield f"{kind} {name} wants {spec.get('replicas')} replicas, asked were {count}"
        sets = [r for r in own["replicasets.apps"] if controller(r) == uid] if kind == "Deployment" else [obj]
        pods = [p for s in sets for p in by_owner.get(s["metadata"]["uid"], ())]
        if len(pods) != count or sum(map(is_ready, pods)) != count:
            yield f"{kind} {name}: {len(pods)} pods, {sum(map(is_ready, pods))} ready, asked were {count}: {sorted(map(_name, pods))}"
        if status.get("observedGeneration") != obj["metadata"]["generation"]:
            yield f"{kind} {name}: observed generation {status.get('observedGeneration')} of {obj['metadata']['generation']}"
        told = status.get("numberReady" if kind == "DaemonSet" else "readyReplicas", 0)
        if told != count:
            yield f"{kind} {name}: status tells {told} ready of {count}"
        if kind == "DaemonSet" and count != len({p["spec"].get("nodeName") for p in pods}):
            yield f"{kind} {name}: pods on {sorted(str(p['spec'].get('nodeName')) for p in pods)}"
        if kind == "StatefulSet" and {_name(p) for p in pods} != {f"{name}-{i}" for i in range(count)}:
            yield f"{kind} {name}: ordinals {sorted(map(_name, pods))} of {count}"
        if kind == "ReplicaSet":
            continue  # its pods need not be of its newest template
        want = asked["spec"]["template"]["spec"]["containers"][0].get("env")
        for pod in pods:
            if pod["spec"]["containers"][0].get("env") != want:
                yield f"{kind} {name}: pod {_name(pod)} is of an old template"


_WORKLOADS = {
    "Deployment": "deployments.apps", "ReplicaSet": "replicasets.apps", "StatefulSet": "statefulsets.apps", "DaemonSet": "daemonsets.apps",
}  # fmt: skip


def _jobs(own: Dump, wanted: Mapping[tuple[str, str], Obj]) -> Iterator[str]:
    """Every Job is complete, and each completion was counted once."""
    for job in own["jobs.batch"]:
        name, spec, status = _name(job), job["spec"], job.get("status") or {}
        if ("Job", name) not in wanted and not job["metadata"].get("ownerReferences"):
            continue  # orphaned: it may be suspended for ever
        conditions = {c["type"] for c in status.get("conditions") or () if c["status"] == "True"}
        if "Complete" not in conditions:
            yield f"Job {name} is not complete: {status}"
            continue
        if status.get("succeeded") != spec["completions"] or status.get("active") or status.get("terminating"):
            yield f"Job {name}: {spec['completions']} completions asked, status {status}"
        if any((status.get("uncountedTerminatedPods") or {}).values()):
            yield f"Job {name} has uncounted pods: {status['uncountedTerminatedPods']}"
        last = spec["completions"] - 1
        whole = "0" if last == 0 else "0,1" if last == 1 else f"0-{last}"
        if spec.get("completionMode") == "Indexed" and status.get("completedIndexes") != whole:
            yield f"Job {name}: completed indexes {status.get('completedIndexes')} of {whole}"
        pods = [p for p in own["pods"] if controller(p) == job["metadata"]["uid"]]
        succeeded = sum(p.get("status", {}).get("phase") == "Succeeded" for p in pods)
        if succeeded != spec["completions"]:
            yield f"Job {name}: {succeeded} pods have succeeded, {spec['completions']} completions asked"


def _endpoints(own: Dump) -> Iterator[str]:
    """A Service's EndpointSlices and Endpoints name exactly its ready pods."""
    for service in own["services"]:
        name, selector = _name(service), service["spec"].get("selector") or {}
        chosen = [p for p in own["pods"] if selector.items() <= (p["metadata"].get("labels") or {}).items()]
        ready = {p["status"]["podIP"] for p in chosen if is_ready(p)}
        slices = [s for s in own["endpointslices.discovery.k8s.io"] if s["metadata"]["labels"].get("kubernetes.io/service-name") == name]
        told = Counter(
            a for s in slices for e in s.get("endpoints") or () if (e.get("conditions") or {}).get("ready") for a in e["addresses"]
        )
        if set(told) != ready or any(count > 1 for count in told.values()):
            yield f"Service {name}: slices tell {sorted(told)}, ready are {sorted(ready)}"
        points = next((e for e in own["endpoints"] if _name(e) == name), None)
        old = {a["ip"] for s in (points or {}).get("subsets") or () for a in s.get("addresses") or ()}
        if points is None or old != ready:
            yield f"Endpoints {name}: {'missing' if points is None else sorted(old)}, ready are {sorted(ready)}"


def _finalizers(own: Dump) -> Iterator[str]:
    """Nothing holds a finalizer any more (Jobs are complete by now)."""
    for resource, items in own.items():
        for obj in items:
            if left := obj["metadata"].get("finalizers"):
                yield f"{resource} {_name(obj)} has finalizers {left}"


def _nodes(found: Dump) -> Iterator[str]:
    """Every pod's node exists and can bear the pods bound to it."""
    nodes = {_name(n): n for n in found["nodes"]}
    load: dict[str, Counter[str]] = {name: Counter() for name in nodes}
    for pod in found["pods"]:
        node = pod["spec"].get("nodeName", "")
        if node and node not in nodes:
            yield f"pod {_name(pod)} is on {node}, which does not exist"
        elif node and pod.get("status", {}).get("phase") not in ENDED:
            load[node]["pods"] += 1
            for container in pod["spec"]["containers"]:
                for resource, text in ((container.get("resources") or {}).get("requests") or {}).items():
                    load[node][resource] += parse(text).milli_value()
    for name, used in load.items():
        room = nodes[name]["status"]["allocatable"]
        for resource, amount in used.items():
            has = int(room["pods"]) if resource == "pods" else parse(room.get(resource, "0")).milli_value()
            if amount > has:
                yield f"node {name} has {has} of {resource}, its pods ask {amount}"
