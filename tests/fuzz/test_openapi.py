"""What our own OpenAPI documents offer, called as they say and as they do not: schemathesis over a real server."""

from __future__ import annotations

import contextlib
import json
import random
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.fuzz.conftest import EFFORT
from tests.fuzz.door import Door

DOCUMENTS = (
    "api/v1", "apis/apps/v1", "apis/batch/v1", "apis/networking.k8s.io/v1", "apis/rbac.authorization.k8s.io/v1", "apis/autoscaling/v2",
    "apis/policy/v1", "apis/storage.k8s.io/v1", "apis/discovery.k8s.io/v1", "apis/scheduling.k8s.io/v1", "apis/coordination.k8s.io/v1",
    "apis/apiextensions.k8s.io/v1", "apis/admissionregistration.k8s.io/v1", "apis/flowcontrol.apiserver.k8s.io/v1",
    "apis/authorization.k8s.io/v1",
)  # fmt: skip
PER_DOCUMENT = 5 * EFFORT
"""Operations taken of each document."""
PER_OPERATION = 2 * EFFORT
STREAMS = ("/exec", "/attach", "/portforward", "/proxy", "/log", "/watch/", "{path}")
"""Answers to these are no JSON, or have no end."""
BODIES = ("application/json", "application/merge-patch+json", "application/strategic-merge-patch+json", "application/json-patch+json")


def _calls(document: dict[str, Any]) -> list[tuple[str, str]]:
    methods = ("get", "post", "put", "patch", "delete")
    found = [(path, m) for path, item in document["paths"].items() for m in methods if m in item and not any(s in path for s in STREAMS)]
    return random.Random(0 if EFFORT == 1 else None).sample(found, min(PER_DOCUMENT, len(found)))


@pytest.mark.timeout(120 * EFFORT)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_call_is_answered(door: Door, name: str) -> None:
    answer = door.request("GET", f"/openapi/v3/{name}")
    assert answer.status == 200
    document = answer.json
    schema = schemathesis.openapi.from_dict(document)
    for path, method in _calls(document):
        operation = schema[path][method.upper()]
        _try(door, operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
        with contextlib.suppress(Unsatisfiable):  # nothing about it can be done wrong
            _try(door, operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))


def _try(door: Door, cases: st.SearchStrategy[Any]) -> None:
    @settings(
        max_examples=PER_OPERATION, deadline=None, database=None, derandomize=EFFORT == 1, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=cases)
    def run(case: Any) -> None:
        query = [(k, v) for k, v in (case.query or {}).items() if k not in ("watch", "timeoutSeconds")]
        path = quote(case.formatted_path, safe="/%")
        kind = case.media_type if case.media_type in BODIES else "application/json"
        door.prompt(case.method.upper(), f"{path}?{urlencode(query, doseq=True)}", _body(case.body), kind)

    run()


def _body(value: Any) -> bytes | None:
    if type(value).__name__ == "NotSet":
        return None
    return value if isinstance(value, bytes) else json.dumps(value).encode()
