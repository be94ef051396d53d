"""Which commands of simulated containers end by themselves, when and how."""

from __future__ import annotations

import pytest

from kubelet.runtime.simulated.program import ending


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        (None, None, None),
        (("nginx",), ("-g", "daemon off;"), None),
        (("true",), None, (0.0, 0)),
        (("/bin/false",), None, (0.0, 1)),
        (("sleep",), ("2.5",), (2.5, 0)),
        (("sleep", "infinity"), None, None),
        (("sh", "-c", "echo hello && sleep 3; exit 7"), None, (3.0, 7)),
        (("/bin/sh",), ("-c", "sleep 1\nsleep 2"), (3.0, 0)),
        (("sh", "-c", "false && sleep 9"), None, (0.0, 1)),
        (("sh", "-c", "while true; do sleep 1; done"), None, None),
        (("sh", "-c", "echo 'unclosed"), None, None),
    ],
)
def test_ending(command: tuple[str, ...] | None, args: tuple[str, ...] | None, expected: tuple[float, int] | None) -> None:
    assert ending(command, args) == expected
