"""What does not conform to its type, as apply tells it."""

from __future__ import annotations

from typing import Any

import pytest

from kubepy.api.patch.shape import shape_of
from kubepy.api.patch.typed import TypeErrors, validate
from kubepy.api.schema import node_for

POD = shape_of(node_for("v1", "Pod"))


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"hostname": [None]}, ".hostname: expected string, got &value.valueUnstructured{Value:[]interface {}{interface {}(nil)}}"),
        ({"hostname": 12345678901234567890}, ".hostname: expected string, got &value.valueUnstructured{Value:1.2345678901234567e+19}"),
        ({"hostNetwork": [None]}, ".hostNetwork: expected boolean, got &{[<nil>]}"),
        ({"containers": 1.5}, ".containers: expected list, got &{1.5}"),
        (
            {"containers": [{"name": {"a": "b"}}]},
            '.containers[name=a="b"].name: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"a":"b"}}',
        ),
        ({"overhead": {"cpu": [{}]}}, ".overhead.cpu: expected any scalar, got &{[map[]]}"),
    ],
)
def test_violations(spec: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeErrors) as caught:
        validate({"spec": spec}, POD)
    assert str(caught.value) == f".spec{text}"


def test_scalars_of_any_kind() -> None:
    validate({"spec": {"overhead": {"cpu": 1, "memory": "1Gi"}}}, POD)
    # Of an integer or a string nothing is known here.
    validate({"spec": {"ports": [{"port": 1, "targetPort": []}]}}, shape_of(node_for("v1", "Service")))
