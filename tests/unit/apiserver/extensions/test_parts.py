"""Formats, JSONPath, columns, version order, conversion by webhooks that misbehave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apiserver.extensions import jsonpath
from apiserver.extensions.columns import CustomTable
from apiserver.extensions.conversion import Converter
from apiserver.extensions.formats import check_of
from apiserver.extensions.resources import version_priority
from kubepy.api.errors import StatusError


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("date-time", ["2024-02-29T01:02:03Z", "2024-01-01T00:00:00.5+02:00"], ["2024-02-30T00:00:00Z", "2024-01-01", ""]),
        ("date", ["2024-02-29"], ["2023-02-29", "24-1-1"]),
        ("duration", ["1h30m", "3 days", "-2s"], ["x", "5 parsecs"]),
        ("ipv4", ["10.0.0.1"], ["10.0.0.256", "::1", "010.0.0.1"]),
        ("ipv6", ["::1", "2001:db8::1"], ["10.0.0.1", ":::"]),
        ("cidr", ["10.0.0.0/8", "10.1.2.3/8", "::/0"], ["10.0.0.0", "10.0.0.0/33"]),
        ("mac", ["00:00:5e:00:53:01"], ["00:00:5e"]),
        ("byte", ["YWJj", ""], ["*"]),
        ("uri", ["https://example.com/a?b#c"], ["no scheme"]),
        ("hostname", ["a.example.com"], ["-a", "a_b c"]),
        ("email", ["a@example.com"], ["a", "@"]),
        ("creditcard", ["4111 1111 1111 1111"], ["4111 1111 1111 1112"]),
        ("isbn10", ["0-306-40615-2"], ["0-306-40615-3"]),
        ("isbn13", ["978-0-306-40615-7"], ["978-0-306-40615-8"]),
        ("hexcolor", ["#fff", "#A0b1C2"], ["#ff", "red"]),
        ("bsonobjectid", ["507f1f77bcf86cd799439011"], ["507f"]),
        ("k8s-short-name", ["a-1"], ["A", "a.b"]),
        ("k8s-long-name", ["a.b-1"], ["A", "-a"]),
    ],
)
def test_formats(form: str, good: list[str], bad: list[str]) -> None:
    check = check_of(form)
    assert check is not None
    assert [v for v in good if not check(v)] == []
    assert [v for v in bad if check(v)] == []


POD = {
    "metadata": {"name": "p", "labels": {"a.b/c": "x"}},
    "spec": {"containers": [{"name": "one", "ports": [{"n": 1}, {"n": 2}]}, {"name": "two", "ports": [{"n": 3}]}]},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "want"),
    [
        (".metadata.name", ["p"]),
        (r".metadata.labels.a\.b/c", ["x"]),
        (".metadata.labels['a.b/c']", ["x"]),
        (".spec.containers[0].name", ["one"]),
        (".spec.containers[-1].name", ["two"]),
        (".spec.containers[*].name", ["one", "two"]),
        (".spec.containers[0:1].name", ["one"]),
        (".spec.containers[*].ports[*].n", [1, 2, 3]),
        ("..n", [1, 2, 3]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".spec.containers[?(@.name!='one')].ports[0].n", [3]),
        (".nowhere.at.all", []),
    ],
)
def test_jsonpath(path: str, want: list[Any]) -> None:
    assert jsonpath.parse(path)(POD) == want


@pytest.mark.parametrize("path", [".a[", ".a['b", ".a[?(@.b==]"])
def test_jsonpath_errors(path: str) -> None:
    with pytest.raises(jsonpath.JSONPathError):
        jsonpath.parse(path)


def test_cells_are_typed() -> None:
    columns = [
        {"name": "N", "type": "integer", "jsonPath": ".n"},
        {"name": "S", "type": "string", "jsonPath": ".list"},
        {"name": "When", "type": "date", "jsonPath": ".at"},
        {"name": "Gone", "type": "string", "jsonPath": ".none"},
    ]
    table = CustomTable(columns)
    assert [c.name for c in table.columns] == ["Name", "N", "S", "When", "Gone"]
    row = table.row({"metadata": {"name": "x"}, "n": 4, "list": ["a", "b"], "at": "1970-01-01T00:00:00Z"}, 120.0)
    assert row == ["x", 4, '["a","b"]', "2m", None]


def test_versions_are_preferred_by_stability() -> None:
    given = ["v1alpha1", "foo", "v1", "v2beta1", "v10", "v2", "v1beta2", "bar"]
    assert sorted(given, key=version_priority) == ["v10", "v2", "v1", "v2beta1", "v1beta2", "v1alpha1", "bar", "foo"]


class Webhook:
    def __init__(self, change: Any) -> None:
        self.change = change

    async def post(self, config: Any, review: Any, seconds: int) -> Any:
        request = review["request"]
        out = [{**o, "apiVersion": request["desiredAPIVersion"]} for o in request["objects"]]
        response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": out}
        self.change(response)
        return {"kind": "ConversionReview", "apiVersion": review["apiVersion"], "response": response}


OBJ = {"apiVersion": "g/v1", "kind": "W", "metadata": {"name": "a", "uid": "u", "labels": {"a": "b"}}, "spec": {}}


def convert(change: Any) -> Any:
    crd = {"metadata": {"name": "w.g"}, "spec": {"group": "g", "conversion": {
        "strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://x"}}}}}  # fmt: skip
    return asyncio.run(Converter(crd, Webhook(change)).convert([OBJ, {**OBJ, "apiVersion": "g/v2"}], "g/v2"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda r: r.update(uid="other"), "failed: expected response.uid="),
        (lambda r: r.update(result={"status": "Failure", "message": "no way"}), "failed: no way"),
        (lambda r: r.update(result={"status": "Odd"}), "failed: response.result.status was 'Odd', not 'Success'"),
        (lambda r: r.update(convertedObjects=[]), "returned 0 objects, expected 1"),
        (
            lambda r: r["convertedObjects"][0].update(apiVersion="g/v3"),
            "returned invalid object at index 0: invalid groupVersion (expected g/v2, received g/v3)",
        ),
        (lambda r: r["convertedObjects"][0].update(kind="X"), "returned invalid object at index 0: invalid kind (expected W, received X)"),
        (
            lambda r: r["convertedObjects"][0].update(metadata={"name": "b", "uid": "u"}),
            "returned invalid object: must have the same name: a != b",
        ),
        (
            lambda r: r["convertedObjects"][0].update(metadata={"name": "a", "uid": "u", "labels": {"bad key": "x"}}),
            'returned invalid metadata: metadata.labels: Invalid value: "bad key": ',
        ),
    ],
)
def test_what_a_webhook_may_not_do(change: Any, text: str) -> None:
    with pytest.raises(StatusError) as error:
        convert(change)
    assert error.value.message.startswith(f"conversion webhook for g/v1, Kind=W {text}")


def test_a_webhook_may_change_labels_and_annotations_only() -> None:
    first, second = convert(
        lambda r: r["convertedObjects"][0].update(metadata={"name": "a", "uid": "u", "annotations": {"x": "y"}, "generation": 9})
    )
    assert first["metadata"] == {"name": "a", "uid": "u", "annotations": {"x": "y"}}
    assert second["apiVersion"] == "g/v2"
