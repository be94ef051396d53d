"""Template hashes in upstream's form: FNV-1a, 32 bits, over a canonical rendering, in the safe alphabet (ComputeHash)."""

from __future__ import annotations

from typing import Any

import orjson

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def fnv32a(data: bytes, state: int = 0x811C9DC5) -> int:
    """FNV-1a of 32 bits."""
    for byte in data:
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return state


def safe_encode(text: str) -> str:
    """Map every byte into the alphabet that makes no words (rand.SafeEncodeString)."""
    return "".join(ALPHABET[ord(c) % len(ALPHABET)] for c in text)


def template_hash(template: Any, collisions: int | None = None) -> str:
    """A short name for a template; `collisions` gives another name for the same one.

    Upstream hashes a rendering of its Go structs; ours is the JSON with sorted keys, so hashes differ from upstream's in value.
    """
    state = fnv32a(orjson.dumps(template, option=orjson.OPT_SORT_KEYS))
    if collisions is not None:
        state = fnv32a(collisions.to_bytes(8, "little"), state)
    return safe_encode(str(state))
