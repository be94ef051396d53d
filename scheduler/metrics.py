"""The scheduler's counters, under upstream's names (pkg/scheduler/metrics)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

BUCKETS = tuple(0.00025 * 2**i for i in range(16))
"""Upper ends in seconds; finer at the start than upstream's, whose attempts begin at a millisecond."""


class Metrics:
    """What was tried and how it ended; `pending` tells how many pods wait in each part of the queue."""

    def __init__(self, pending: Callable[[], Mapping[str, int]]) -> None:
        self._pending = pending
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._buckets: Counter[int] = Counter()
        self._seconds = 0.0
        self.preemptions = 0
        self.victims = 0

    def attempt(self, result: str, profile: str, seconds: float) -> None:
        """An attempt ended; `result` is scheduled, unschedulable or error, `seconds` the time of the decision."""
        self._attempts[result, profile] += 1
        self._seconds += seconds
        self._buckets[next((i for i, end in enumerate(BUCKETS) if seconds <= end), len(BUCKETS))] += 1

    def lines(self) -> Iterator[str]:
        """The text format of Prometheus."""
        yield "# TYPE scheduler_pending_pods gauge"
        for part, count in self._pending().items():
            yield f'scheduler_pending_pods{{queue="{part}"}} {count}'
        yield "# TYPE scheduler_schedule_attempts_total counter"
        for (result, profile), count in sorted(self._attempts.items()):
            yield f'scheduler_schedule_attempts_total{{profile="{profile}",result="{result}"}} {count}'
        yield "# TYPE scheduler_scheduling_algorithm_duration_seconds histogram"
        seen = 0
        for i, end in enumerate(BUCKETS):
            seen += self._buckets[i]
            yield f'scheduler_scheduling_algorithm_duration_seconds_bucket{{le="{end:g}"}} {seen}'
        total = self._attempts.total()
        yield f'scheduler_scheduling_algorithm_duration_seconds_bucket{{le="+Inf"}} {total}'
        yield f"scheduler_scheduling_algorithm_duration_seconds_sum {self._seconds:.6f}"
        yield f"scheduler_scheduling_algorithm_duration_seconds_count {total}"
        yield "# TYPE scheduler_preemption_attempts_total counter"
        yield f"scheduler_preemption_attempts_total {self.preemptions}"
        yield "# TYPE scheduler_preemption_victims counter"
        yield f"scheduler_preemption_victims {self.victims}"
