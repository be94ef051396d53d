"""Label and field selectors: grammar, messages, matching."""

from __future__ import annotations

from typing import Any

import pytest

from kubepy.api import fields
from kubepy.api.errors import BadRequest
from kubepy.api.kinds import resource
from kubepy.api.selectors import (
    SelectorError,
    escape_field_value,
    format_label_selector,
    from_label_selector,
    parse_field_selector,
    parse_label_selector,
)


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", {}, True),
        ("a=b", {"a": "b"}, True),
        ("a==b", {"a": "c"}, False),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a in (b, c)", {"a": "c"}, True),
        ("a notin (b,c)", {"a": "d"}, True),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("a=", {"a": ""}, True),
        ("a in ()", {"a": ""}, True),
        ("a in (,b)", {"a": ""}, True),
        ("in in (in)", {"in": "in"}, True),
        ("a>4", {"a": "5"}, True),
        ("a<4", {"a": "x"}, False),
        ("a>4", {}, False),
        ("x,!y, z in (1)", {"x": "", "z": "1"}, True),
    ],
)
def test_matching(text: str, labels: dict[str, str], expected: bool) -> None:
    assert parse_label_selector(text).matches(labels) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a,", "found '', expected: identifier after ','"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
        ("a==!b", "unable to parse requirement: found '!', expected: identifier"),
        ("a>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"),
    ],
)
def test_messages(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_label_selector(text)
    assert str(caught.value) == message


def test_invalid_key_and_value() -> None:
    with pytest.raises(SelectorError, match=r'^unable to parse requirement: <nil>: Invalid value: "a/b/c": a valid label key must'):
        parse_label_selector("a/b/c=x")
    with pytest.raises(SelectorError, match=r'^unable to parse requirement: values\[0\]\[a\]: Invalid value: "-x-": a valid label must'):
        parse_label_selector("a=-x-")


def test_printing_sorts_by_key_and_value() -> None:
    assert str(parse_label_selector("z in (c,a),b!=1,!a")) == "!a,b!=1,z in (a,c)"


def test_label_selector_objects() -> None:
    selector: dict[str, Any] = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "In", "values": ["1", "2"]}]}
    parsed = from_label_selector(selector)
    assert parsed.matches({"a": "b", "c": "2"}) and not parsed.matches({"a": "b"})
    assert parsed.exact() == {"a": "b"}
    assert not from_label_selector(None).matches({})
    assert from_label_selector({}).matches({}) and from_label_selector({}).empty
    with pytest.raises(SelectorError, match=r'^"Near" is not a valid label selector operator$'):
        from_label_selector({"matchExpressions": [{"key": "a", "operator": "Near"}]})


@pytest.mark.parametrize(
    ("selector", "shown"),
    [(None, "<none>"), ({}, "<none>"), ({"matchLabels": {"a": "b"}}, "a=b"), ({"matchExpressions": [{"operator": "?"}]}, "<error>")],
)
def test_formatting(selector: dict[str, Any] | None, shown: str) -> None:
    assert format_label_selector(selector) == shown


def test_field_terms_and_escapes() -> None:
    terms = parse_field_selector(f"b!=c,a={escape_field_value('x,y=z')},,d==e")
    assert [(t.field, t.op, t.value) for t in terms] == [("a", "=", "x,y=z"), ("b", "!=", "c"), ("d", "=", "e")]
    for text, message in (
        ("justaname", "invalid selector: 'justaname'; can't understand 'justaname'"),
        ("a=b\\x", "invalid field selector: invalid escape sequence: \\x"),
    ):
        with pytest.raises(SelectorError) as caught:
            parse_field_selector(text)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "selector", "message"),
    [
        ("pods", "spec.image=1", "field label not supported: spec.image"),
        ("configmaps", "data.k=1", '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"'),
        ("jobs.batch", "status.failed=0", 'field label "status.failed" not supported for Job'),
        ("nodes", "metadata.namespace=x", "field label not supported: metadata.namespace"),
    ],
)
def test_unsupported_labels(name: str, selector: str, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        fields.requirements(resource(name), selector)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("name", "selector", "obj", "expected"),
    [
        ("pods", "spec.host=n1", {"spec": {"nodeName": "n1"}}, True),
        ("pods", "spec.nodeName=", {"spec": {}}, True),
        ("pods", "spec.hostNetwork=false", {"spec": {}}, True),
        ("nodes", "spec.unschedulable=true", {"spec": {"unschedulable": True}}, True),
        ("jobs.batch", "status.successful=0", {}, True),
        ("events", "source=kubelet", {"reportingComponent": "kubelet"}, True),
        ("events.events.k8s.io", "regarding.kind=Pod", {"regarding": {"kind": "Pod"}}, True),
        ("events.events.k8s.io", "regarding.kind=Pod", {"involvedObject": {"kind": "Node"}}, False),
        ("secrets", "type!=Opaque", {"type": "Opaque"}, False),
    ],
)
def test_field_values(name: str, selector: str, obj: dict[str, Any], expected: bool) -> None:
    r = resource(name)
    assert fields.matches(r, fields.requirements(r, selector), obj) is expected
