"""Completion indexes of Indexed Jobs: sets written as `0-2,5`, and which of them need a pod. Pure (indexed_job_utils.go)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from controllers.common.ranking import to_delete
from kubepy.api import meta

Obj = dict[str, Any]

INDEX = "batch.kubernetes.io/job-completion-index"
MAX_GENERATED = 58


def parse(text: str | None, completions: int) -> set[int]:
    """The indexes of a text such as `0-2,5`, those below `completions`; what is malformed counts as nothing."""
    out: set[int] = set()
    for part in (text or "").split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            continue
        out.update(range(int(first), min(int(last or first) + 1, completions)))
    return out


def render(indexes: Iterable[int]) -> str:
    """`0-2,5,7,8`: runs of three and more as ranges, of two too, as upstream writes them."""
    parts: list[tuple[int, int]] = []
    for index in sorted(indexes):
        if parts and parts[-1][1] == index - 1:
            parts[-1] = (parts[-1][0], index)
        else:
            parts.append((index, index))
    return ",".join(str(a) if a == b else f"{a},{b}" if b == a + 1 else f"{a}-{b}" for a, b in parts)


def index_of(pod: Obj) -> int | None:
    """The pod's completion index, or None."""
    text = meta.annotations(pod).get(INDEX, "")
    return int(text) if text.isdigit() else None


def valid_index(pod: Obj, completions: int) -> int | None:
    """The pod's index if it is one of the Job's."""
    index = index_of(pod)
    return index if index is not None and index < completions else None


def first_pending(taken: set[int], count: int, completions: int) -> list[int]:
    """The first `count` indexes that are not taken."""
    out: list[int] = []
    index = 0
    while len(out) < count and index < completions:
        if index not in taken:
            out.append(index)
        index += 1
    return out


def surplus(pods: Sequence[Obj], completions: int, now: float) -> tuple[list[Obj], list[Obj]]:
    """(pods to remove, pods that stay): those without a valid index, and all but the furthest of each index."""
    remove: list[Obj] = []
    stay: list[Obj] = []
    groups: dict[int, list[Obj]] = {}
    for pod in pods:
        index = valid_index(pod, completions)
        if index is None:
            remove.append(pod)
        else:
            groups.setdefault(index, []).append(pod)
    for _, group in sorted(groups.items()):
        doomed = to_delete(group, (), len(group) - 1, now) if len(group) > 1 else []
        remove += doomed
        stay += [p for p in group if not any(p is d for d in doomed)]
    return remove, stay


def generate_name(job: str, index: int) -> str:
    """The generateName of an index's pods: `<job>-<index>-`, shortened so that the random part fits."""
    suffix = f"-{index}-"
    return job[: MAX_GENERATED - len(suffix)] + suffix
