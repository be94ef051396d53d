"""Priority: a pod's priority comes from its class; at most one class is the default."""

from __future__ import annotations

from apiserver.admission.interface import Attributes, Tools
from apiserver.admission.plugin import UPDATE, BasePlugin, deny
from apiserver.context import Obj

_GROUP = "scheduling.k8s.io"
_DEFAULT_POLICY = "PreemptLowerPriority"


class Priority(BasePlugin):
    """Upstream: plugin/pkg/admission/priority."""

    name = "Priority"
    resources = frozenset((("", "pods"), (_GROUP, "priorityclasses")))

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._generation: int | None = None
        self._default: Obj | None = None

    async def admit(self, a: Attributes) -> None:
        """Set spec.priority and spec.preemptionPolicy. Raises Forbidden."""
        if a.resource.plural != "pods":
            return
        assert a.obj is not None
        spec = a.obj["spec"]
        if a.operation == UPDATE:
            assert a.old is not None
            for field in ("priority", "preemptionPolicy"):
                if field not in spec and field in a.old["spec"]:
                    spec[field] = a.old["spec"][field]
            return
        name = spec.get("priorityClassName")
        if name:
            found = self.lister.get(_GROUP, "priorityclasses", None, name)
            if found is None:
                raise deny(a, f"no PriorityClass with name {name} was found")
        else:
            found = self._default_class()
            if found is not None:
                spec["priorityClassName"] = found["metadata"]["name"]
        value = found.get("value", 0) if found else 0
        policy = (found or {}).get("preemptionPolicy") or _DEFAULT_POLICY
        if spec.get("priority", value) != value:
            raise deny(
                a,
                f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
                f"priority admission controller computed {value} from the given PriorityClass name",
            )
        spec["priority"] = value
        if spec.get("preemptionPolicy", policy) != policy:
            raise deny(
                a,
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name",
            )
        spec["preemptionPolicy"] = policy

    async def validate(self, a: Attributes) -> None:
        """Raises Forbidden for a second default class."""
        if a.resource.plural != "priorityclasses":
            return
        assert a.obj is not None
        if a.obj.get("globalDefault"):
            present = self._default_class()
            if present is not None and (a.operation != UPDATE or present["metadata"]["name"] != a.obj["metadata"]["name"]):
                other = present["metadata"]["name"]
                raise deny(a, f"PriorityClass {other} is already marked as default. Only one default can exist")

    def _default_class(self) -> Obj | None:
        """The global default; the lowest where racing writes left several."""
        generation = self.lister.generation(_GROUP, "priorityclasses")
        if generation != self._generation:
            defaults = [c for c in self.lister.list(_GROUP, "priorityclasses") if c.get("globalDefault")]
            self._default = min(defaults, key=lambda c: c.get("value", 0)) if defaults else None
            self._generation = generation
        return self._default
