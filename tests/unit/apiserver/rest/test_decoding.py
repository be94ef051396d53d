"""Bodies that are read by their spec's text: the object and all that is said of it are those of a body that is read as a whole."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from apiserver.context import SYSTEM_USER, Context, RequestInfo
from apiserver.registry.builtin import built_in
from apiserver.registry.catalog import Catalog, Served
from apiserver.registry.strategies import STRATEGIES
from apiserver.rest import decoding
from apiserver.rest.negotiate import JSON
from kubepy.api import errors
from kubepy.api.recall import Recall

SPEC = {
    "containers": [
        {
            "name": "app",
            "image": "registry.example/app",
            "env": [{"name": f"V{i}", "value": "y" * 20} for i in range(6)],
            "resources": {"requests": {"cpu": "0.1", "memory": "1024Ki"}},
        }
    ]
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    out = Catalog()
    out.add(*built_in(STRATEGIES, {}))
    return out


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_known", Recall())


def pods(catalog: Catalog) -> Served:
    found = catalog.of("", "pods")
    assert found is not None
    return found


def read(catalog: Catalog, data: bytes, validation: str = "Warn") -> tuple[Any, list[str], bool]:
    """(the object or the refusal's text, warnings, whether empties were sent)."""
    info = RequestInfo(True, "", "create", "", "v1", "pods", "", "ns", "")
    ctx = Context(SYSTEM_USER, info, field_validation=validation)
    api: Any = SimpleNamespace(catalog=catalog)
    req: Any = SimpleNamespace(ctx=ctx)
    try:
        out: Any = decoding.read(api, req, pods(catalog), data, JSON)
    except errors.StatusError as e:
        out = e.message
    return out, list(ctx.warnings), ctx.as_sent is not None


def body(**more: Any) -> bytes:
    return orjson.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": SPEC, **more})


SECOND = {
    "plain": body(metadata={"name": "q", "labels": {"a": "b"}}),
    "status first": orjson.dumps({"kind": "Pod", "status": {"phase": "Running"}, "spec": SPEC, "metadata": {"name": "q"}}),
    "unknown in metadata": body(metadata={"name": "q", "colour": "red"}),
    "unknown beside": body(colour="red"),
    "empty labels": body(metadata={"name": "q", "labels": {}}),
    "ownership reset": body(metadata={"name": "q", "managedFields": []}),
    "wrong type": body(metadata={"name": 7}),
    "wrong kind": body(kind="Node"),
    "doubled in metadata": body().replace(b'"name":"p"', b'"name":"p","name":"q"'),
    "spec twice, last known": body().replace(b'"spec":', b'"spec":{"nodeName":"n"},"spec":'),
    "spec twice, first known": body()[:-1] + b',"spec":{"nodeName":"n"}}',
    "spec twice, the same": body()[:-1] + b',"spec":' + orjson.dumps(SPEC) + b"}",
    "spec elsewhere, too": body(status=SPEC),
    "trailing comma": body()[:-1] + b",}",
    "cut short": body()[:-1],
    "spaces around": body().replace(b'"spec":', b' "spec" :\n ') + b"\n",
}


@pytest.mark.parametrize("validation", ["Warn", "Strict", "Ignore"])
@pytest.mark.parametrize("name", SECOND)
def test_a_known_spec_changes_nothing(catalog: Catalog, monkeypatch: pytest.MonkeyPatch, name: str, validation: str) -> None:
    whole = read(catalog, SECOND[name], validation)
    memory: Recall[Any, bytes] = Recall()
    monkeypatch.setattr(decoding, "_known", memory)
    read(catalog, body())
    assert memory.find((pods(catalog).decoder, orjson.dumps(SPEC))) is not None
    known = read(catalog, SECOND[name], validation)
    assert known == whole
    if isinstance(known[0], dict):
        assert orjson.dumps(known[0]["spec"]) == orjson.dumps(whole[0]["spec"])
        assert list(known[0])[:4] == ["kind", "apiVersion", "metadata", "spec"]


def test_each_reader_gets_a_spec_of_its_own(catalog: Catalog) -> None:
    read(catalog, body())
    first, second = read(catalog, body())[0], read(catalog, body())[0]
    first["spec"]["containers"].clear()
    assert len(second["spec"]["containers"]) == 1


@pytest.mark.parametrize(
    "spec",
    [{**SPEC, "colour": "red"}, {**SPEC, "volumes": []}, {**SPEC, "hostAliases": [{"ip": "192.0.2.1", "hostnames": []}]}],
)
def test_what_there_is_to_say_of_a_spec_is_said_every_time(catalog: Catalog, spec: Any) -> None:
    once = read(catalog, body(spec=spec))
    assert read(catalog, body(spec=spec)) == once


def test_duplicates_that_nobody_looked_for_are_found_later(catalog: Catalog) -> None:
    doubled = body().replace(b'"image":', b'"image":"x","image":')
    assert read(catalog, doubled, "Ignore")[1] == []
    assert read(catalog, doubled)[1] == ['duplicate field "spec.containers[0].image"']


@pytest.mark.parametrize(
    "data", [b'{"spec":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001, b"[" * 5_000, b"null", b"7", b'"' + b"x" * 300 + b'"', b"{" * 300]
)
def test_nothing_is_cut_off_what_is_no_object_or_too_deep(data: bytes) -> None:
    assert decoding.cut(data) is None
