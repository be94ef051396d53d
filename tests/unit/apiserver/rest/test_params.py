"""Query parameters and their checks."""

from __future__ import annotations

import pytest

from apiserver.rest import params
from kubepy.api.errors import BadRequest, Invalid


def test_parsing_keeps_every_value() -> None:
    assert params.parse(b"a=1&b=x%2Cy+z&a=2&c") == {"a": ["1", "2"], "b": ["x,y z"], "c": [""]}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (b"resourceVersionMatch=Exact", "resourceVersionMatch is forbidden unless resourceVersion is provided"),
        (b"resourceVersion=0&resourceVersionMatch=Exact", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
        (b"sendInitialEvents=true", "sendInitialEvents is forbidden for list"),
        (b"watch=true&sendInitialEvents=true&resourceVersion=5", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
    ],
)
def test_wrong_combinations(query: bytes, text: str) -> None:
    with pytest.raises(Invalid, match=text):
        params.check_list(params.list_options(params.parse(query)))


def test_a_watch_from_nowhere_begins_with_what_is_there() -> None:
    options = params.list_options(params.parse(b"watch=1"))
    params.check_list(options)
    assert (options.initial_events, options.match) == (True, "NotOlderThan")


def test_numbers_are_go_numbers() -> None:
    with pytest.raises(BadRequest, match=r'strconv.ParseInt: parsing "many": invalid syntax'):
        params.list_options(params.parse(b"limit=many"))


def test_write_options() -> None:
    assert params.write_options(params.parse(b"dryRun=All&fieldManager=me"), "CreateOptions")["dryRun"] == ["All"]
    with pytest.raises(Invalid, match="fieldManager: Required value: is required for apply patch"):
        params.write_options({}, "PatchOptions", apply=True)
    with pytest.raises(Invalid, match="force: Forbidden: may not be specified for non-apply patch"):
        params.write_options(params.parse(b"force=true"), "PatchOptions")


def test_delete_options() -> None:
    options = params.delete_options(params.parse(b"gracePeriodSeconds=5&propagationPolicy=Foreground&orphanDependents=false"))
    assert options == {"gracePeriodSeconds": 5, "propagationPolicy": "Foreground", "orphanDependents": False}
    with pytest.raises(Invalid, match="orphanDependents and deletionPropagation cannot be both set"):
        params.check_delete(options)
