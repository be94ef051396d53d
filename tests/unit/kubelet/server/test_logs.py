"""Which log is meant, and what of it."""

from __future__ import annotations

from typing import Any

import pytest

from kubelet.runtime.interface import LogOptions
from kubelet.server.logs import NoLogs, container_id, options

Obj = dict[str, Any]


def pod(**status: Any) -> Obj:
    return {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "a", **status}]}}


@pytest.mark.parametrize(
    ("status", "previous", "found"),
    [
        ({"state": {"running": {}}, "containerID": "docker://1"}, False, "1"),
        ({"state": {"terminated": {"containerID": "docker://2"}}}, False, "2"),
        ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"containerID": "docker://3"}}}, False, "3"),
        ({"state": {"running": {}}, "lastState": {"terminated": {"containerID": "docker://3"}}}, True, "3"),
        ({"state": {"running": {}}}, True, 'previous terminated container "a" in pod "p" not found'),
        ({"state": {"waiting": {"reason": "ContainerCreating"}}}, False, 'container "a" in pod "p" is waiting to start: ContainerCreating'),
        ({"state": {"waiting": {"reason": "ErrImagePull"}}}, False, 'container "a" in pod "p" is waiting to start: image can\'t be pulled'),
    ],
)  # fmt: skip
def test_the_container_that_is_meant(status: Obj, previous: bool, found: str) -> None:
    try:
        assert container_id(pod(**status), "a", previous) == found
    except NoLogs as e:
        assert str(e) == found


def test_options_of_the_query() -> None:
    wanted, limit = options({"follow": "true", "tailLines": "5", "timestamps": "true", "sinceSeconds": "10", "limitBytes": "7"}, 100.0)
    assert wanted == LogOptions(True, 5, 90.0, True) and limit == 7
    assert options({"sinceTime": "1970-01-01T00:01:00Z", "stream": "Stderr"}, 0.0) == (LogOptions(since=60.0, stdout=False), None)
    with pytest.raises(ValueError):
        options({"tailLines": "x"}, 0.0)
