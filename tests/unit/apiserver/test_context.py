"""Warnings that a request collects."""

from __future__ import annotations

from apiserver.context import Context, RequestInfo, User


def test_what_cannot_stand_in_a_header_is_no_warning() -> None:
    ctx = Context(User("alice"), RequestInfo(True, "", "create"))
    for text in ("careful", "", "careful", "two\nlines", 'with "quotes"'):
        ctx.warn(text)
    assert ctx.warnings == ["careful", 'with "quotes"']
