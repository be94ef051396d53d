"""Bodies of every kind of nonsense: refused as upstream refuses them, never a fault of the server's, never slow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.conftest import EFFORT
from tests.fuzz.door import Door
from tests.fuzz.samples import DEPLOYMENT, OBJECTS, POD, json_value, mutated, text

PODS = "/api/v1/namespaces/fuzz/pods"
LIMIT = 3 * 1024 * 1024
PATCHES = {
    "merge": "application/merge-patch+json", "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json", "apply": "application/apply-patch+yaml",
}  # fmt: skip


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


@settings(max_examples=250 * EFFORT)
@given(case=mutated())
def test_objects_with_a_part_replaced(door: Door, case: tuple[str, Any]) -> None:
    path, obj = case
    answer = door.prompt("POST", f"{path}?fieldValidation=Strict", dumps(obj))
    if answer.status == 201:
        name = answer.json["metadata"]["name"]
        door.prompt("GET", f"{path}/{name}")
        door.prompt("PUT", f"{path}/{name}", dumps(obj))
        door.prompt("PATCH", f"{path}/{name}", b'{"metadata":{"finalizers":null}}', PATCHES["merge"])
        door.prompt("DELETE", f"{path}/{name}", b'{"gracePeriodSeconds":0}')


@settings(max_examples=40 * EFFORT)
@given(where=st.sampled_from(OBJECTS), value=json_value)
def test_any_json(door: Door, where: tuple[str, Any], value: Any) -> None:
    answer = door.prompt("POST", where[0], dumps(value))
    if not isinstance(value, dict):
        assert answer.status == 400 or (value is None and answer.status == 422)


@settings(max_examples=60 * EFFORT)
@given(
    body=st.one_of(st.binary(max_size=60), st.text(max_size=40).map(lambda t: t.encode("utf-8", "surrogatepass"))),
    kind=st.sampled_from(["application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "text/plain", ";", "a/b;q"]),
)
def test_any_bytes(door: Door, body: bytes, kind: str) -> None:
    assert door.prompt("POST", PODS, body, kind).status in (400, 415, 422)


@settings(max_examples=60 * EFFORT)
@given(tail=st.binary(max_size=80))
def test_any_bytes_in_protobuf_envelope(door: Door, tail: bytes) -> None:
    assert door.prompt("POST", PODS, b"k8s\x00" + tail, "application/vnd.kubernetes.protobuf").status in (400, 415, 422)


operation = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x", ""]),
        "path": st.one_of(
            text,
            st.sampled_from(
                [
                    "",
                    "/",
                    "/spec",
                    "/spec/template/spec/containers/0",
                    "/metadata/labels/a~1b",
                    "/spec/template/spec/containers/-",
                    "/spec/template/spec/containers/99999999999",
                    "/metadata/name",
                    "/spec/replicas",
                ]
            ),
        ),
    },
    optional={"value": json_value, "from": st.one_of(text, st.sampled_from(["/spec", "/metadata", "/spec/template"]))},
)
directive = st.fixed_dictionaries(
    {},
    optional={
        "$patch": st.one_of(text, st.sampled_from(["replace", "delete", "merge"])),
        "name": text,
        "$retainKeys": json_value,
        "$setElementOrder/containers": json_value,
        "$deleteFromPrimitiveList/x": json_value,
    },
)


@pytest.fixture(scope="module")
def deployment(door: Door) -> str:
    """The path of a Deployment to patch."""
    path = "/apis/apps/v1/namespaces/fuzz/deployments"
    body = {**DEPLOYMENT, "metadata": {"name": "target", "labels": {"a": "b"}}}
    assert door.request("POST", path, dumps(body)).status == 201
    return f"{path}/target"


@settings(max_examples=80 * EFFORT)
@given(ops=st.one_of(st.lists(operation, max_size=3), json_value))
def test_json_patches(door: Door, deployment: str, ops: Any) -> None:
    door.prompt("PATCH", f"{deployment}?dryRun=All", dumps(ops), PATCHES["json"])


@settings(max_examples=120 * EFFORT)
@given(
    kind=st.sampled_from(["merge", "strategic", "apply"]),
    part=st.sampled_from(["spec", "metadata", "status", "template", "containers"]),
    value=st.one_of(json_value, directive, st.lists(directive, max_size=2)),
)
def test_object_patches(door: Door, deployment: str, kind: str, part: str, value: Any) -> None:
    if part == "template":
        body: Any = {"spec": {"template": value}}
    elif part == "containers":
        body = {"spec": {"template": {"spec": {"containers": value}}}}
    else:
        body = {part: value}
    query = "dryRun=All"
    if kind == "apply":
        body = {"apiVersion": "apps/v1", "kind": "Deployment", **body}
        query += "&fieldManager=fuzz&force=true"
    door.prompt("PATCH", f"{deployment}?{query}", dumps(body), PATCHES[kind])


@pytest.mark.parametrize("patch", PATCHES.values())
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'"x"', b"1", b"{", b"\xff", b"[1]", b'{"a":1}{"b":2}', b"a: [", b"- {op: add}"]
)
def test_patches_that_are_none(door: Door, deployment: str, patch: str, body: bytes) -> None:
    door.prompt("PATCH", f"{deployment}?dryRun=All&fieldManager=f", body, patch)


def _with_cpu(quantity: str) -> bytes:
    container = {"name": "c", "image": "i", "resources": {"limits": {"cpu": quantity}}}
    return dumps({"metadata": {"name": "q"}, "spec": {"containers": [container]}})


DEEP = 100_000
NASTY = {
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep inside": b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"},"spec":' + b'{"a":' * 9000 + b"1" + b"}" * 9001,
    "endless list": b"[" * DEEP,
    "lone surrogate": b'{"metadata":{"name":"\\ud800"}}',
    "invalid UTF-8": b'{"metadata":{"name":"\xff\xfe","annotations":{"a":"\xc3"}}}',
    "NUL": b'{"metadata":{"name":"a\\u0000b"}}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "huge number": b'{"spec":{"activeDeadlineSeconds":' + b"9" * 100_000 + b"}}",
    "huge exponent": b'{"spec":{"activeDeadlineSeconds":1e999999999}}',
    "huge quantity": _with_cpu("1e999999999"),
    "long quantity": _with_cpu("9" * 100_000),
    "huge string": b'{"metadata":{"name":"' + b"a" * 2_000_000 + b'"}}',
    "huge key": b'{"metadata":{"labels":{"' + b"a" * 2_000_000 + b'":"x"}}}',
    "many keys": b'{"metadata":{"name":"x","labels":{' + b",".join(b'"k%d":"v"' % i for i in range(50_000)) + b"}}}",
    "many duplicates": b'{"metadata":{"name":"x"}' + b',"a":1' * 100_000 + b"}",
    "many containers": dumps({**POD, "spec": {"containers": [{"name": "c", "image": "i"}] * 10_000}}),
    "many unknown fields": dumps({**POD, "spec": {f"f{i}": i for i in range(20_000)}}),
    "pathological regular expression": dumps({"metadata": {"name": "a" * 250 + "!", "labels": {"-".join("a" * 30) * 1000: "x"}}}),
}  # fmt: skip


@pytest.mark.parametrize("what", NASTY)
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_nasty_documents(door: Door, deployment: str, what: str, method: str) -> None:
    if method == "POST":
        answer = door.prompt("POST", f"{PODS}?fieldValidation=Warn&dryRun=All", NASTY[what])
    else:
        answer = door.prompt(method, f"{deployment}?dryRun=All", NASTY[what], PATCHES["merge"] if method == "PATCH" else "application/json")
    assert answer.status in (200, 201, 400, 409, 413, 422), answer.body[:500]
    assert answer.json["kind"] in ("Status", "Pod", "Deployment")


@pytest.mark.parametrize(
    "body",
    [
        "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)),
        "[" * 20_000,
        "{a: " * 5_000,
        "!!python/object/apply:os.system ['true']",
        "? [complex, key]\n: x",
        "<<: *missing",
        "a: 2001-01-01\nb: .inf\nc: .nan\nd: 0o7\ne: 1_000",
        "&a a: *a",
        "--- \na: 1\n---\nb: 2",
    ],
    ids=["bomb", "deep flow", "deep map", "tag", "complex key", "merge", "scalars", "self", "two documents"],
)
def test_yaml(door: Door, body: str) -> None:
    answer = door.prompt("POST", PODS, body.encode(), "application/yaml")
    assert answer.status in (400, 413, 422)


def test_a_body_over_the_limit_is_refused(door: Door) -> None:
    body = b'{"metadata":{"annotations":{"a":"' + b"x" * LIMIT + b'"}}}'
    answer = door.prompt("POST", PODS, body)
    assert answer.status == 413
    assert answer.json["message"] == "Request entity too large: limit is 3145728"
    assert answer.json["reason"] == "RequestEntityTooLarge"


def test_a_chunked_body_over_the_limit_is_refused(door: Door) -> None:
    head = f"POST {PODS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.server.token}\r\nContent-Type: application/json\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = door.raw(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 80)
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:200]
