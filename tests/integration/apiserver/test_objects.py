"""The life of an object over HTTPS: create, read, list, change, watch, delete; codes and messages."""

from __future__ import annotations

import json
import threading
from typing import Any

from tests.integration.conftest import ApiServer


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": data}


def test_create_read_update_delete(apiserver: ApiServer, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/configmaps"
    with apiserver.http() as http:
        created = http.post(base, json=config_map("a", k="1"))
        assert created.status_code == 201
        body = created.json()
        assert list(body)[:3] == ["kind", "apiVersion", "metadata"]
        assert body["metadata"]["namespace"] == namespace
        assert http.get(f"{base}/a").json() == body
        again = http.post(base, json=config_map("a"))
        assert (again.status_code, again.json()["message"]) == (409, 'configmaps "a" already exists')
        changed = http.put(f"{base}/a", json={**body, "data": {"k": "2"}}).json()
        assert changed["data"] == {"k": "2"}
        assert int(changed["metadata"]["resourceVersion"]) > int(body["metadata"]["resourceVersion"])
        stale = http.put(f"{base}/a", json={**body, "data": {"k": "3"}})
        assert (stale.status_code, stale.json()["reason"]) == (409, "Conflict")
        same = http.put(f"{base}/a", json={**changed, "metadata": {**changed["metadata"], "selfLink": "/x"}}).json()
        assert "selfLink" not in same["metadata"]
        assert same["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"]
        assert http.delete(f"{base}/a").json()["status"] == "Success"
        gone = http.get(f"{base}/a")
        assert gone.json() == {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": 'configmaps "a" not found',
            "reason": "NotFound", "details": {"name": "a", "kind": "configmaps"}, "code": 404,
        }  # fmt: skip


def test_list_pages_are_consistent(apiserver: ApiServer, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/configmaps"
    with apiserver.http() as http:
        for i in range(5):
            http.post(base, json=config_map(f"m{i}")).raise_for_status()
        first = http.get(base, params={"limit": 2}).json()
        assert [o["metadata"]["name"] for o in first["items"]] == ["m0", "m1"]
        assert first["metadata"]["remainingItemCount"] == 3
        assert "kind" not in first["items"][0]
        http.delete(f"{base}/m4")
        http.post(base, json=config_map("m9"))
        names, token = [], first["metadata"]["continue"]
        while token:
            page = http.get(base, params={"limit": 2, "continue": token}).json()
            names += [o["metadata"]["name"] for o in page["items"]]
            assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
            token = page["metadata"].get("continue", "")
        assert names == ["m2", "m3", "m4"]


def test_selectors(apiserver: ApiServer, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/configmaps"
    with apiserver.http() as http:
        for name, tier in (("a", "web"), ("b", "db"), ("c", "web")):
            obj = config_map(name)
            obj["metadata"]["labels"] = {"tier": tier}
            http.post(base, json=obj).raise_for_status()

        def names(**params: str) -> list[str]:
            return [o["metadata"]["name"] for o in http.get(base, params=params).json()["items"]]

        assert names(labelSelector="tier=web") == ["a", "c"]
        assert names(labelSelector="tier!=web") == ["b"]
        assert names(fieldSelector="metadata.name=b") == ["b"]
        assert names(labelSelector="tier=web", fieldSelector="metadata.name!=a") == ["c"]
        http.request("DELETE", base, params={"labelSelector": "tier=web"}).raise_for_status()
        assert names() == ["b"]


def test_watch_delivers_changes_in_order(apiserver: ApiServer, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/configmaps"
    with apiserver.http() as http:
        version = http.get(base).json()["metadata"]["resourceVersion"]
        events: list[tuple[str, str]] = []
        opened = threading.Event()

        def follow() -> None:
            with apiserver.http() as other:
                params = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "10"}
                with other.stream("GET", base, params=params) as answer:
                    opened.set()
                    for line in answer.iter_lines():
                        event = json.loads(line)
                        events.append((event["type"], event["object"]["metadata"]["name"]))
                        if event["type"] == "DELETED":
                            return

        thread = threading.Thread(target=follow)
        thread.start()
        assert opened.wait(10)
        http.post(base, json=config_map("w", k="1")).raise_for_status()
        merge = {"Content-Type": "application/merge-patch+json"}
        http.patch(f"{base}/w", content='{"data":{"k":"2"}}', headers=merge).raise_for_status()
        http.delete(f"{base}/w").raise_for_status()
        thread.join(15)
        assert events == [("ADDED", "w"), ("MODIFIED", "w"), ("DELETED", "w")]


def test_patches(apiserver: ApiServer, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/configmaps"
    with apiserver.http() as http:
        http.post(base, json=config_map("p", a="1", b="2")).raise_for_status()

        def patch(kind: str, body: str, **params: str) -> Any:
            return http.patch(f"{base}/p", content=body, headers={"Content-Type": f"application/{kind}"}, params=params)

        assert patch("merge-patch+json", '{"data":{"a":null,"c":"3"}}').json()["data"] == {"b": "2", "c": "3"}
        assert patch("json-patch+json", '[{"op":"remove","path":"/data/b"}]').json()["data"] == {"c": "3"}
        assert patch("strategic-merge-patch+json", '{"data":{"d":"4"}}').json()["data"] == {"c": "3", "d": "4"}
        config = '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"p"},"data":{"d":"5"}}'
        refused = patch("apply-patch+yaml", config, fieldManager="me")
        assert (refused.status_code, refused.json()["reason"]) == (409, "Conflict")
        assert patch("apply-patch+yaml", config, fieldManager="me", force="true").json()["data"]["d"] == "5"
        wrong = patch("json", "{}")
        assert (wrong.status_code, wrong.json()["message"]) == (415, "415: Unsupported Media Type")


def test_finalizers_hold_an_object(apiserver: ApiServer, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/configmaps"
    with apiserver.http() as http:
        obj = config_map("f")
        obj["metadata"]["finalizers"] = ["example.com/hold"]
        http.post(base, json=obj).raise_for_status()
        held = http.delete(f"{base}/f").json()
        assert held["metadata"]["deletionTimestamp"]
        merge = {"Content-Type": "application/merge-patch+json"}
        released = http.patch(f"{base}/f", content='{"metadata":{"finalizers":null}}', headers=merge)
        assert released.status_code == 200
        assert http.get(f"{base}/f").status_code == 404


def test_dry_run_stores_nothing(apiserver: ApiServer, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/configmaps"
    with apiserver.http() as http:
        assert http.post(base, json=config_map("d"), params={"dryRun": "All"}).status_code == 201
        assert http.get(f"{base}/d").status_code == 404


def test_nobody_without_rights(apiserver: ApiServer, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/configmaps"
    with apiserver.http("alicetoken") as http:
        refused = http.get(base)
        assert refused.status_code == 403
        assert refused.json()["message"].startswith('configmaps is forbidden: User "alice" cannot list resource "configmaps"')
    with apiserver.http("nonsense") as http:
        assert http.get(base).status_code == 401
