"""Which finalizers of the garbage collector a deletion leaves on the object."""

from __future__ import annotations

import pytest

from apiserver.registry.deletion import collector_finalizers


@pytest.mark.parametrize(
    ("plural", "present", "policy", "orphan", "wanted"),
    [
        ("configmaps", [], None, None, []),
        ("configmaps", ["x/y"], "Foreground", None, ["x/y", "foregroundDeletion"]),
        ("configmaps", ["x/y", "foregroundDeletion"], "Background", None, ["x/y"]),
        ("configmaps", [], "Orphan", None, ["orphan"]),
        ("configmaps", ["orphan"], None, None, ["orphan"]),
        ("configmaps", [], None, True, ["orphan"]),
        ("configmaps", ["orphan"], None, False, []),
        ("replicationcontrollers", [], None, None, ["orphan"]),
        ("replicationcontrollers", [], "Background", None, []),
        ("events", [], "Foreground", None, []),
    ],
)
def test_finalizers(plural: str, present: list[str], policy: str | None, orphan: bool | None, wanted: list[str]) -> None:
    assert collector_finalizers("", plural, present, policy, orphan) == wanted
