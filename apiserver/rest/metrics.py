"""Counters of requests in the Prometheus text format, kept in plain dicts: an observation costs two look-ups.

Upstream: apiserver pkg/endpoints/metrics/metrics.go.
"""

from __future__ import annotations

import os
import resource
import time
from bisect import bisect_left

from apiserver.context import RequestInfo

_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
_VERBS = {"create": "POST", "update": "PUT", "deletecollection": "DELETE"}


class Metrics:
    """What /metrics shows."""

    def __init__(self) -> None:
        self._requests: dict[tuple[RequestKey, int], int] = {}
        self._durations: dict[RequestKey, list[float]] = {}
        self._started = time.time()

    def observe(self, info: RequestInfo, code: int, seconds: float) -> None:
        """Note one answered request."""
        key = (info.verb, info.group, info.version, info.resource, info.subresource, bool(info.namespace), bool(info.name))
        counted = (key, code)
        self._requests[counted] = self._requests.get(counted, 0) + 1
        if info.verb == "watch":
            return
        buckets = self._durations.get(key)
        if buckets is None:
            buckets = self._durations[key] = [0.0] * (len(_BUCKETS) + 2)
        buckets[bisect_left(_BUCKETS, seconds)] += 1
        buckets[-1] += seconds

    def render(self) -> str:
        """The exposition text."""
        out = [
            "# HELP apiserver_request_total [STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, "
            "version, resource, scope, component, and HTTP response code.",
            "# TYPE apiserver_request_total counter",
        ]
        for (key, code), count in sorted(self._requests.items()):
            out.append(f'apiserver_request_total{{code="{code}",{_labels(key)}}} {count}')
        out += [
            "# HELP apiserver_request_duration_seconds [STABLE] Response latency distribution in seconds for each verb, dry run value, "
            "group, version, resource, subresource, scope and component.",
            "# TYPE apiserver_request_duration_seconds histogram",
        ]
        for key, buckets in sorted(self._durations.items()):
            labels = _labels(key)
            total = 0.0
            for bound, within in zip(_BUCKETS, buckets, strict=False):
                total += within
                out.append(f'apiserver_request_duration_seconds_bucket{{{labels},le="{bound:g}"}} {total:g}')
            total += buckets[len(_BUCKETS)]
            out.append(f'apiserver_request_duration_seconds_bucket{{{labels},le="+Inf"}} {total:g}')
            out.append(f"apiserver_request_duration_seconds_sum{{{labels}}} {buckets[-1]:.6f}")
            out.append(f"apiserver_request_duration_seconds_count{{{labels}}} {total:g}")
        out += _process(self._started)
        return "\n".join(out) + "\n"


RequestKey = tuple[str, str, str, str, str, bool, bool]


def _labels(key: RequestKey) -> str:
    verb, group, version, plural, sub, namespaced, named = key
    scope = "resource" if named else "namespace" if namespaced else "cluster" if plural else ""
    shown = _VERBS.get(verb, verb.upper())
    return (
        f'component="apiserver",dry_run="",group="{group}",resource="{plural}",scope="{scope}",subresource="{sub}",'
        f'verb="{shown}",version="{version}"'
    )


def _process(started: float) -> list[str]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with open("/proc/self/statm", "rb") as f:  # noqa: PTH123
        pages = int(f.read().split()[1])
    return [
        "# TYPE process_cpu_seconds_total counter",
        f"process_cpu_seconds_total {usage.ru_utime + usage.ru_stime:.2f}",
        "# TYPE process_resident_memory_bytes gauge",
        f"process_resident_memory_bytes {pages * os.sysconf('SC_PAGE_SIZE')}",
        "# TYPE process_start_time_seconds gauge",
        f"process_start_time_seconds {started:.2f}",
    ]
