"""File paths that users may name: relative, without steps upwards. Pure."""

from __future__ import annotations

from apiserver.registry.strategies.checks import Errors
from kubepy.api.errors import invalid


def no_backsteps(out: Errors, value: str, path: str) -> None:
    """validatePathNoBacksteps: no `..` element."""
    if ".." in value and ".." in value.split("/"):
        out.append(invalid(path, value, "must not contain '..'"))


def local_descending(out: Errors, value: str, path: str) -> None:
    """validateLocalDescendingPath: relative and without `..`."""
    if value.startswith("/"):
        out.append(invalid(path, value, "must be a relative path"))
    no_backsteps(out, value, path)


def local_non_reserved(out: Errors, value: str, path: str) -> None:
    """ValidateLocalNonReservedPath: also no first element that merely starts with `..`."""
    local_descending(out, value, path)
    if value.startswith("..") and not value.startswith("../"):
        out.append(invalid(path, value, "must not start with '..'"))


def file_mode(out: Errors, value: int | None, path: str) -> None:
    """Permission bits, 0 to 0777."""
    if value is not None and not 0 <= value <= 0o777:
        out.append(invalid(path, value, "must be a number between 0 and 0777 (octal), both inclusive"))
