"""The health checks by name, in the order in which healthz, livez and readyz list them.

What upstream's hooks start runs here as soon as the server is ready, so their checks hold from then on. Upstream: apiserver
pkg/server/healthz.go, and the post-start hooks that the API server, its extensions and its aggregator register.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

Check = Callable[[], Awaitable[str]]
"""Returns an empty string when all is well, else what is wrong."""

_AT_ONCE = frozenset(("start-apiserver-admission-initializer", "priority-and-fairness-config-consumer", "priority-and-fairness-filter"))
_HOOKS = (
    "start-apiserver-admission-initializer", "generic-apiserver-start-informers", "priority-and-fairness-config-consumer",
    "priority-and-fairness-filter", "storage-object-count-tracker-hook", "start-apiextensions-informers", "start-apiextensions-controllers",
    "crd-informer-synced", "start-system-namespaces-controller", "peer-endpoint-reconciler-controller",
    "start-cluster-authentication-info-controller", "start-kube-apiserver-identity-lease-controller",
    "start-kube-apiserver-identity-lease-garbage-collector", "storage-readiness", "start-legacy-token-tracking-controller",
    "start-service-ip-repair-controllers", "rbac/bootstrap-roles", "scheduling/bootstrap-system-priority-classes",
    "priority-and-fairness-config-producer", "bootstrap-controller", "start-kubernetes-service-cidr-controller",
    "start-kube-aggregator-informers", "apiservice-status-local-available-controller", "apiservice-status-remote-available-controller",
    "apiservice-registration-controller", "apiservice-wait-for-first-sync", "apiservice-discovery-controller",
    "kube-apiserver-autoregistration",
)  # fmt: skip
_LAST_HOOKS = ("apiservice-openapi-controller", "apiservice-openapiv3-controller")
NOT_FOR_READINESS = "loopback-serving-certificate"
"""The one check that readyz does not ask."""
_ONLY_READY = frozenset(("etcd-readiness", "informer-sync", "shutdown"))


_SLI, _SLIS, _BORN = "kubernetes_healthcheck", "kubernetes_healthchecks_total", "process_start_time_seconds"


class Slis:
    """What the checks came to: the metrics of /metrics/slis (component-base metrics/prometheus/slis)."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._last: dict[tuple[str, str], bool] = {}
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def checked(self, kind: str, name: str, well: bool) -> None:
        """Note the outcome of a check that healthz, livez or readyz (`kind`) has made."""
        self._last[name, kind] = well
        self._counts[name, "success" if well else "error", kind] += 1

    def render(self) -> str:
        """In Prometheus' text format."""
        last = [f'{_SLI}{{name="{n}",type="{k}"}} {int(self._last[n, k])}' for n, k in sorted(self._last)]
        counts = [f'{_SLIS}{{name="{n}",status="{s}",type="{k}"}} {self._counts[n, s, k]}' for n, s, k in sorted(self._counts)]
        head = "# HELP {0} [{1}] {2}\n# TYPE {0} {3}"
        lines = [
            head.format(_SLI, "STABLE", "This metric records the result of a single healthcheck.", "gauge"), *last,
            head.format(_SLIS, "STABLE", "This metric records the results of all healthcheck.", "counter"), *counts,
            head.format(_BORN, "ALPHA", "Start time of the process since unix epoch in seconds.", "gauge"), f"{_BORN} {self._started:.3f}",
        ]  # fmt: skip
        return "\n".join(lines) + "\n"


async def _always() -> str:
    return ""


def checks(storage: Check, ready: Check, stopping: Check) -> tuple[dict[str, Check], frozenset[str]]:
    """(every check by name, the names that count for livez and healthz); readyz asks all but NOT_FOR_READINESS."""
    out: dict[str, Check] = {
        "ping": _always, "log": _always, NOT_FOR_READINESS: _always, "etcd": storage, "etcd-readiness": storage,
        "informer-sync": ready,
    }  # fmt: skip
    out |= {f"poststarthook/{name}": _always if name in _AT_ONCE else ready for name in _HOOKS}
    out["autoregister-completion"] = _always
    out |= {f"poststarthook/{name}": _always for name in _LAST_HOOKS}
    out["shutdown"] = stopping
    return out, frozenset(name for name in out if name not in _ONLY_READY)
