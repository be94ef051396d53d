"""DynamicResources: claims of devices hold a pod to the nodes where they were allocated (upstream plugins/dynamicresources).

Claims that are allocated are honoured. Allocating devices is not done here: a pod whose claim nobody allocates waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from scheduler.framework import changes, nodeselector
from scheduler.framework.cluster import RESOURCE_CLAIMS, Cluster
from scheduler.framework.interface import Cycle, Hint, Rejection, Unschedulable
from scheduler.framework.podinfo import Obj, PodInfo
from scheduler.framework.snapshot import Bools

NOT_HERE = "resourceclaim not available on the node"
CANNOT = "cannot allocate all claims"


class DynamicResources:
    """Filter."""

    name = "DynamicResources"

    def __init__(self) -> None:
        self.hints: Mapping[str, Hint] = {
            kind: (lambda pod, old, new: bool(pod.spec.get("resourceClaims")))
            for kind in (changes.RESOURCE_CLAIM, changes.NODE_ADD, changes.NODE_LABEL)
        }

    def prefilter(self, cycle: Cycle) -> Bools | None:
        """Look the pod's resource claims up; refuses those that are missing, going, or used by as many as may."""
        pod = cycle.pod
        if pod.spec.get("resourceClaims"):
            cycle.state[self.name] = [_claim(cycle.snapshot.cluster, pod, ref) for ref in pod.spec["resourceClaims"]]
        return None

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes that an allocation leaves out, and all of them while something is not allocated."""
        s = cycle.snapshot
        for claim in cycle.state.get(self.name) or ():
            allocation = (claim.get("status") or {}).get("allocation")
            if not allocation:
                yield Rejection(CANNOT, s.alive.copy(), False)
            elif allocation.get("nodeSelector"):
                yield Rejection(NOT_HERE, ~nodeselector.selector(s, allocation["nodeSelector"]), False)


def _claim(cluster: Cluster, pod: PodInfo, ref: Obj) -> Obj:
    name = ref.get("resourceClaimName")
    if name is None:
        made = {s["name"]: s.get("resourceClaimName") for s in (pod.obj.get("status") or {}).get("resourceClaimStatuses") or []}
        if ref["name"] not in made:
            raise Unschedulable(f'pod "{pod.key}": ResourceClaim not created yet')
        name = made[ref["name"]]
    claim = cluster.get(RESOURCE_CLAIMS, f"{pod.namespace}/{name}")
    if claim is None:
        raise Unschedulable(f'resourceclaim.resource.k8s.io "{name}" not found')
    if "deletionTimestamp" in claim["metadata"]:
        raise Unschedulable(f'resourceclaim "{name}" is being deleted')
    return claim
