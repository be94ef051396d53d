"""The pages about the process: which form a client gets."""

from __future__ import annotations

import pytest

from apiserver.rest import zpages

STATUS = "application/json;as=Statusz;v=v1beta1;g=config.k8s.io"


def test_plain_text() -> None:
    page = zpages.statusz("", 0.0, 3661.0, "1.36.2")
    assert (page.status, page.media) == (200, "text/plain; charset=utf-8")
    assert b"\nStarted: Thu Jan 01 00:00:00 UTC 1970\nUp: 1 hr 01 min 01 sec\n" in page.body
    assert b"\nEmulation version: 1.36\n" in page.body


def test_a_structure_by_name() -> None:
    page = zpages.statusz(STATUS, 0.0, 1.0, "1.36.2")
    assert page.media == "application/json;g=config.k8s.io;v=v1beta1;as=Statusz"
    assert b'"startTime": "1970-01-01T00:00:00Z"' in page.body
    assert b"kind: Statusz" in zpages.statusz(STATUS.replace("json", "yaml"), 0.0, 1.0, "1.36.2").body


@pytest.mark.parametrize("accept", ["application/json", "text/html", "application/yaml", STATUS.replace("Statusz", "Flagz")])
def test_nothing_else(accept: str) -> None:
    page = zpages.statusz(accept, 0.0, 1.0, "1.36.2")
    assert page.status == 406
    assert b"only the following media types are accepted: application/json, application/yaml, text/plain" in page.body.replace(
        b"\n  ", b" "
    )


def test_flags_as_go_prints_them() -> None:
    page = zpages.flagz("text/plain", {"b": True, "a": ("x", "y"), "c": None, "d": {"k": False}, "e": 6443})
    assert page.body.decode().endswith("\na: [x,y]\nb: true\nc: \nd: k=false\ne: 6443\n")
