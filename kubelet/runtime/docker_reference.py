"""Image references as Docker reads them. Pure; needs no Docker."""

from __future__ import annotations


def domain_of(image: str) -> str:
    """The registry of an image's name: the first part if it looks like a host, else docker.io."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return "docker.io" if first == "index.docker.io" else first
    return "docker.io"
