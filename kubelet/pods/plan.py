"""What to do next for one pod, from its spec and what the runtime shows. Pure: (pod, view, probe verdicts) → Plan.

Upstream: kuberuntime computePodActions, computeInitContainerActions; container.ShouldContainerBeRestarted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from kubelet.pods import spec
from kubelet.runtime.interface import Container, PodView, State

Obj = dict[str, Any]


class Verdict(Enum):
    """What a container's probes demand of it now."""

    NONE = ""
    LIVENESS = "failed liveness probe"
    STARTUP = "failed startup probe"


@dataclass(slots=True)
class Kill:
    """A container to end; `why` is the Killing event's text, `name` its name."""

    id: str
    name: str
    why: str


@dataclass(slots=True)
class Plan:
    """The next actions, in the order of the fields."""

    kill_pod: bool = False
    """End every container and the sandbox: it is gone or changed, or nothing is left to run."""
    kill: list[Kill] = field(default_factory=list)
    create_sandbox: bool = False
    attempt: int = 0
    ephemeral: list[str] = field(default_factory=list)
    init: list[str] = field(default_factory=list)
    start: list[str] = field(default_factory=list)

    @property
    def idle(self) -> bool:
        """Nothing to do."""
        return not (self.kill_pod or self.kill or self.create_sandbox or self.ephemeral or self.init or self.start)


@dataclass(slots=True)
class Observed:
    """What planning looks at besides the spec: the runtime's view and the probes' verdicts by container id."""

    view: PodView | None
    verdict: Callable[[str], Verdict] = lambda _: Verdict.NONE
    started: Callable[[str], bool] = lambda _: True
    """Whether a running container has passed its startup probe, if any."""


def sandbox_changed(pod: Obj, view: PodView | None) -> tuple[bool, int]:
    """(a new sandbox is needed, its attempt) (kuberuntime/util PodSandboxChanged)."""
    if view is None or view.sandbox is None:
        # Containers without a sandbox: it was lost, and its attempt's name with it.
        return True, 0 if view is None else _lost_attempt(view)
    ready = [s for s in view.sandboxes if s.running]
    newest = view.sandbox
    if len(ready) > 1 or not newest.running or newest.host_network != spec.host_network(pod):
        return True, newest.attempt + 1
    if not newest.host_network and not newest.ip:
        return True, newest.attempt + 1
    return False, newest.attempt


def _lost_attempt(view: PodView) -> int:
    return 1 if view.containers else 0


def should_be_restarted(container: Obj, pod: Obj, view: PodView | None) -> bool:
    """Whether it is to run and does not (container/helpers.go ShouldContainerBeRestarted)."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    latest = view.latest(container["name"]) if view else None
    if latest is None:
        return True
    if latest.state is State.RUNNING:
        return False
    if latest.state is State.CREATED:
        return True
    return spec.should_restart(container, pod, latest.exit_code)


def regular_containers_created(pod: Obj, view: PodView | None) -> bool:
    """Whether initialisation is over: a regular container exists in the present sandbox."""
    if view is None or view.sandbox is None:
        return False
    names = {c["name"] for c in spec.containers(pod)}
    return any(c.name in names and c.sandbox_id == view.sandbox.id for c in view.containers)


def compute(pod: Obj, seen: Observed) -> Plan:
    """The plan."""
    view = seen.view
    create, attempt = sandbox_changed(pod, view)
    plan = Plan(attempt=attempt)
    if create:
        return _with_new_sandbox(pod, view, plan)
    for container in spec.ephemeral_containers(pod):
        if view is None or view.latest(container["name"]) is None:
            plan.ephemeral.append(container["name"])
    if not _plan_init(pod, seen, plan):
        return plan
    if plan.kill_pod:
        return plan
    kept = _plan_regular(pod, seen, plan)
    if kept == 0 and not plan.start:
        plan.kill_pod = True
        plan.init = []
    return plan


def _with_new_sandbox(pod: Obj, view: PodView | None, plan: Plan) -> Plan:
    plan.kill_pod = view is not None
    seen_any = view is not None and bool(view.containers)
    if seen_any and plan.attempt != 0 and not _restarts_on_failure(pod):
        # Something ran already, and the policy forbids to run it again.
        plan.kill_pod = True
        return plan
    wanted = [c for c in spec.containers(pod) if not _done(c, pod, view)]
    if not wanted:
        plan.kill_pod = True
        return plan
    plan.create_sandbox = True
    first_init = spec.init_containers(pod)[:1]
    if first_init:
        plan.init = [first_init[0]["name"]]
    else:
        plan.start = [c["name"] for c in wanted]
    return plan


def _restarts_on_failure(pod: Obj) -> bool:
    if pod["spec"].get("restartPolicy", "Always") != "Never":
        return True
    return any(c.get("restartPolicy") for c in spec.containers(pod))


def _done(container: Obj, pod: Obj, view: PodView | None) -> bool:
    latest = view.latest(container["name"]) if view else None
    if latest is None or latest.state is not State.EXITED:
        return False
    return not spec.should_restart(container, pod, latest.exit_code)


def _in_sandbox(view: PodView, name: str) -> Container | None:
    sandbox = view.sandbox
    return next((c for c in view.containers if c.name == name and sandbox is not None and c.sandbox_id == sandbox.id), None)


def _check_running(container: Obj, latest: Container, seen: Observed, plan: Plan, restart: bool) -> bool:
    """Kill a running container that must not run on; True when it is kept."""
    why = ""
    if latest.spec_hash and latest.spec_hash != spec.container_hash(container):
        why, restart = f"Container {container['name']} definition changed", True
    elif (verdict := seen.verdict(latest.id)) is not Verdict.NONE:
        why = f"Container {container['name']} {verdict.value}"
    if not why:
        return True
    plan.kill.append(Kill(latest.id, container["name"], f"{why}, will be restarted" if restart else why))
    return False


def _plan_init(pod: Obj, seen: Observed, plan: Plan) -> bool:
    """Plan the init containers; True when the regular ones may go on."""
    inits = spec.init_containers(pod)
    view = seen.view
    if not inits or view is None:
        return True
    initialized = regular_containers_created(pod, view)
    found = [_in_sandbox(view, c["name"]) for c in inits]
    last = max((i for i, c in enumerate(found) if c is not None), default=-1)
    complete = initialized
    for index, (container, latest) in enumerate(zip(inits, found, strict=True)):
        before = initialized or index < last
        if spec.is_sidecar(container, pod):
            if latest is None:
                if before:
                    plan.init.append(container["name"])
            elif latest.state is State.RUNNING:
                kept = _check_running(container, latest, seen, plan, restart=True)
                if not before and index == last:
                    complete = kept and seen.started(latest.id)
            else:
                plan.init.append(container["name"])
        elif not before and index == last and latest is not None:
            complete = _judge_init(container, latest, pod, plan)
    if initialized:
        return True
    if not complete and last >= 0:
        return False
    if last + 1 < len(inits):
        plan.init.append(inits[last + 1]["name"])
        return False
    return True


def _judge_init(container: Obj, latest: Container, pod: Obj, plan: Plan) -> bool:
    """The newest init container that has run: True when it is done well."""
    if latest.state is State.RUNNING:
        return False
    if latest.state is State.EXITED and latest.exit_code == 0:
        return True
    # A failed init container is run again unless the policy is Never (Always means OnFailure here).
    if spec.should_restart(container, pod, latest.exit_code):
        plan.init.append(container["name"])
    else:
        plan.kill_pod = True
    return False


def _plan_regular(pod: Obj, seen: Observed, plan: Plan) -> int:
    kept = 0
    view = seen.view
    for container in spec.containers(pod):
        latest = view.latest(container["name"]) if view else None
        if latest is None or latest.state is not State.RUNNING:
            if should_be_restarted(container, pod, view):
                plan.start.append(container["name"])
            continue
        restart = spec.should_restart(container, pod, 1)
        if _check_running(container, latest, seen, plan, restart):
            kept += 1
        else:
            changed = latest.spec_hash != spec.container_hash(container)
            if restart or changed:
                plan.start.append(container["name"])
    return kept
