"""Template hashes as upstream makes them: FNV-1a, 32 bits, over the rendered Go struct, in the safe alphabet (ComputeHash)."""

from __future__ import annotations

from typing import Any

from controllers.common.gorender import render

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def fnv32a(data: bytes, state: int = 0x811C9DC5) -> int:
    """FNV-1a of 32 bits."""
    for byte in data:
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return state


def safe_encode(text: str) -> str:
    """Map every byte into the alphabet that makes no words (rand.SafeEncodeString)."""
    return "".join(ALPHABET[ord(c) % len(ALPHABET)] for c in text)


def template_hash(template: dict[str, Any], collisions: int | None = None) -> str:
    """The hash of a pod template that names what is made from it; `collisions` gives another name for the same one."""
    state = fnv32a(render(template).encode())
    if collisions is not None:
        state = fnv32a(collisions.to_bytes(8, "little"), state)
    return safe_encode(str(state))
