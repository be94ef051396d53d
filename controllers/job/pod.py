"""The pods that a Job creates, from its template. Pure."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from controllers.common.podcontrol import pod_from_template
from controllers.job import indexes, policies
from kubepy.api import meta

Obj = dict[str, Any]

FINALIZER = "batch.kubernetes.io/job-tracking"
_FIELD = f"metadata.labels['{indexes.INDEX}']"
_ENV = {"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": _FIELD}}}


def tracked(pod: Obj) -> bool:
    """Whether the pod still has the tracking finalizer."""
    return FINALIZER in meta.finalizers(pod)


def build(job: Obj, index: int | None, replaced: Obj | None) -> Obj:
    """A new pod, for an index of an Indexed Job; `replaced` is the failed pod of that index whose failures it inherits."""
    pod = pod_from_template(job["spec"]["template"], job)
    metadata = pod["metadata"]
    finalizers = metadata.get("finalizers") or []
    if FINALIZER not in finalizers:
        metadata["finalizers"] = [*finalizers, FINALIZER]
    if index is None:
        return pod
    metadata["generateName"] = indexes.generate_name(meta.name(job), index)
    annotations = {**(metadata.get("annotations") or {}), indexes.INDEX: str(index)}
    metadata["labels"] = {**(metadata.get("labels") or {}), indexes.INDEX: str(index)}
    if job["spec"].get("backoffLimitPerIndex") is not None:
        counted, ignored = policies.index_failures(replaced, job) if replaced is not None else (0, 0)
        annotations[policies.FAILURES] = str(counted)
        if ignored:
            annotations[policies.IGNORED] = str(ignored)
    metadata["annotations"] = annotations
    spec = pod["spec"] = deepcopy(pod["spec"])
    spec["hostname"] = f"{meta.name(job)}-{index}"
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or ():
            env = container.get("env") or []
            if not any(e["name"] == "JOB_COMPLETION_INDEX" for e in env):
                container["env"] = [*env, deepcopy(_ENV)]
    return pod
