"""Rows of pods and of what makes them. Upstream: pkg/printers/internalversion/printers.go."""

from __future__ import annotations

from typing import Any

from kubepy.api.meta import controller_of, group_version
from kubepy.api.selectors import SelectorError, format_label_selector, from_label_selector
from kubepy.api.tables.cells import (
    NONE,
    Obj,
    Printer,
    age,
    containers,
    deleting,
    is_true,
    labels,
    name,
    spec,
    status,
    template_containers,
    yes_no,
)
from kubepy.api.tables.duration import human_duration, seconds_of, since


def _terminated_reason(terminated: Obj, prefix: str = "") -> str:
    if terminated.get("reason"):
        return f"{prefix}{terminated['reason']}"
    if terminated.get("signal"):
        return f"{prefix}Signal:{terminated['signal']}"
    return f"{prefix}ExitCode:{terminated.get('exitCode', 0)}"


class _Restarts:
    """Counts restarts, and remembers the last."""

    def __init__(self) -> None:
        self.count = 0
        self.last = ""

    def add(self, container: Obj) -> None:
        self.count += container.get("restartCount") or 0
        finished = ((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
        if finished and finished > self.last:
            self.last = finished

    def text(self, now: float) -> str:
        return f"{self.count} ({since(self.last, now)} ago)" if self.count and self.last else str(self.count)


def pod(obj: Obj, now: float) -> list[Any]:
    """A pod's state in a word: the reason of the container that is worst off, or the phase."""
    pod_spec, pod_status = spec(obj), status(obj)
    phase = pod_status.get("phase", "")
    reason = pod_status.get("reason") or phase
    if any(c.get("type") == "PodScheduled" and c.get("reason") == "SchedulingGated" for c in pod_status.get("conditions") or ()):
        reason = "SchedulingGated"
    init_specs = {c.get("name"): c for c in pod_spec.get("initContainers") or ()}
    sidecars = {n for n, c in init_specs.items() if c.get("restartPolicy") == "Always"}
    total = len(pod_spec.get("containers") or ()) + len(sidecars)
    ready = 0
    all_init, sidecar_restarts = _Restarts(), _Restarts()
    initializing = False
    for i, container in enumerate(pod_status.get("initContainerStatuses") or ()):
        all_init.add(container)
        sidecar = container.get("name") in sidecars
        if sidecar:
            sidecar_restarts.add(container)
        state = container.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if sidecar and container.get("started"):
            ready += bool(container.get("ready"))
            continue
        if terminated is not None:
            reason = _terminated_reason(terminated, "Init:")
        elif waiting.get("reason") and waiting["reason"] != "PodInitializing":
            reason = f"Init:{waiting['reason']}"
        else:
            reason = f"Init:{i}/{len(init_specs)}"
        initializing = True
        break
    restarts = all_init
    if not initializing or is_true(obj, "Initialized"):
        restarts = sidecar_restarts
        running = False
        for container in reversed(pod_status.get("containerStatuses") or ()):
            restarts.add(container)
            state = container.get("state") or {}
            terminated, waiting = state.get("terminated"), state.get("waiting") or {}
            if waiting.get("reason"):
                reason = waiting["reason"]
            elif terminated is not None:
                reason = _terminated_reason(terminated)
            elif container.get("ready") and state.get("running") is not None:
                running = True
                ready += 1
        if reason == "Completed" and running:
            reason = "Running" if is_true(obj, "Ready") else "NotReady"
    if deleting(obj):
        if pod_status.get("reason") == "NodeLost":
            reason = "Unknown"
        elif phase not in ("Succeeded", "Failed"):
            reason = "Terminating"
    ips = pod_status.get("podIPs") or ()
    gates = [g.get("conditionType", "") for g in pod_spec.get("readinessGates") or ()]
    return [
        name(obj),
        f"{ready}/{total}",
        reason,
        restarts.text(now),
        age(obj, now),
        (ips[0].get("ip") if ips else pod_status.get("podIP")) or NONE,
        pod_spec.get("nodeName") or NONE,
        pod_status.get("nominatedNodeName") or NONE,
        f"{sum(is_true(obj, g) for g in gates)}/{len(gates)}" if gates else NONE,
    ]


def _pod_template(obj: Obj, _now: float) -> list[Any]:
    template = obj.get("template") or {}
    return [name(obj), *containers(template.get("spec") or {}), labels((template.get("metadata") or {}).get("labels"))]


def _replicas(obj: Obj, now: float) -> list[Any]:
    st = status(obj)
    counts = [spec(obj).get("replicas", 0), st.get("replicas", 0), st.get("readyReplicas", 0)]
    return [name(obj), *counts, age(obj, now), *template_containers(obj)]


def _replication_controller(obj: Obj, now: float) -> list[Any]:
    return [*_replicas(obj, now), labels(spec(obj).get("selector"))]


def _replica_set(obj: Obj, now: float) -> list[Any]:
    return [*_replicas(obj, now), format_label_selector(spec(obj).get("selector"))]


def _daemon_set(obj: Obj, now: float) -> list[Any]:
    st = status(obj)
    fields = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable")
    node_selector = ((spec(obj).get("template") or {}).get("spec") or {}).get("nodeSelector")
    return [
        name(obj),
        *(st.get(f, 0) for f in fields),
        labels(node_selector),
        age(obj, now),
        *template_containers(obj),
        format_label_selector(spec(obj).get("selector")),
    ]


def _ready(obj: Obj) -> str:
    return f"{status(obj).get('readyReplicas', 0)}/{spec(obj).get('replicas', 0)}"


def _stateful_set(obj: Obj, now: float) -> list[Any]:
    return [name(obj), _ready(obj), age(obj, now), *template_containers(obj)]


def _deployment(obj: Obj, now: float) -> list[Any]:
    st = status(obj)
    try:
        selector = str(from_label_selector(spec(obj).get("selector")))
    except SelectorError:
        selector = "<invalid>"
    counts = [st.get("updatedReplicas", 0), st.get("availableReplicas", 0)]
    return [name(obj), _ready(obj), *counts, age(obj, now), *template_containers(obj), selector]


def _controller_revision(obj: Obj, now: float) -> list[Any]:
    owner = controller_of(obj)
    shown = NONE
    if owner is not None:
        group, _ = group_version(owner.get("apiVersion", ""))
        kind = owner.get("kind", "").lower()
        shown = f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"
    return [name(obj), shown, obj.get("revision", 0), age(obj, now)]


_JOB_STATES = (("Complete", "Complete"), ("Failed", "Failed"), ("", "Terminating"), ("Suspended",) * 2, ("FailureTarget",) * 2)


def _job(obj: Obj, now: float) -> list[Any]:
    st, sp = status(obj), spec(obj)
    succeeded = st.get("succeeded", 0)
    if sp.get("completions") is not None:
        completions = f"{succeeded}/{sp['completions']}"
    elif sp.get("parallelism", 0) > 1:
        completions = f"{succeeded}/1 of {sp['parallelism']}"
    else:
        completions = f"{succeeded}/1"
    duration = ""
    if st.get("startTime"):
        end = seconds_of(st["completionTime"]) if st.get("completionTime") else now
        duration = human_duration(end - seconds_of(st["startTime"]))
    state = next((shown for kind, shown in _JOB_STATES if (is_true(obj, kind) if kind else deleting(obj))), "Running")
    selector = format_label_selector(sp.get("selector"))
    return [name(obj), state, completions, duration, age(obj, now), *template_containers(obj), selector]


def _cron_job(obj: Obj, now: float) -> list[Any]:
    sp, st = spec(obj), status(obj)
    job = (sp.get("jobTemplate") or {}).get("spec") or {}
    return [
        name(obj),
        sp.get("schedule", ""),
        NONE if sp.get("timeZone") is None else sp["timeZone"],
        yes_no(sp.get("suspend")),
        len(st.get("active") or ()),
        since(st["lastScheduleTime"], now) if st.get("lastScheduleTime") else NONE,
        age(obj, now),
        *containers((job.get("template") or {}).get("spec") or {}),
        format_label_selector(job.get("selector")),
    ]


def _disruption_budget(obj: Obj, now: float) -> list[Any]:
    sp = spec(obj)
    bounds = [str(sp[f]) if sp.get(f) is not None else "N/A" for f in ("minAvailable", "maxUnavailable")]
    return [name(obj), *bounds, status(obj).get("disruptionsAllowed", 0), age(obj, now)]


def pod_row_conditions(obj: Obj) -> list[dict[str, str]]:
    """TableRow.conditions: pods that are over are marked Completed."""
    phase = status(obj).get("phase")
    messages = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}
    if phase not in messages:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": messages[phase]}]


PRINTERS: dict[tuple[str, str], Printer] = {
    ("", "pods"): pod,
    ("", "podtemplates"): _pod_template,
    ("", "replicationcontrollers"): _replication_controller,
    ("apps", "replicasets"): _replica_set,
    ("apps", "daemonsets"): _daemon_set,
    ("apps", "statefulsets"): _stateful_set,
    ("apps", "deployments"): _deployment,
    ("apps", "controllerrevisions"): _controller_revision,
    ("batch", "jobs"): _job,
    ("batch", "cronjobs"): _cron_job,
    ("policy", "poddisruptionbudgets"): _disruption_budget,
}
