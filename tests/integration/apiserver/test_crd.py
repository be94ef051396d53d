"""Custom resources of a real API server: definitions, values, versions, subresources, conversion by a webhook, clean-up."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from kubepy import pki
from tests.integration.conftest import ApiServer

Obj = dict[str, Any]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}

SPEC: Obj = {
    "type": "object",
    "required": ["size"],
    "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size", "message": "size must not shrink", "reason": "FieldValueForbidden"}],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "color": {"type": "string", "default": "red", "enum": ["red", "blue"]},
        "host": {"type": "string", "format": "ipv4"},
        "replicas": {"type": "integer"},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "number": {"type": "integer"}}},
        },
    },
}


def definition(group: str, *, plural: str = "widgets", kind: str = "Widget", **version: Any) -> Obj:
    schema = {
        "type": "object",
        "properties": {"spec": deepcopy(SPEC), "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **version}],
        },
    }


def until(test: Callable[[], Any], seconds: float = 10) -> float:
    """How long it took."""
    begun = time.perf_counter()
    while not test():
        assert time.perf_counter() - begun < seconds
        time.sleep(0.005)
    return time.perf_counter() - begun


@contextmanager
def defined(http: httpx.Client, crd: Obj) -> Iterator[str]:
    """The base path of what the definition defines, once it is served."""
    made = http.post(CRDS, json=crd)
    assert made.status_code == 201, made.text
    spec = made.json()["spec"]
    base = f"/apis/{spec['group']}/{spec['versions'][0]['name']}"
    until(lambda: http.get(f"{base}/{spec['names']['plural']}").status_code == 200)
    try:
        yield base
    finally:
        http.delete(f"{CRDS}/{crd['metadata']['name']}")


def widget(base: str, name: str = "a", **spec: Any) -> Obj:
    return {"apiVersion": base.removeprefix("/apis/"), "kind": "Widget", "metadata": {"name": name}, "spec": {"size": 3, **spec}}


@pytest.fixture
def http(apiserver: ApiServer) -> Iterator[httpx.Client]:
    with apiserver.http() as client:
        yield client


def test_a_definition_is_served_at_once_and_everywhere(http: httpx.Client) -> None:
    crd = definition("soon.example.com")
    made = http.post(CRDS, json=crd)
    assert made.status_code == 201
    assert made.json()["spec"]["names"] == {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    assert until(lambda: http.get("/apis/soon.example.com/v1/widgets").status_code == 200) < 0.1
    found = http.get("/apis/soon.example.com/v1").json()["resources"]
    assert [r["name"] for r in found] == ["widgets"]
    document = http.get("/openapi/v3/apis/soon.example.com/v1")
    assert "com.example.soon.v1.Widget" in document.json()["components"]["schemas"]
    status = http.get(f"{CRDS}/widgets.soon.example.com").json()["status"]
    assert {c["type"]: c["status"] for c in status["conditions"]} == {"NamesAccepted": "True", "Established": "True"}
    assert status["storedVersions"] == ["v1"]
    assert http.delete(f"{CRDS}/widgets.soon.example.com").status_code == 200
    until(lambda: http.get("/apis/soon.example.com/v1/widgets").status_code == 404)
    assert http.get("/openapi/v3/apis/soon.example.com/v1").status_code == 404


def test_values_are_pruned_defaulted_and_checked(http: httpx.Client, namespace: str) -> None:
    with defined(http, definition("values.example.com")) as base:
        path = f"{base}/namespaces/{namespace}/widgets"
        made = http.post(path, json=widget(base, unknown=1, free={"any": ["thing"]}))
        assert made.status_code == 201
        assert made.json()["spec"] == {"size": 3, "color": "red", "free": {"any": ["thing"]}}
        assert made.headers["Warning"] == '299 - "unknown field \\"spec.unknown\\""'
        strict = http.post(path, params={"fieldValidation": "Strict"}, json=widget(base, "b", unknown=1))
        assert strict.status_code == 400
        assert strict.json()["message"].endswith('strict decoding error: unknown field "spec.unknown"')
        bad = http.post(path, json=widget(base, "b", size=11, color="green", host="1.2.3", ports=[{"name": "x"}, {"name": "x"}]))
        assert bad.status_code == 422
        causes = {(c["field"], c["message"]) for c in bad.json()["details"]["causes"]}
        assert causes == {
            ("spec.size", "Invalid value: 11: spec.size in body should be less than or equal to 10"),
            ("spec.color", 'Unsupported value: "green": supported values: "red", "blue"'),
            ("spec.host", 'Invalid value: "1.2.3": spec.host in body must be of type ipv4: "1.2.3"'),
            ("spec.ports[1]", 'Duplicate value: {"name":"x"}'),
            (
                "<nil>",
                "Invalid value: null: some validation rules were not checked because the object was invalid; "
                "correct the existing errors to complete validation",
            ),
        }


def test_transition_rules_compare_with_what_was(http: httpx.Client, namespace: str) -> None:
    with defined(http, definition("rules.example.com")) as base:
        path = f"{base}/namespaces/{namespace}/widgets"
        http.post(path, json=widget(base)).raise_for_status()
        assert http.patch(f"{path}/a", json={"spec": {"size": 4}}, headers=MERGE).status_code == 200
        shrunk = http.patch(f"{path}/a", json={"spec": {"size": 2}}, headers=MERGE)
        assert shrunk.status_code == 422
        (cause,) = shrunk.json()["details"]["causes"]
        assert cause == {"reason": "FieldValueForbidden", "message": "Forbidden: size must not shrink", "field": "spec"}


def test_what_was_invalid_already_may_stay(http: httpx.Client, namespace: str) -> None:
    with defined(http, definition("ratchet.example.com")) as base:
        path = f"{base}/namespaces/{namespace}/widgets"
        http.post(path, json=widget(base, size=9)).raise_for_status()
        crd = f"{CRDS}/widgets.ratchet.example.com"
        narrower = [
            {"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/maximum", "value": 5}
        ]
        changed = http.patch(crd, json=narrower, headers={"Content-Type": "application/json-patch+json"})
        assert changed.status_code == 200, changed.text
        until(lambda: http.post(path, json=widget(base, "b", size=9), params={"dryRun": "All"}).status_code == 422)
        assert http.patch(f"{path}/a", json={"spec": {"color": "blue"}}, headers=MERGE).status_code == 200
        assert http.patch(f"{path}/a", json={"spec": {"size": 10}}, headers=MERGE).status_code == 422


def test_subresources_of_their_own(http: httpx.Client, namespace: str) -> None:
    subresources = {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}
    with defined(http, definition("subs.example.com", subresources=subresources)) as base:
        path = f"{base}/namespaces/{namespace}/widgets"
        made = http.post(path, json={**widget(base, replicas=1), "status": {"replicas": 7}}).json()
        assert "status" not in made
        assert made["metadata"]["generation"] == 1
        status = http.patch(f"{path}/a/status", json={"spec": {"size": 5}, "status": {"replicas": 2}}, headers=MERGE).json()
        assert (status["spec"]["size"], status["status"], status["metadata"]["generation"]) == (3, {"replicas": 2}, 1)
        scale = http.patch(f"{path}/a/scale", json={"spec": {"replicas": 4}}, headers=MERGE).json()
        assert (scale["kind"], scale["spec"], scale["status"]) == ("Scale", {"replicas": 4}, {"replicas": 2})
        after = http.get(f"{path}/a").json()
        assert (after["spec"]["replicas"], after["metadata"]["generation"]) == (4, 2)
        assert {m.get("subresource") for m in after["metadata"]["managedFields"]} == {None, "status", "scale"}


def test_columns(http: httpx.Client, namespace: str) -> None:
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    with defined(http, definition("columns.example.com", additionalPrinterColumns=columns)) as base:
        path = f"{base}/namespaces/{namespace}/widgets"
        http.post(path, json=widget(base)).raise_for_status()
        table = http.get(path, headers={"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}).json()
        assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Size", "Age"]
        assert table["rows"][0]["cells"][:2] == ["a", 3]


def test_apply_merges_by_the_schema(http: httpx.Client, namespace: str) -> None:
    with defined(http, definition("apply.example.com")) as base:
        path = f"{base}/namespaces/{namespace}/widgets/a"

        def apply(manager: str, **spec: Any) -> httpx.Response:
            return http.patch(path, params={"fieldManager": manager}, content=json.dumps(widget(base, **spec)), headers=APPLY)

        assert apply("one", ports=[{"name": "web", "number": 80}]).status_code == 201
        assert apply("two", ports=[{"name": "dns", "number": 53}]).json()["spec"]["ports"] == [
            {"name": "web", "number": 80},
            {"name": "dns", "number": 53},
        ]
        conflict = apply("two", ports=[{"name": "web", "number": 81}])
        assert conflict.status_code == 409
        assert conflict.json()["message"] == 'Apply failed with 1 conflict: conflict with "one": .spec.ports[name="web"].number'


def test_deletion_takes_the_objects_along(http: httpx.Client, namespace: str) -> None:
    crd = definition("gone.example.com")
    with defined(http, crd) as base:
        path = f"{base}/namespaces/{namespace}/widgets"
        http.post(path, json=widget(base)).raise_for_status()
        held = widget(base, "held")
        held["metadata"]["finalizers"] = ["example.com/hold"]
        http.post(path, json=held).raise_for_status()
        assert http.delete(f"{CRDS}/widgets.gone.example.com").status_code == 200
        until(lambda: http.get(f"{path}/a").status_code == 404)
        assert http.get(f"{path}/held").json()["metadata"]["deletionTimestamp"]

        def refused() -> bool:
            answer = http.post(path, json=widget(base, "late"))
            return answer.status_code == 403 and "while custom resource definition is terminating" in answer.json()["message"]

        until(refused)
        assert "customresourcecleanup.apiextensions.k8s.io" in http.get(f"{CRDS}/widgets.gone.example.com").json()["metadata"]["finalizers"]
        http.patch(f"{path}/held", json={"metadata": {"finalizers": None}}, headers=MERGE).raise_for_status()
        until(lambda: http.get(f"{CRDS}/widgets.gone.example.com").status_code == 404)
    with defined(http, crd) as base:
        assert http.get(f"{base}/widgets").json()["items"] == []


def test_names_that_others_have_are_not_accepted(http: httpx.Client) -> None:
    with defined(http, definition("names.example.com")):
        second = definition("names.example.com", plural="gadgets", kind="Widget")
        http.post(CRDS, json=second).raise_for_status()
        name = f"{CRDS}/gadgets.names.example.com"

        def conditions() -> dict[str, Obj]:
            return {c["type"]: c for c in http.get(name).json().get("status", {}).get("conditions") or ()}

        until(lambda: "NamesAccepted" in conditions())
        found = conditions()
        assert (found["NamesAccepted"]["status"], found["NamesAccepted"]["reason"]) == ("False", "ListKindConflict")
        assert found["Established"]["status"] == "False"
        assert http.get("/apis/names.example.com/v1/gadgets").status_code == 404
        http.delete(f"{CRDS}/widgets.names.example.com")
        until(lambda: conditions()["Established"]["status"] == "True")
        assert http.get("/apis/names.example.com/v1/gadgets").status_code == 200
        http.delete(name)


def test_everything_is_served_again_after_a_restart(apiserver: ApiServer) -> None:
    server = apiserver
    with server.http() as http:
        http.post(CRDS, json=definition("again.example.com")).raise_for_status()
        base = "/apis/again.example.com/v1"
        until(lambda: http.get(f"{base}/widgets").status_code == 200)
        http.post(f"{base}/namespaces/default/widgets", json=widget(base)).raise_for_status()
    assert server.stop() == 0
    server.start()
    with server.http() as http:
        assert http.get(f"{base}/namespaces/default/widgets/a").json()["spec"] == {"size": 3, "color": "red"}
        assert http.delete(f"{CRDS}/widgets.again.example.com").status_code == 200


@contextmanager
def converter(folder: Path) -> Iterator[Obj]:
    """A conversion webhook: v2 calls spec.size spec.bulk. Yields its clientConfig."""
    ca = pki.new_ca("webhook-ca")
    pair = pki.issue(ca, "localhost", server=True, names=["127.0.0.1", "localhost"])
    cert, key = folder / "tls.crt", folder / "tls.key"
    cert.write_bytes(pair.cert_pem)
    key.write_bytes(pair.key_pem)

    class Convert(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = review["request"]
            out = []
            for obj in request["objects"]:
                was, now = ("size", "bulk") if request["desiredAPIVersion"].endswith("/v2") else ("bulk", "size")
                spec = obj["spec"]
                if was in spec:
                    spec[now] = spec.pop(was)
                out.append({**obj, "apiVersion": request["desiredAPIVersion"]})
            response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": out}
            body = json.dumps({"kind": review["kind"], "apiVersion": review["apiVersion"], "response": response}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Convert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {"url": f"https://127.0.0.1:{server.server_port}/", "caBundle": base64.b64encode(ca.cert_pem).decode()}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_webhook_converts(http: httpx.Client, namespace: str, tmp_path: Path) -> None:
    crd = definition("convert.example.com")
    first = crd["spec"]["versions"][0]
    second: Obj = deepcopy(first) | {"name": "v2", "storage": False}
    spec = second["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec.pop("x-kubernetes-validations")
    spec["properties"]["bulk"] = spec["properties"].pop("size")
    spec["required"] = ["bulk"]
    first["selectableFields"], second["selectableFields"] = [{"jsonPath": ".spec.size"}], [{"jsonPath": ".spec.bulk"}]
    crd["spec"]["versions"].append(second)
    with converter(tmp_path) as config:
        crd["spec"]["conversion"] = {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": config}}
        with defined(http, crd) as base:
            one, two = (f"/apis/convert.example.com/{v}/namespaces/{namespace}/widgets" for v in ("v1", "v2"))
            http.post(one, json=widget(base)).raise_for_status()
            seen = http.get(f"{two}/a").json()
            assert (seen["apiVersion"], seen["spec"]) == ("convert.example.com/v2", {"bulk": 3, "color": "red"})
            changed = http.patch(f"{two}/a", json={"spec": {"bulk": 5}}, headers=MERGE)
            assert changed.status_code == 200, changed.text
            assert changed.json()["spec"]["bulk"] == 5
            assert http.get(f"{one}/a").json()["spec"]["size"] == 5
            made = http.post(two, json={**widget(base, "b"), "apiVersion": "convert.example.com/v2", "spec": {"bulk": 7}})
            assert made.status_code == 201, made.text
            assert [w["spec"]["size"] for w in http.get(one).json()["items"]] == [5, 7]
            assert [w["spec"]["bulk"] for w in http.get(two).json()["items"]] == [5, 7]
            with http.stream("GET", two, params={"watch": "true", "timeoutSeconds": 2}) as events:
                first_event = json.loads(next(events.iter_lines()))
            assert first_event["object"]["spec"] == {"bulk": 5, "color": "red"}
            _select_in_both_versions(http, one, two)


def _select_in_both_versions(http: httpx.Client, one: str, two: str) -> None:
    """Fields are compared as the requested version shows them, whatever version is stored."""
    for base, field in ((one, "spec.size"), (two, "spec.bulk")):
        listed = http.get(base, params={"fieldSelector": f"{field}=7"}).json()
        assert [w["metadata"]["name"] for w in listed["items"]] == ["b"]
    version = listed["metadata"]["resourceVersion"]
    http.patch(f"{one}/a", json={"spec": {"size": 7}}, headers=MERGE).raise_for_status()
    http.patch(f"{one}/b", json={"spec": {"size": 8}}, headers=MERGE).raise_for_status()
    query = {"watch": "true", "timeoutSeconds": 2, "fieldSelector": "spec.bulk=7", "resourceVersion": version}
    with http.stream("GET", two, params=query) as events:
        seen = [json.loads(line) for line in events.iter_lines()]
    assert [(e["type"], e["object"]["metadata"]["name"]) for e in seen] == [("ADDED", "a"), ("DELETED", "b")]
    assert http.delete(two, params={"fieldSelector": "spec.bulk=7"}).json()["items"][0]["metadata"]["name"] == "a"
    assert [w["metadata"]["name"] for w in http.get(one).json()["items"]] == ["b"]
