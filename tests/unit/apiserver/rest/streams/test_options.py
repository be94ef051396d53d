"""What admission is shown of a request that connects."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.rest.streams.options import options_of
from kubepy.api import errors


@pytest.mark.parametrize(
    ("kind", "query", "path", "wanted"),
    [
        (
            "PodExecOptions", {"stdin": ["true"], "stdout": ["1"], "tty": ["false"], "container": ["c"], "command": ["ls", "-l"]}, "/",
            {"stdin": True, "stdout": True, "container": "c", "command": ["ls", "-l"]},
        ),
        ("PodAttachOptions", {"stderr": ["True"], "stdin": ["0"], "command": ["ls"]}, "/", {"stderr": True}),
        ("PodPortForwardOptions", {"ports": ["80,81", "82"]}, "/", {"ports": [80, 81, 82]}),
        ("PodProxyOptions", {"path": ["/no"], "q": ["x"]}, "/a/b/", {"path": "/a/b/"}),
    ],
)  # fmt: skip
def test_options(kind: str, query: dict[str, list[str]], path: str, wanted: dict[str, Any]) -> None:
    assert options_of(kind, query, path) == {"kind": kind, "apiVersion": "v1", **wanted}


def test_ports_are_numbers() -> None:
    with pytest.raises(errors.BadRequest):
        options_of("PodPortForwardOptions", {"ports": ["web"]})
