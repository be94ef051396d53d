"""How storage keys name objects: `/registry/[<group>/]<plural>/[<namespace>/]<name>`. Pure."""

from __future__ import annotations

from sys import intern
from typing import NamedTuple

ROOT = "/registry/"
DOTLESS_GROUPS = frozenset({"apps", "autoscaling", "batch", "extensions", "policy"})
"""The API groups without a dot. Every other group has one (custom ones must) and no core plural has: so keys can be split."""


class KeyParts(NamedTuple):
    """A key taken apart; `prefix` is what Resource.storage_prefix says, `namespace` is empty for cluster-scoped objects."""

    prefix: str
    namespace: str
    name: str


def split(key: str) -> KeyParts | None:
    """Take a key apart; None if it is not of the form above."""
    if not key.startswith(ROOT):
        return None
    parts = key[len(ROOT) :].split("/")
    first = parts[0]
    at = 2 if "." in first or first in DOTLESS_GROUPS else 1
    count = len(parts) - at
    if count == 2:
        return KeyParts(intern(f"{ROOT}{'/'.join(parts[:at])}/"), intern(parts[at]), parts[-1])
    if count == 1:
        return KeyParts(intern(f"{ROOT}{'/'.join(parts[:at])}/"), "", parts[-1])
    return None
