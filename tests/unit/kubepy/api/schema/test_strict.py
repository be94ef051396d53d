"""Unknown and duplicate fields."""

from __future__ import annotations

import orjson
import pytest

from kubepy.api.schema import has_duplicates, node_for, strict_errors
from kubepy.api.schema.strict import duplicate_errors


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (b'{"metadata":{"name":"a"}}', []),
        (
            b'{"metadata":{"name":"a","name":"b"},"data":{"k":"1","k":"2"},"dta":{"x":1,"x":2}}',
            ['duplicate field "metadata.name"', 'duplicate field "data.k"', 'unknown field "dta"'],
        ),
        (b'{"metadata":{"managedFields":[{"fieldsV1":{"a":1,"a":2}}]}}', []),
        (b'{"Data":{},"data":{}}', ['unknown field "Data"']),
    ],
)
def test_errors_in_the_order_of_the_document(body: bytes, errors: list[str]) -> None:
    assert strict_errors(node_for("v1", "ConfigMap"), body) == errors


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": {"b": 1}, "c": [{"d": "e\\": f"}]}', False),
        (b'{"a":1,"a":1}', True),
        (b'{"a":{"b":1,"b":2}}', True),
        (b'{"a" :1}', True),  # not sure: look closely
    ],
)
def test_quick_look(body: bytes, expected: bool) -> None:
    assert has_duplicates(body, orjson.loads(body)) is expected


def test_untyped_documents() -> None:
    assert duplicate_errors(b'{"spec":{"size":1,"size":2},"l":[{"x":1,"x":1}]}') == [
        'duplicate field "spec.size"',
        'duplicate field "l[0].x"',
    ]
