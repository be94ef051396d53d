"""Expectations, slow start, hashes, percentages, equality."""

import pytest

from controllers.common.batch import slow_start
from controllers.common.expectations import TIMEOUT, Expectations
from controllers.common.gorender import render
from controllers.common.history import data_hash, fnv32, go_json
from controllers.common.pods import same
from controllers.common.templates import fnv32a, safe_encode, template_hash
from controllers.common.values import scaled
from kubepy.runtime.clock import VirtualClock

TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "containers": [
            {
                "name": "app", "image": "registry.example/app:1", "imagePullPolicy": "IfNotPresent", "resources": {},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "by-hand", "securityContext": {},
        "terminationGracePeriodSeconds": 0,
    },
}  # fmt: skip
"""A template with its defaults, whose hash by kube-controller-manager v1.36 is known."""


def test_quantities_keep_their_text_as_upstream_s_parser_does() -> None:
    found = render({"spec": {"containers": [{"resources": {"limits": {"cpu": "500m", "memory": "64Mi"}}}]}})
    assert "map[cpu:{i:(resource.int64Amount){value:(int64)500 scale:(resource.Scale)-3}" in found
    assert "s:(string)500m Format:(resource.Format)DecimalSI} memory:{i:(resource.int64Amount){value:(int64)67108864" in found
    assert "s:(string) Format:(resource.Format)BinarySI}]" in found


async def test_expectations_hold_back_until_met_or_too_old() -> None:
    clock = VirtualClock()
    expected = Expectations(clock)
    assert expected.satisfied("k")
    expected.expect("k", creations=2, deletions=["ns/a"])
    expected.created("k", 2)
    assert not expected.satisfied("k")
    expected.deleted("k", "ns/b")
    assert not expected.satisfied("k")
    expected.deleted("k", "ns/a")
    assert expected.satisfied("k")
    expected.expect("k", creations=1)
    await clock.advance(TIMEOUT + 1)
    assert expected.satisfied("k")


async def test_slow_start_doubles_and_stops_at_the_first_failing_batch() -> None:
    calls: list[int] = []

    async def call(number: int) -> None:
        calls.append(number)
        if number == 4:
            raise RuntimeError("no")

    done, error = await slow_start(100, call)
    assert sorted(calls) == list(range(7))
    assert (done, str(error)) == (6, "no")
    calls.clear()
    assert await slow_start(3, call) == (3, None)


def test_hashes_are_the_published_functions() -> None:
    assert (fnv32a(b""), fnv32a(b"a"), fnv32(b"a")) == (0x811C9DC5, 0xE40C292C, 0x050C5D7E)
    assert safe_encode("0126") == "456b"
    assert template_hash(TEMPLATE) == "ff6d95456"
    assert template_hash(TEMPLATE, 1) != template_hash(TEMPLATE, 0) != template_hash(TEMPLATE)
    assert data_hash({"a": 1}, 0) != data_hash({"a": 1}, 1)
    assert go_json({"b": "<&>", "a": 1}) == b'{"a":1,"b":"\\u003c\\u0026\\u003e"}'


@pytest.mark.parametrize(
    ("value", "total", "up", "expected"), [(3, 10, True, 3), ("25%", 10, True, 3), ("25%", 10, False, 2), ("0%", 9, True, 0)]
)
def test_percentages(value: int | str, total: int, up: bool, expected: int) -> None:
    assert scaled(value, total, up) == expected


def test_absent_and_empty_are_the_same() -> None:
    assert same({"a": [], "b": {"c": None}}, {"b": {}})
    assert same({"replicas": 0}, {})
    assert not same({"replicas": 1}, {})
    assert not same([1], [1, 2])
    assert not same({"a": {"x": 1}}, {})
