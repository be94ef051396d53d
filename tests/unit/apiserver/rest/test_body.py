"""Request bodies: what is told of fields that are unknown or there twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from apiserver.rest import body
from apiserver.rest.negotiate import JSON
from kubepy.api.kinds import RESOURCES
from kubepy.api.schema import node_for

DEPLOYMENTS: Any = SimpleNamespace(
    resource=next(r for r in RESOURCES if (r.group, r.plural) == ("apps", "deployments")), node=node_for("apps/v1", "Deployment")
)


def test_unknown_and_duplicate_fields_are_told_in_the_order_of_the_document() -> None:
    text = b'{"kind":"Deployment","spec":{"unknownField":"foo","replicas":2,"replicas":3},"last":1}'
    value, complaints = body.object_of(text, JSON, DEPLOYMENTS, "Deployment", strict=True)
    assert value["spec"]["replicas"] == 3
    assert complaints == ['unknown field "spec.unknownField"', 'duplicate field "spec.replicas"', 'unknown field "last"']


def test_a_body_that_is_read_for_its_value_alone_has_no_complaints() -> None:
    assert body.object_of(b'{"spec":{"replicas":2,"replicas":3}}', JSON, DEPLOYMENTS, "Deployment", strict=False)[1] == []
