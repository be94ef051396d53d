"""podFailurePolicy and successPolicy: what a failed pod, or the set of succeeded indexes, means for its Job. Pure."""

from __future__ import annotations

from typing import Any

from controllers.common import pods
from controllers.job import indexes
from kubepy.api import meta

Obj = dict[str, Any]

FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"


def only_replace_failed(job: Obj) -> bool:
    """Whether a pod is replaced only once it has fully failed, not when it begins to terminate."""
    spec = job["spec"]
    return bool(spec.get("podReplacementPolicy") == "Failed" or spec.get("podFailurePolicy"))


def is_failed(pod: Obj, job: Obj) -> bool:
    """Whether a pod counts as failed."""
    if pods.phase(pod) == "Failed":
        return True
    if only_replace_failed(job):
        return False
    return meta.deleting(pod) and pods.phase(pod) != "Succeeded"


def judge(job: Obj, pod: Obj) -> tuple[str | None, bool, str | None]:
    """(message with which the Job fails or None, whether the failure counts, the action that matched) (matchPodFailurePolicy)."""
    policy = job["spec"].get("podFailurePolicy")
    for number, rule in enumerate((policy or {}).get("rules") or ()):
        action = rule["action"]
        text = None
        if codes := rule.get("onExitCodes"):
            status = _by_exit_code(pod, codes)
            if status is None:
                continue
            exit_code = status["state"]["terminated"]["exitCode"]
            text = (
                f"Container {status['name']} for pod {meta.namespace(pod)}/{meta.name(pod)} failed with exit code {exit_code} "
                f"matching {action} rule at index {number}"
            )
        elif patterns := rule.get("onPodConditions"):
            matched = _by_condition(pod, patterns)
            if matched is None:
                continue
            text = f"Pod {meta.namespace(pod)}/{meta.name(pod)} has condition {matched} matching {action} rule at index {number}"
        if action == "Ignore":
            return None, False, action
        if action in ("Count", "FailIndex"):
            return None, True, action
        if action == "FailJob":
            return text, True, action
    return None, True, None


def _by_exit_code(pod: Obj, codes: Obj) -> Obj | None:
    status = pod.get("status", {})
    wanted = set(codes.get("values") or ())
    for entry in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        terminated = entry.get("state", {}).get("terminated")
        if not terminated or not terminated.get("exitCode"):
            continue
        if codes.get("containerName") and codes["containerName"] != entry["name"]:
            continue
        if (terminated["exitCode"] in wanted) == (codes["operator"] == "In"):
            found: Obj = entry
            return found
    return None


def _by_condition(pod: Obj, patterns: list[Obj]) -> str | None:
    for condition in pod.get("status", {}).get("conditions") or ():
        if any(p["type"] == condition["type"] and p.get("status", "True") == condition["status"] for p in patterns):
            return str(condition["type"])
    return None


def succeeded_enough(job: Obj, succeeded: set[int]) -> str | None:
    """The message of the successPolicy rule that is met, or None (matchSuccessPolicy)."""
    completions = job["spec"]["completions"]
    for number, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules") or ()):
        count = rule.get("succeededCount")
        if rule.get("succeededIndexes") is not None:
            required = indexes.parse(rule["succeededIndexes"], completions)
            met = len(required & succeeded) >= count if count is not None else required <= succeeded
        else:
            met = count is not None and len(succeeded) >= count
        if met:
            return f"Matched rules at index {number}"
    return None


def index_failures(pod: Obj, job: Obj) -> tuple[int, int]:
    """(counted failures, ignored failures) of a failed pod's index, this failure included."""
    counted, ignored = _count(pod, FAILURES), _count(pod, IGNORED)
    return (counted + 1, ignored) if judge(job, pod)[1] else (counted, ignored + 1)


def index_has_failed(pod: Obj, job: Obj) -> bool:
    """Whether this failed pod uses up its index."""
    if judge(job, pod)[2] == "FailIndex":
        return True
    return index_failures(pod, job)[0] > int(job["spec"]["backoffLimitPerIndex"])


def absolute_failures(pod: Obj) -> int:
    """All failures before this pod within its index."""
    return _count(pod, FAILURES) + _count(pod, IGNORED)


def _count(pod: Obj, annotation: str) -> int:
    text = meta.annotations(pod).get(annotation, "")
    return int(text) if text.isdigit() else 0
