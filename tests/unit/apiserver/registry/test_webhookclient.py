"""What is refused of a webhook's URL or Service."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.registry.webhookclient import check_service, check_url


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://host/path", []),
        ("http://host", ["p: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]"]),
        ("https:///x", ['p: Invalid value: "": host must be specified; desired format: https://host[/path]']),
        ("https://me@host", ['p: Invalid value: "me": user information is not permitted in the URL']),
        ("https://host#f", ['p: Invalid value: "f": fragments are not permitted in the URL']),
        ("https://host?q", ['p: Invalid value: "q": query parameters are not permitted in the URL']),
    ],
)
def test_urls(url: str, wanted: list[str]) -> None:
    assert [str(e) for e in check_url("p", url)] == wanted


@pytest.mark.parametrize("path", [None, "", "/", "/a", "/a/b/"])
def test_services(path: str | None) -> None:
    service: dict[str, Any] = {"name": "s", "namespace": "n"} | ({} if path is None else {"path": path})
    assert check_service("p", service) == []


@pytest.mark.parametrize(
    ("service", "wanted"),
    [
        ({"name": "s"}, ["p.namespace: Required value"]),
        ({"port": 0}, ["p.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive"]),
        ({"path": "//"}, ['p.path: Invalid value: "//": segment[0] may not be empty']),
        ({"path": "ab"}, ["p.path: Invalid value: \"ab\": must start with a '/'"]),
        ({"path": "/a//b"}, ['p.path: Invalid value: "/a//b": segment[1] may not be empty']),
    ],
)
def test_refused_services(service: dict[str, Any], wanted: list[str]) -> None:
    named = {"name": "s", "namespace": "n"} if "name" not in service else {}
    assert [str(e) for e in check_service("p", {**named, **service})] == wanted
