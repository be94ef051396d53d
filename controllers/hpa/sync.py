"""The horizontal pod autoscaler controller: every 15 seconds reads metrics and sets the size of the target."""

from __future__ import annotations

from typing import Any

from controllers.common import pods
from controllers.common.goselector import go_selector
from controllers.common.resources import shared
from controllers.context import Context
from controllers.hpa import behavior, calculator
from controllers.hpa.metrics import Metrics, MetricsError
from kubepy.api import meta
from kubepy.api.errors import Conflict, StatusError
from kubepy.api.kinds import Resource
from kubepy.api.quantity import Quantity, parse
from kubepy.api.selectors import LabelSelector, from_label_selector, parse_label_selector
from kubepy.runtime import Result
from kubepy.runtime.cache import key_of
from kubepy.runtime.clock import format_time

Obj = dict[str, Any]
HPAS = "horizontalpodautoscalers.autoscaling"
Proposal = tuple[int, str, Obj]
"""(replicas, the metric's description, its status)."""


def start(ctx: Context) -> None:
    """Register the HPA controller."""
    _Autoscalers(ctx)


class _Failure(Exception):
    """A metric could not be used: the reason of the ScalingActive condition, why, and what an event says of it."""

    def __init__(self, reason: str, text: str, event: str = "", statuses: list[Obj] | None = None) -> None:
        super().__init__(text)
        self.reason, self.event, self.statuses = reason, event or text, statuses


def set_condition(status: Obj, kind: str, value: str, reason: str, message: str, now: float) -> None:
    """Set a condition of a status in place; the transition time moves with the status."""
    conditions = status.setdefault("conditions", [])
    entry = {"type": kind, "status": value, "lastTransitionTime": format_time(now), "reason": reason, "message": message}
    for i, old in enumerate(conditions):
        if old["type"] == kind:
            if old["status"] == value:
                entry["lastTransitionTime"] = old["lastTransitionTime"]
            conditions[i] = entry
            return
    conditions.append(entry)


class _Autoscalers:
    def __init__(self, ctx: Context) -> None:
        self._client, self._clock, self._options = ctx.client, ctx.clock, ctx.options
        self._recorder = ctx.recorder("horizontal-pod-autoscaler")
        self._metrics = Metrics(ctx.client)
        self._resources = shared(ctx)
        self._memory: dict[str, behavior.Memory] = {}
        self._selectors: dict[str, LabelSelector] = {}
        """The pods of each autoscaler's target."""
        self._hpas, self._pods = ctx.informer(HPAS), ctx.informer("pods")
        self._controller = ctx.controller("horizontal-pod-autoscaler", self._sync, workers=5)
        self._controller.depends(self._hpas, self._pods)
        self._hpas.on_event(self._changed)

    def _changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        """A new or changed autoscaler has its turn after a whole period, or when it comes anyway."""
        self._controller.enqueue(key_of(new), after=0.0 if kind == "DELETED" else self._options.horizontal_pod_autoscaler_sync_period)

    async def _sync(self, key: str) -> Result | None:
        hpa = self._hpas.cache.get(key)
        if hpa is None:
            self._memory.pop(key, None)
            self._selectors.pop(key, None)
            return None
        status = {**hpa.get("status", {})}
        status["conditions"] = list(status.get("conditions") or ())
        try:
            await self._reconcile(key, hpa, status)
        except _Failure:
            pass
        finally:
            if not pods.same(status, hpa.get("status", {})):
                await self._client.update_status(HPAS, {**hpa, "status": status})
        return Result(after=self._options.horizontal_pod_autoscaler_sync_period)

    async def _reconcile(self, key: str, hpa: Obj, status: Obj) -> None:
        now, spec = self._clock.time(), hpa["spec"]
        try:
            resource, scale = await self._scale(hpa)
        except (StatusError, LookupError) as e:
            self._recorder.event(hpa, "Warning", "FailedGetScale", str(e))
            text = f"the HPA controller was unable to get the target's current scale: {e}"
            set_condition(status, "AbleToScale", "False", "FailedGetScale", text, now)
            raise _Failure("FailedGetScale", text) from e
        text = "the HPA controller was able to get the target's current scale"
        set_condition(status, "AbleToScale", "True", "SucceededGetScale", text, now)
        current = int(scale["spec"].get("replicas", 0))
        low = 1 if spec.get("minReplicas") is None else int(spec["minReplicas"])
        memory = self._memory.setdefault(key, behavior.Memory())
        if not memory.recommendations:
            memory.recommendations.append((now, current))
        wanted, reason = current, ""
        if current == 0 and low != 0:
            text = "scaling is disabled since the replica count of the target is zero"
            set_condition(status, "ScalingActive", "False", "ScalingDisabled", text, now)
            wanted = 0
        elif current > spec["maxReplicas"]:
            wanted, reason = spec["maxReplicas"], "Current number of replicas above Spec.MaxReplicas"
        elif current < low:
            wanted, reason = low, "Current number of replicas below Spec.MinReplicas"
        else:
            try:
                wanted, reason = await self._by_metrics(key, hpa, scale, current, status, memory, now)
            except _Failure as e:
                status["currentReplicas"], status["currentMetrics"] = current, e.statuses
                status.setdefault("desiredReplicas", 0)
                self._recorder.event(hpa, "Warning", "FailedComputeMetricsReplicas", e.event)
                raise
        rescale = wanted != current
        if rescale:
            await self._resize(hpa, resource, scale, current, wanted, reason, status)
            memory.changed(current, wanted, now, behavior.longest_period(hpa))
            status["lastScaleTime"] = format_time(now)
        status.update(currentReplicas=current, desiredReplicas=wanted)
        status.setdefault("currentMetrics", None)

    async def _scale(self, hpa: Obj) -> tuple[Resource, Obj]:
        target = hpa["spec"]["scaleTargetRef"]
        await self._resources.current()
        api_version = target.get("apiVersion") or "v1"
        resource = self._resources.by_kind(api_version, target["kind"])
        if resource is None:
            self._resources.invalidate()
            group = meta.group_version(api_version)[0]
            raise LookupError(f'no matches for kind "{target["kind"]}" in group "{group}"')
        return resource, await self._client.get(resource, target["name"], meta.namespace(hpa), subresource="scale")

    async def _resize(self, hpa: Obj, resource: Resource, scale: Obj, current: int, wanted: int, reason: str, status: Obj) -> None:
        now = self._clock.time()
        try:
            await self._write_scale(hpa, resource, scale, wanted)
        except StatusError as e:
            text = f"New size: {wanted}; reason: {reason}; error: {e}"
            self._recorder.event(hpa, "Warning", "FailedRescale", text)
            text = f"the HPA controller was unable to update the target scale: {e}"
            set_condition(status, "AbleToScale", "False", "FailedUpdateScale", text, now)
            raise _Failure("FailedUpdateScale", text) from e
        text = f"the HPA controller was able to update the target scale to {wanted}"
        set_condition(status, "AbleToScale", "True", "SucceededRescale", text, now)
        self._recorder.event(hpa, "Normal", "SuccessfulRescale", f"New size: {wanted}; reason: {reason}")

    async def _write_scale(self, hpa: Obj, resource: Resource, scale: Obj, wanted: int) -> None:
        """Write the size; one that changed meanwhile is read again, five times at most."""
        for attempt in range(5):
            try:
                body = {**scale, "spec": {**scale["spec"], "replicas": wanted}}
                await self._client.update(resource, body, meta.namespace(hpa), subresource="scale")
                return
            except Conflict:
                if attempt == 4:
                    raise
                scale = await self._client.get(resource, meta.name(scale), meta.namespace(hpa), subresource="scale")

    async def _by_metrics(
        self, key: str, hpa: Obj, scale: Obj, current: int, status: Obj, memory: behavior.Memory, now: float
    ) -> tuple[int, str]:
        """(replicas, why) from all metrics: the largest proposal, unless a failed metric forbids shrinking."""
        specs = hpa["spec"].get("metrics") or []
        selector = self._selector(key, hpa, scale, status, now)
        best: Proposal | None = None
        failures: list[_Failure] = []
        statuses: list[Obj] = []
        for spec in specs:
            try:
                proposal = await self._one(hpa, spec, current, scale, selector, now)
            except _Failure as e:
                failures.append(e)
                statuses.append({"type": ""})
                continue
            statuses.append(proposal[2])
            if best is None or proposal[0] > best[0]:
                best = proposal
        if failures and (best is None or best[0] < current):
            first = failures[0]
            text = f"the HPA was unable to compute the replica count: {first}"
            set_condition(status, "ScalingActive", "False", first.reason, text, now)
            text = f"invalid metrics ({len(failures)} invalid out of {len(specs)}), first error is: {first.event}"
            raise _Failure(first.reason, text, statuses=statuses)
        status["currentMetrics"] = statuses
        assert best is not None
        text = f"the HPA was able to successfully calculate a replica count from {best[1]}"
        set_condition(status, "ScalingActive", "True", "ValidMetricFound", text, now)
        reason = f"{best[1]} above target" if best[0] > current else "All metrics below target" if best[0] < current else ""
        window = self._options.horizontal_pod_autoscaler_downscale_stabilization
        rules = behavior.ruled if hpa["spec"].get("behavior") else behavior.plain
        outcome = rules(hpa, current, best[0], memory, window, now)
        for condition in outcome.conditions:
            set_condition(status, *condition, now)
        return outcome.replicas, reason

    def _selector(self, key: str, hpa: Obj, scale: Obj, status: Obj, now: float) -> LabelSelector:
        """The selector of the target's pods, which no other autoscaler may select (validateAndParseSelector)."""
        text = (scale.get("status") or {}).get("selector") or ""
        if not text:
            self._recorder.event(hpa, "Warning", "SelectorRequired", "selector is required")
            why = "the HPA target's scale is missing a selector"
            set_condition(status, "ScalingActive", "False", "InvalidSelector", why, now)
            raise _Failure("InvalidSelector", "selector is required")
        selector = self._selectors[key] = parse_label_selector(text)
        members = self._members(hpa, selector)
        namespace = meta.namespace(hpa)
        rivals = sorted(
            other for other, theirs in self._selectors.items()
            if other.startswith(f"{namespace}/") and any(theirs.matches(meta.labels(p)) for p in members)
        )  # fmt: skip
        if len(rivals) > 1:
            why = f"pods by selector {text} are controlled by multiple HPAs: [{' '.join(rivals)}]"
            self._recorder.event(hpa, "Warning", "AmbiguousSelector", why)
            set_condition(status, "ScalingActive", "False", "AmbiguousSelector", why, now)
            raise _Failure("AmbiguousSelector", why)
        return selector

    async def _one(self, hpa: Obj, spec: Obj, current: int, scale: Obj, selector: LabelSelector, now: float) -> Proposal:
        kind = spec["type"]
        source = spec[kind[0].lower() + kind[1:]]
        handlers = {
            "Resource": (self._resource, "FailedGetResourceMetric"),
            "ContainerResource": (self._resource, "FailedGetContainerResourceMetric"),
            "Pods": (self._of_pods, "FailedGetPodsMetric"),
            "Object": (self._of_object, "FailedGetObjectMetric"),
            "External": (self._external, "FailedGetExternalMetric"),
        }
        if kind not in handlers:
            raise _Failure(
                "InvalidMetricSourceType", f'the HPA was unable to compute the replica count: unknown metric source type "{kind}"'
            )
        handler, reason = handlers[kind]
        try:
            return await handler(hpa, kind, source, current, selector, now)
        except MetricsError as e:
            self._recorder.event(hpa, "Warning", reason, str(e))
            what = {
                "Resource": f"{source.get('name')} resource", "ContainerResource": f"{source.get('container')} container",
                "External": f"{(source.get('metric') or {}).get('name')} external",
            }.get(kind, kind.lower())  # fmt: skip
            raise _Failure(reason, str(e), f"failed to get {what} metric value: {e.event}") from e

    def _tolerances(self, hpa: Obj) -> calculator.Tolerances:
        rules, default = hpa["spec"].get("behavior") or {}, self._options.horizontal_pod_autoscaler_tolerance
        sides = [(rules.get(side) or {}).get("tolerance") for side in ("scaleUp", "scaleDown")]
        up, down = (default if s is None else parse(s).milli_value() / 1000 for s in sides)
        options = self._options
        return calculator.Tolerances(
            up, down, options.horizontal_pod_autoscaler_cpu_initialization_period, options.horizontal_pod_autoscaler_initial_readiness_delay
        )

    def _members(self, hpa: Obj, selector: LabelSelector) -> list[Obj]:
        return [p for p in self._pods.cache.list(meta.namespace(hpa)) if selector.matches(meta.labels(p))]

    async def _resource(self, hpa: Obj, kind: str, source: Obj, current: int, selector: LabelSelector, now: float) -> Proposal:
        name, target = source["name"], source["target"]
        what = "utilization" if target.get("averageUtilization") is not None else "usage"
        try:
            return await self._usage(hpa, kind, source, current, selector, now)
        except MetricsError as e:
            raise MetricsError(f"failed to get {name} {what}: {e}") from e

    async def _usage(self, hpa: Obj, kind: str, source: Obj, current: int, selector: LabelSelector, now: float) -> Proposal:
        name, container, target = source["name"], source.get("container"), source["target"]
        tolerances = self._tolerances(hpa)
        try:
            found = await self._metrics.resource(meta.namespace(hpa), str(selector), name, container)
        except MetricsError as e:
            raise MetricsError(f"unable to get metrics for resource {name}: {e}") from e
        members = self._members(hpa, selector)
        if not members:
            raise MetricsError("no pods returned by selector while calculating replica count")
        values = {pod: value for pod, (value, _, _) in found.items()}
        groups = calculator.group(members, {pod: (stamp, window) for pod, (_, stamp, window) in found.items()}, name, tolerances, now)
        label = f"{name} container resource" if container else f"{name} resource"
        result: Obj = {"name": name, **({"container": container} if container else {})}
        if target.get("averageUtilization") is not None:
            wanted = calculator.requests(members, name, container)
            count, percent, raw = calculator.by_utilization(current, target["averageUtilization"], values, wanted, groups, tolerances)
            result["current"] = {"averageUtilization": percent, "averageValue": str(Quantity.milli(raw))}
            label = f"{label} utilization (percentage of request)"
        else:
            goal = parse(target["averageValue"]).milli_value()
            count, raw = calculator.by_average(current, goal, values, groups, tolerances)
            result["current"] = {"averageValue": str(Quantity.milli(raw))}
        return count, label, {"type": kind, kind[0].lower() + kind[1:]: result}

    async def _of_pods(self, hpa: Obj, kind: str, source: Obj, current: int, selector: LabelSelector, now: float) -> Proposal:
        metric = source["metric"]
        tolerances = self._tolerances(hpa)
        try:
            found = await self._metrics.pods(meta.namespace(hpa), metric["name"], str(selector), _text(metric))
        except MetricsError as e:
            raise MetricsError(f"unable to get metric {metric['name']}: {e}") from e
        groups = calculator.group(
            self._members(hpa, selector), {pod: (stamp, window) for pod, (_, stamp, window) in found.items()}, "", tolerances, now
        )
        values = {pod: value for pod, (value, _, _) in found.items()}
        count, raw = calculator.by_average(current, parse(source["target"]["averageValue"]).milli_value(), values, groups, tolerances)
        status = {"metric": metric, "current": {"averageValue": str(Quantity.milli(raw))}}
        return count, f"pods metric {metric['name']}", {"type": kind, "pods": status}

    def _ready(self, hpa: Obj, selector: LabelSelector) -> int:
        return sum(pods.phase(p) == "Running" and pods.is_ready(p) for p in self._members(hpa, selector))

    async def _of_object(self, hpa: Obj, kind: str, source: Obj, current: int, selector: LabelSelector, now: float) -> Proposal:
        metric, described, target = source["metric"], source["describedObject"], source["target"]
        resource = self._resources.by_kind(described.get("apiVersion") or "v1", described["kind"])
        plural = (f"{resource.plural}.{resource.group}" if resource.group else resource.plural) if resource else described["kind"].lower()
        namespace, name = meta.namespace(hpa), described["name"]
        try:
            value = await self._metrics.object(namespace, plural, name, metric["name"], _text(metric))
        except MetricsError as e:
            # Upstream passes these to its format in another order than it names them.
            text = f"unable to get metric {metric['name']}: {described['kind']} on {namespace} {name}/{e}"
            per_pod = target.get("value") is None
            raise MetricsError(text, f"failed to get {metric['name']} object metric: {text}" if per_pod else text) from e
        tolerances = self._tolerances(hpa)
        if target.get("value") is not None:
            count = calculator.by_value(current, value / parse(target["value"]).milli_value(), self._ready(hpa, selector), tolerances)
            present: Obj = {"value": str(Quantity.milli(value))}
        else:
            count = calculator.per_pod(current, value, parse(target["averageValue"]).milli_value(), tolerances)
            present = {"averageValue": str(Quantity.milli(-(-value // max(1, current))))}
        status = {"metric": metric, "describedObject": described, "current": present}
        return count, f"{described['kind']} metric {metric['name']}", {"type": kind, "object": status}

    async def _external(self, hpa: Obj, kind: str, source: Obj, current: int, selector: LabelSelector, now: float) -> Proposal:
        metric, target = source["metric"], source["target"]
        per_pod = target.get("averageValue") is not None
        selected = go_selector(metric.get("selector"))
        try:
            total = sum(await self._metrics.external(meta.namespace(hpa), metric["name"], _text(metric)))
        except MetricsError as e:
            text = f"unable to get external metric {meta.namespace(hpa)}/{metric['name']}/{selected}: {e}"
            what = f"{metric['name']} external metric" if per_pod else f"external metric {metric['name']}"
            raise MetricsError(text, f"failed to get {what}: {text}") from e
        tolerances = self._tolerances(hpa)
        if per_pod:
            count = calculator.per_pod(current, total, parse(target["averageValue"]).milli_value(), tolerances)
            present: Obj = {"averageValue": str(Quantity.milli(-(-total // max(1, current))))}
        else:
            count = calculator.by_value(current, total / parse(target["value"]).milli_value(), self._ready(hpa, selector), tolerances)
            present = {"value": str(Quantity.milli(total))}
        return count, f"external metric {metric['name']}({selected})", {"type": kind, "external": {"metric": metric, "current": present}}


def _text(metric: Obj) -> str:
    return str(from_label_selector(metric["selector"])) if metric.get("selector") else ""
