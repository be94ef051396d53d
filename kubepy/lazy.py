"""Modules that are imported when they are first used: for what is large and seldom needed. Standard library only."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Lazy:
    """Stands for the module `name`: `x509 = Lazy("cryptography.x509")`, with the true import under TYPE_CHECKING."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self.__name__), attribute)
        setattr(self, attribute, value)
        return value
