"""The parameter `timeout` of requests."""

from __future__ import annotations

import pytest

from apiserver.rest.deadline import wanted
from apiserver.rest.requestinfo import parse
from kubepy.api.errors import BadRequest

LIST = parse("GET", "/api/v1/nodes")


@pytest.mark.parametrize(
    ("query", "seconds"),
    [(b"timeout=1s", 1.0), (b"limit=1&timeout=1m0.5s", 60.5), (b"timeout=", None), (b"timeout=0", None), (b"timeout=-1s", None)],
)
def test_durations(query: bytes, seconds: float | None) -> None:
    assert wanted(LIST, query) == seconds


@pytest.mark.parametrize(
    ("text", "problem"),
    [("foo", 'invalid duration "foo"'), ("1", 'missing unit in duration "1"'), ("1x", 'unknown unit "x" in duration "1x"')],
)
def test_what_is_no_duration(text: str, problem: str) -> None:
    with pytest.raises(BadRequest) as caught:
        wanted(LIST, f"timeout={text}".encode())
    assert caught.value.message == f"invalid timeout specified in the request URL - time: {problem}"


@pytest.mark.parametrize(("path", "query"), [("/api/v1/nodes", b"watch=1&timeout=x"), ("/api/v1/namespaces/n/pods/p/log", b"timeout=x")])
def test_long_running_requests_have_none(path: str, query: bytes) -> None:
    assert wanted(parse("GET", path, query), query) is None
