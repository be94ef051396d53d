"""GET /containerLogs: a container's log as the API server asks for it (server.go getContainerLogs, kubelet_pods.go)."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from kubelet.agent import Agent
from kubelet.pods import spec
from kubelet.runtime.interface import LogOptions, RuntimeFailure, State

Obj = dict[str, Any]


class NoLogs(Exception):
    """There is no log to show; the text says why."""


def container_id(pod: Obj, name: str, previous: bool) -> str:
    """The id of the container whose log is meant (validateContainerLogStatus). Raises NoLogs."""
    status = pod.get("status") or {}
    lists = (status.get(k) or () for k in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"))
    found = next((s for statuses in lists for s in statuses if s["name"] == name), None)
    pod_name = pod["metadata"]["name"]
    if found is None:
        raise NoLogs(f'container "{name}" in pod "{pod_name}" is not available')
    state, last = found.get("state") or {}, (found.get("lastState") or {}).get("terminated") or {}
    chosen = ""
    if previous:
        chosen = last.get("containerID", "")
        if not chosen:
            raise NoLogs(f'previous terminated container "{name}" in pod "{pod_name}" not found')
    elif "running" in state:
        chosen = found.get("containerID", "")
    elif "terminated" in state:
        chosen = state["terminated"].get("containerID") or last.get("containerID", "")
        if not chosen:
            raise NoLogs(f'container "{name}" in pod "{pod_name}" is terminated')
    elif last:
        chosen = last.get("containerID", "")
        if not chosen:
            raise NoLogs(f'container "{name}" in pod "{pod_name}" is terminated')
    else:
        reason = (state.get("waiting") or {}).get("reason", "")
        text = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}.get(reason, reason)
        raise NoLogs(f'container "{name}" in pod "{pod_name}" is waiting to start: {text}')
    return str(chosen).partition("://")[2]


def _truthy(query: Mapping[str, str], key: str) -> bool:
    return query.get(key, "").lower() in ("true", "1", "t")


def options(query: Mapping[str, str], now: float) -> tuple[LogOptions, int | None]:
    """Our options and limitBytes from the query of PodLogOptions. Raises ValueError."""
    since = 0.0
    if text := query.get("sinceSeconds"):
        since = now - int(text)
    elif text := query.get("sinceTime"):
        since = dt.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    tail = query.get("tailLines") or query.get("tail")
    stream = query.get("stream") or "All"
    limit = query.get("limitBytes")
    wanted = LogOptions(
        follow=_truthy(query, "follow"), tail=None if tail in (None, "", "all") else int(tail or 0), since=since,
        timestamps=_truthy(query, "timestamps"), stdout=stream in ("All", "Stdout"), stderr=stream in ("All", "Stderr"),
    )  # fmt: skip
    return wanted, int(limit) if limit else None


async def answer(found: tuple[Agent, Obj] | None, pod_name: str, container: str, query: Mapping[str, str]) -> Response:
    """The HTTP answer: text, streamed while it comes."""
    if found is None:
        return PlainTextResponse(f'pod "{pod_name}" does not exist', 404)
    agent, pod = found
    if spec.find_container(pod, container) is None:
        return PlainTextResponse(f'container "{container}" not found in pod "{pod_name}"', 404)
    try:
        wanted, limit = options(query, time.time())
    except ValueError:
        return PlainTextResponse('{"message": "Unable to decode query."}', 400)
    try:
        target = container_id(pod, container, _truthy(query, "previous"))
    except NoLogs as e:
        return PlainTextResponse(str(e), 400)
    pieces = agent.host.runtime.logs(target, wanted)
    try:
        first = await anext(pieces, None)
    except RuntimeFailure as e:
        return PlainTextResponse(str(e), 400)
    return StreamingResponse(_limited(first, pieces, limit), media_type="text/plain")


async def _limited(first: tuple[int, bytes] | None, pieces: AsyncIterator[tuple[int, bytes]], limit: int | None) -> AsyncIterator[bytes]:
    left = limit
    piece = first
    try:
        while piece is not None:
            data = piece[1]
            if left is not None:
                data = data[:left]
                left -= len(data)
            if data:
                yield data
            if left == 0:
                return
            piece = await anext(pieces, None)
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


def running_container(agent: Agent, pod: Obj, container: str) -> str | None:
    """The id of the running container of that name."""
    view = agent.host.runtime.view(pod["metadata"]["uid"])
    latest = view.latest(container) if view else None
    return latest.id if latest is not None and latest.state is State.RUNNING else None
