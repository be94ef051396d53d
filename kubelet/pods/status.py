"""A pod's status from its spec, what the runtime shows, and what was said before. Pure.

Upstream: kubelet_pods.go generateAPIPodStatus, convertToAPIContainerStatuses, getPhase; prober UpdatePodStatus.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubelet.pods import plan, spec
from kubelet.pods.conditions import conditions
from kubelet.runtime.interface import Container, PodView, State

Obj = dict[str, Any]

RUNTIME = "docker"
GONE = "The container could not be located when the pod was deleted.  The container used to be Running"
GONE_INIT = "Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally"


@dataclass(slots=True)
class Known:
    """What the status depends on besides spec and view."""

    node_ips: tuple[str, ...] = ()
    reasons: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Container → (reason, message) why it is not running, as CrashLoopBackOff or ErrImagePull."""
    messages: Mapping[str, str] = field(default_factory=dict)
    """Container id → its termination message."""
    ready: Callable[[str, str], bool] = lambda name, container_id: True
    """(container, id) → the readiness probe's word; True without a probe."""
    started: Callable[[str, str], bool] = lambda name, container_id: True
    """(container, id) → the startup probe's word; True without a probe."""
    terminal: bool = False
    """Nothing will be started again."""
    start_time: str = ""
    resize: tuple[Obj, ...] = ()
    """The conditions of an in-place resize under way."""


def rfc3339(seconds: float) -> str:
    """Seconds since the epoch as metav1.Time."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def generate(pod: Obj, view: PodView | None, old: Obj, known: Known, now: float) -> Obj:
    """The status to report; `old` is what was reported last (or the API's). Conditions keep their times unless they change."""
    statuses = {
        kind: _statuses(pod, view, old.get(f"{kind}Statuses") or [], wanted, known, kind == "initContainer")
        for kind, wanted in (
            ("container", spec.containers(pod)),
            ("initContainer", spec.init_containers(pod)),
            ("ephemeralContainer", spec.ephemeral_containers(pod)),
        )
    }
    regular, init = statuses["container"], statuses["initContainer"]
    _set_probed(pod, regular, init, statuses["ephemeralContainer"], known)
    phase = _final_phase(pod, old, compute_phase(pod, [*regular, *init], known.terminal, plan.regular_containers_created(pod, view)))
    out: Obj = {"phase": phase, "qosClass": (pod.get("status") or {}).get("qosClass") or spec.qos(pod)}
    generation = pod["metadata"].get("generation")
    if generation:
        out["observedGeneration"] = generation
    if phase == old.get("phase"):
        for key in ("reason", "message"):
            if text := old.get(key) or (pod.get("status") or {}).get(key):
                out[key] = text
    if phase in ("Failed", "Succeeded"):
        # What runs still is being ended: a container of a finished pod is not ready.
        for status in (*regular, *init):
            status["ready"] = False if "running" in status["state"] else status["ready"]
    out["conditions"] = conditions(pod, old, init, regular, phase, plan.sandbox_changed(pod, view)[0], known.resize, rfc3339(now))
    _set_addresses(pod, view, old, out, known)
    if known.start_time:
        out["startTime"] = known.start_time
    for kind, values in statuses.items():
        if values:
            out[f"{kind}Statuses"] = values
    return out


def _set_addresses(pod: Obj, view: PodView | None, old: Obj, out: Obj, known: Known) -> None:
    if known.node_ips:
        out["hostIP"] = known.node_ips[0]
        out["hostIPs"] = [{"ip": ip} for ip in known.node_ips]
    ip = ""
    if spec.host_network(pod):
        ip = known.node_ips[0] if known.node_ips else ""
    elif view is not None and view.sandbox is not None and view.sandbox.running:
        ip = view.sandbox.ip
    elif old.get("podIP"):
        ip = old["podIP"]
    if ip:
        out["podIP"] = ip
        out["podIPs"] = [{"ip": ip}]


def _state(container: Container, message: str) -> Obj:
    if container.state is State.RUNNING:
        return {"running": {"startedAt": rfc3339(container.started_at)}}
    if container.state is State.CREATED:
        return {"waiting": {}}
    out: Obj = {"exitCode": container.exit_code, "reason": container.reason}
    if message:
        out["message"] = message
    out["startedAt"] = rfc3339(container.started_at)
    out["finishedAt"] = rfc3339(container.finished_at)
    out["containerID"] = f"{RUNTIME}://{container.id}"
    return {"terminated": out}


def _mounts(container: Obj) -> list[Obj]:
    out = []
    for mount in container.get("volumeMounts") or ():
        status: Obj = {"name": mount["name"], "mountPath": mount["mountPath"]}
        if mount.get("readOnly"):
            status["readOnly"] = True
            status["recursiveReadOnly"] = "Disabled"
        out.append(status)
    return out


def _from_container(wanted: Obj, container: Container, known: Known) -> Obj:
    out: Obj = {
        "name": container.name, "state": _state(container, known.messages.get(container.id) or container.message), "lastState": {},
        "ready": False, "restartCount": container.attempt, "image": container.image, "imageID": container.image_id,
        "containerID": f"{RUNTIME}://{container.id}",
    }  # fmt: skip
    resources = wanted.get("resources") or {}
    if resources.get("requests"):
        out["allocatedResources"] = resources["requests"]
    out["resources"] = {k: v for k, v in resources.items() if k in ("requests", "limits")}
    if mounts := _mounts(wanted):
        out["volumeMounts"] = mounts
    return out


def _statuses(pod: Obj, view: PodView | None, previous: list[Obj], wanted: list[Obj], known: Known, init: bool) -> list[Obj]:
    waiting = "PodInitializing" if spec.init_containers(pod) else "ContainerCreating"
    old_by_name = {s["name"]: s for s in previous}
    out = []
    for container in wanted:
        name = container["name"]
        found = [c for c in view.containers if c.name == name] if view else []
        old = old_by_name.get(name)
        if found:
            status = _from_container(container, found[0], known)
            if len(found) > 1:
                status["lastState"] = _state(found[1], known.messages.get(found[1].id) or found[1].message)
            elif old is not None and found[0].attempt and old.get("lastState"):
                status["lastState"] = old["lastState"]
        else:
            status = _unseen(pod, container, old, waiting)
        _apply_reason(pod, view, container, status, found, known, init)
        out.append(status)
    return out if init else sorted(out, key=lambda s: str(s["name"]))


def _unseen(pod: Obj, container: Obj, old: Obj | None, waiting: str) -> Obj:
    """The status of a container of which the runtime shows nothing."""
    if old is not None and "terminated" in (old.get("state") or {}):
        return {**old}
    status: Obj = {
        "name": container["name"], "state": {"waiting": {"reason": waiting}}, "lastState": {}, "ready": False, "restartCount": 0,
        "image": container.get("image", ""), "imageID": "",
    }  # fmt: skip
    if mounts := _mounts(container):
        status["volumeMounts"] = mounts
    if old is not None:
        status["restartCount"] = old.get("restartCount", 0)
        status["lastState"] = old.get("lastState") or {}
        if "running" in (old.get("state") or {}) and "terminated" not in status["lastState"]:
            status["lastState"] = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": GONE}}
            if not pod["metadata"].get("deletionTimestamp"):
                status["restartCount"] += 1
    return status


def _apply_reason(pod: Obj, view: PodView | None, container: Obj, status: Obj, found: list[Container], known: Known, init: bool) -> None:
    """A container that is to be started and cannot be is Waiting, with the reason."""
    if init:
        if found and found[0].state is State.EXITED and found[0].exit_code == 0 and not spec.is_sidecar(container, pod):
            return
        sidecar = spec.is_sidecar(container, pod)
        if not found and not sidecar and plan.regular_containers_created(pod, view) and "waiting" in status["state"]:
            status["state"] = {"terminated": {"exitCode": 0, "reason": "Completed", "message": GONE_INIT}}
            return
    if not plan.should_be_restarted(container, pod, view):
        return
    reason = known.reasons.get(container["name"])
    if reason is None:
        return
    if "terminated" in status["state"]:
        status["lastState"] = status["state"]
    status["state"] = {"waiting": {"reason": reason[0]} | ({"message": reason[1]} if reason[1] else {})}


def _set_probed(pod: Obj, regular: list[Obj], init: list[Obj], ephemeral: list[Obj], known: Known) -> None:
    sidecars = {c["name"] for c in spec.init_containers(pod) if spec.is_sidecar(c, pod)}
    for status in (*init, *regular):
        running = "running" in status["state"]
        container_id = status.get("containerID", "").partition("://")[2]
        started = running and known.started(status["name"], container_id)
        status["started"] = started
        if status in init and status["name"] not in sidecars:
            ended = status["state"].get("terminated")
            status["ready"] = ended is not None and ended.get("exitCode") == 0
        else:
            status["ready"] = started and known.ready(status["name"], container_id)
    for status in ephemeral:
        status["ready"] = False


def _final_phase(pod: Obj, old: Obj, phase: str) -> str:
    """A terminal phase is never left."""
    for said in (pod.get("status") or {}, old):
        if spec.terminal(said):
            return str(said["phase"])
    return phase


def compute_phase(pod: Obj, statuses: list[Obj], terminal: bool, initialized: bool) -> str:
    """Pending, Running, Succeeded or Failed (getPhase)."""
    by_name = {s["name"]: s for s in statuses}
    pending_init = pending_sidecar = failed_for_good = 0
    unknown = running = waiting = stopped = stopped_for_good = succeeded = 0

    def ended(status: Obj) -> Obj | None:
        found: Obj | None = status["state"].get("terminated")
        if found is None and "waiting" in status["state"]:
            found = (status.get("lastState") or {}).get("terminated")
        return found

    for container in spec.init_containers(pod):
        status = by_name.get(container["name"])
        sidecar = spec.is_sidecar(container, pod)
        if status is None:
            unknown, pending_init = unknown + sidecar, pending_init + (not sidecar)
        elif "running" in status["state"]:
            if sidecar:
                running += 1
                pending_sidecar += not status.get("started")
            else:
                pending_init += 1
        elif (end := ended(status)) is not None:
            if not sidecar and end["exitCode"] != 0:
                failed_for_good += not spec.should_restart(container, pod, end["exitCode"])
        elif sidecar:
            pending_sidecar, waiting = pending_sidecar + 1, waiting + 1
        else:
            pending_init += 1
    for container in spec.containers(pod):
        status = by_name.get(container["name"])
        if status is None:
            unknown += 1
        elif "running" in status["state"]:
            running += 1
        elif (end := ended(status)) is not None:
            stopped += 1
            stopped_for_good += not spec.should_restart(container, pod, end["exitCode"])
            succeeded += "terminated" in status["state"] and end["exitCode"] == 0
        else:
            waiting += 1
    if failed_for_good:
        return "Failed"
    if pending_init or (pending_sidecar and not initialized) or waiting:
        return "Pending"
    if running and not unknown:
        return "Running"
    if not running and stopped and not unknown:
        if not (terminal and not spec.is_static(pod)) and stopped != stopped_for_good:
            return "Running"
        return "Succeeded" if stopped == succeeded else "Failed"
    return "Pending"
