"""What makes a pod the n-th of its StatefulSet: name, labels, host name, claims, revision. Pure (stateful_set_utils.go)."""

from __future__ import annotations

import re
from typing import Any

from controllers.common import pods
from controllers.common.podcontrol import pod_from_template
from kubepy.api import meta

Obj = dict[str, Any]

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
REVISION = "controller-revision-hash"
_NAME = re.compile(r"(.*)-([0-9]+)$", re.DOTALL)


def parent_and_ordinal(pod: Obj) -> tuple[str, int]:
    """(the set's name, the ordinal) that a pod's name says; ("", -1) when it says none."""
    match = _NAME.match(meta.name(pod))
    return (match[1], int(match[2])) if match else ("", -1)


def ordinal(pod: Obj) -> int:
    """The ordinal, or -1."""
    return parent_and_ordinal(pod)[1]


def is_member(statefulset: Obj, pod: Obj) -> bool:
    """Whether the pod's name is one of the set's."""
    return parent_and_ordinal(pod)[0] == meta.name(statefulset)


def first_ordinal(statefulset: Obj) -> int:
    """spec.ordinals.start."""
    return int((statefulset["spec"].get("ordinals") or {}).get("start", 0))


def replicas(statefulset: Obj) -> int:
    """spec.replicas."""
    return int(statefulset["spec"].get("replicas", 1))


def in_range(statefulset: Obj, pod: Obj) -> bool:
    """Whether the ordinal is among the wanted ones."""
    begin = first_ordinal(statefulset)
    return begin <= ordinal(pod) < begin + replicas(statefulset)


def revision_of(pod: Obj) -> str:
    """The name of the revision that the pod was made from."""
    return meta.labels(pod).get(REVISION, "")


def claims(statefulset: Obj, pod: Obj) -> dict[str, Obj]:
    """The PersistentVolumeClaims of a pod by the names of their templates."""
    out = {}
    number = ordinal(pod)
    selector = (statefulset["spec"].get("selector") or {}).get("matchLabels") or {}
    for template in statefulset["spec"].get("volumeClaimTemplates") or ():
        source = template["metadata"]
        metadata: Obj = {
            **source,
            "name": f"{source['name']}-{meta.name(statefulset)}-{number}",
            "namespace": meta.namespace(statefulset),
            "labels": {**(source.get("labels") or {}), **selector},
        }
        out[source["name"]] = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]}
    return out


def with_identity(statefulset: Obj, pod: Obj) -> Obj:
    """The pod with the labels that follow from its name, and the volumes of its claims."""
    labels = {**meta.labels(pod), POD_NAME: meta.name(pod), POD_INDEX: str(ordinal(pod))}
    spec = dict(pod["spec"])
    own = claims(statefulset, pod)
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": meta.name(claim)}} for name, claim in own.items()]
    volumes += [v for v in spec.get("volumes") or () if v["name"] not in own]
    if volumes:
        spec["volumes"] = volumes
    return {**pod, "metadata": {**pod["metadata"], "labels": labels}, "spec": spec}


def new_pod(statefulset: Obj, template: Obj, number: int, revision: str) -> Obj:
    """A pod that does not exist yet."""
    pod = pod_from_template(template, statefulset)
    name = f"{meta.name(statefulset)}-{number}"
    pod["metadata"]["name"] = name
    pod["metadata"]["labels"] = {**(pod["metadata"].get("labels") or {}), REVISION: revision}
    spec = pod["spec"] = {**pod["spec"], "hostname": name}
    if service := statefulset["spec"].get("serviceName"):
        spec["subdomain"] = service
    return with_identity(statefulset, pod)


def is_named(pod: Obj) -> bool:
    """Whether an existing pod has its name as a label (identityMatches); a missing index label is no reason to touch it."""
    return meta.labels(pod).get(POD_NAME) == meta.name(pod)


def has_storage(statefulset: Obj, pod: Obj) -> bool:
    """Whether an existing pod mounts its claims (storageMatches)."""
    mounted = {v["name"]: v.get("persistentVolumeClaim", {}).get("claimName") for v in pod["spec"].get("volumes") or ()}
    return all(mounted.get(name) == meta.name(claim) for name, claim in claims(statefulset, pod).items())


def is_created(pod: Obj) -> bool:
    """Whether the pod exists in the API."""
    return bool(pods.phase(pod))


def is_running_and_ready(pod: Obj) -> bool:
    """Running and Ready."""
    return pods.phase(pod) == "Running" and pods.is_ready(pod)
