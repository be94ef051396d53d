"""[sig-api-machinery] watchers, chunking, tables, discovery, version, namespaces; [sig-instrumentation] events."""

from __future__ import annotations

import threading
from itertools import islice, pairwise

import pytest

from tests.conformance.plane import Obj, Plane, meta, path_of, pod, running, unique, until

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def configmap(name: str, labels: dict[str, str] | None = None, **data: str) -> Obj:
    return {"metadata": meta(name, labels=labels or {}), "data": data}


def test_watchers_observe_add_update_and_delete(plane: Plane, ns: str) -> None:
    with (
        plane.watch("configmaps", ns, labelSelector="watch=A") as a,
        plane.watch("configmaps", ns, labelSelector="watch=B") as b,
        plane.watch("configmaps", ns, labelSelector="watch in (A,B)") as both,
    ):
        for label in "AB":
            plane.create("configmaps", configmap(label.lower(), {"watch": label}), ns)
            plane.patch("configmaps", label.lower(), {"data": {"mutation": "1"}}, ns)
            plane.delete("configmaps", label.lower(), ns)
        for stream, names in ((a, "a"), (b, "b"), (both, "ab")):
            got = [(kind, obj["metadata"]["name"], obj.get("data")) for kind, obj in islice(stream, 3 * len(names))]
            one = {"mutation": "1"}
            assert got == [e for n in names for e in (("ADDED", n, None), ("MODIFIED", n, one), ("DELETED", n, one))]


def test_watch_restarts_from_the_last_version_seen_and_from_a_specific_one(plane: Plane, ns: str) -> None:
    made = plane.create("configmaps", configmap("w", {"l": "w"}), ns)
    first = plane.patch("configmaps", "w", {"data": {"mutation": "1"}}, ns)
    plane.patch("configmaps", "w", {"data": {"mutation": "2"}}, ns)
    plane.delete("configmaps", "w", ns)
    with plane.watch("configmaps", ns, since=first["metadata"]["resourceVersion"], labelSelector="l=w") as events:
        assert [(k, o["data"]["mutation"]) for k, o in islice(events, 2)] == [("MODIFIED", "2"), ("DELETED", "2")]
    with plane.watch("configmaps", ns, since=made["metadata"]["resourceVersion"], fieldSelector="metadata.name=w") as events:
        assert [k for k, _ in islice(events, 3)] == ["MODIFIED", "MODIFIED", "DELETED"]


def test_deletion_is_observed_when_the_selector_no_longer_matches(plane: Plane, ns: str) -> None:
    with plane.watch("configmaps", ns, labelSelector="watch=yes") as events:
        plane.create("configmaps", configmap("c", {"watch": "yes"}), ns)
        plane.patch("configmaps", "c", {"data": {"mutation": "1"}}, ns)
        plane.patch("configmaps", "c", {"metadata": {"labels": {"watch": "no"}}}, ns)
        plane.patch("configmaps", "c", {"data": {"mutation": "2"}}, ns)
        plane.patch("configmaps", "c", {"metadata": {"labels": {"watch": "yes"}}}, ns)
        plane.patch("configmaps", "c", {"data": {"mutation": "3"}}, ns)
        plane.delete("configmaps", "c", ns)
        got = [(k, o.get("data", {}).get("mutation")) for k, o in islice(events, 6)]
    assert got == [("ADDED", None), ("MODIFIED", "1"), ("DELETED", "1"), ("ADDED", "2"), ("MODIFIED", "3"), ("DELETED", "3")]


def test_concurrent_watches_see_the_same_order(plane: Plane, ns: str) -> None:
    def writes() -> None:
        with Plane(plane.kubeconfig).http as http:
            for i in range(40):
                http.post(path_of("configmaps", ns), json=configmap(f"c{i % 7}"))
                http.patch(
                    path_of("configmaps", ns, f"c{i % 7}"),
                    json={"data": {"i": str(i)}},
                    headers={"Content-Type": "application/merge-patch+json"},
                )
                if i % 3 == 0:
                    http.delete(path_of("configmaps", ns, f"c{i % 7}"))

    start = plane.call("GET", path_of("configmaps", ns))["metadata"]["resourceVersion"]
    writer = threading.Thread(target=writes)
    writer.start()
    orders: list[list[str]] = []
    while len(orders) < 10:
        with plane.watch("configmaps", ns, since=start) as events:
            seen = [o["metadata"]["resourceVersion"] for _, o in islice(events, 5)]
        orders.append(seen)
        start = seen[0]
    writer.join()
    for before, after in pairwise(orders):
        assert before[1:] == after[:4]


def test_chunking_returns_every_object_once_at_one_version(plane: Plane, ns: str) -> None:
    for i in range(40):
        plane.create("podtemplates", {"metadata": meta(f"t-{i:04d}"), "template": pod("x")}, ns)
    token, seen, version = "", [], ""
    while True:
        page = plane.call("GET", path_of("podtemplates", ns), limit=17, **({"continue": token} if token else {}))
        version = version or page["metadata"]["resourceVersion"]
        assert page["metadata"]["resourceVersion"] == version
        seen += [o["metadata"]["name"] for o in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            assert not page["metadata"].get("remainingItemCount")
            break
        assert page["metadata"]["remainingItemCount"] == 40 - len(seen)
    assert seen == [f"t-{i:04d}" for i in range(40)]
    whole = plane.call("GET", path_of("podtemplates", ns), resourceVersion=0)
    assert len(whole["items"]) == 40


def test_a_backend_without_metadata_has_no_tables(plane: Plane) -> None:
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {}}
    review["spec"] = {"nonResourceAttributes": {"path": "/", "verb": "get"}}
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    got = plane.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review, code=406, headers=accept)
    assert got["reason"] == "NotAcceptable"


def test_tables_of_pods_and_nodes(plane: Plane, ns: str) -> None:
    plane.create("pods", pod("p"), ns)
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    table = plane.call("GET", path_of("pods", ns, "p"), headers=accept)
    assert table["kind"] == "Table" and table["apiVersion"] == "meta.k8s.io/v1"
    assert len(table["rows"]) == 1 and len(table["rows"][0]["cells"]) == len(table["columnDefinitions"]) > 2
    assert table["columnDefinitions"][0]["name"] == "Name" and table["rows"][0]["cells"][0] == "p"
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_discovery_documents(plane: Plane) -> None:
    groups = plane.call("GET", "/apis")["groups"]
    for group in groups:
        assert group["preferredVersion"] in group["versions"]
        assert plane.call("GET", f"/apis/{group['name']}") == {"kind": "APIGroup", "apiVersion": "v1", **group}
        for version in group["versions"]:
            listed = plane.call("GET", f"/apis/{version['groupVersion']}")
            assert listed["groupVersion"] == version["groupVersion"] and listed["resources"]
    admission = plane.call("GET", "/apis/admissionregistration.k8s.io/v1")["resources"]
    assert {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} <= {r["name"] for r in admission}


@pytest.mark.parametrize("path", ["/api", "/apis"])
@pytest.mark.parametrize("accept", [AGGREGATED, "application/json"])
def test_aggregated_discovery(plane: Plane, path: str, accept: str) -> None:
    answer = plane.http.get(path, headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(accept)
    if accept != "application/json":
        assert answer.json()["kind"] == "APIGroupDiscoveryList"
        items = {i["metadata"].get("name", "") for i in answer.json()["items"]}
        assert items >= ({""} if path == "/api" else {"apps", "batch", "admissionregistration.k8s.io", "apiextensions.k8s.io"})


def test_server_version(plane: Plane) -> None:
    version = plane.call("GET", "/version")
    assert version["major"] == "1" and version["minor"].rstrip("+").isdigit()


def test_at_least_two_untainted_nodes(plane: Plane) -> None:
    assert sum(not n["spec"].get("taints") and not n["spec"].get("unschedulable") for n in plane.list("nodes")) >= 2


def test_namespace_patch_update_status_and_finalizer(plane: Plane) -> None:
    name = unique("nspatch")
    plane.create("namespaces", {"metadata": meta(name)})
    assert plane.patch("namespaces", name, {"metadata": {"labels": {"testLabel": "v"}}}, kind="strategic-merge-patch+json")["metadata"][
        "labels"
    ] == {"kubernetes.io/metadata.name": name, "testLabel": "v"}
    one = {"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "Patched by an e2e test"}
    change = {"metadata": {"annotations": {"e2e-patched-ns-status": name}}, "status": {"conditions": [one]}}
    patched = plane.patch("namespaces", name, change, sub="status")
    assert patched["metadata"]["annotations"]["e2e-patched-ns-status"] == name
    assert [c["message"] for c in patched["status"]["conditions"]] == ["Patched by an e2e test"]
    patched["status"]["conditions"].append({**one, "type": "StatusUpdate", "message": "Updated by an e2e test"})
    assert len(plane.update("namespaces", patched, "status")["status"]["conditions"]) == 2
    now = plane.get("namespaces", name)
    now["metadata"]["labels"][name] = "updated"
    plane.update("namespaces", now)
    now = plane.get("namespaces", name)
    now["spec"]["finalizers"].append("e2e.example.com/fakeFinalizer")
    assert plane.update("namespaces", now, "finalize")["spec"]["finalizers"] == ["kubernetes", "e2e.example.com/fakeFinalizer"]
    plane.delete("namespaces", name)
    now = plane.until("namespaces", name, "", lambda n: n["spec"].get("finalizers") == ["e2e.example.com/fakeFinalizer"])
    assert now["status"]["phase"] == "Terminating"
    now["spec"]["finalizers"] = []
    plane.update("namespaces", now, "finalize")
    plane.gone("namespaces", name)


def test_namespace_deletion_takes_pods_and_services_along(plane: Plane) -> None:
    name = unique("nsdelete")
    plane.create("namespaces", {"metadata": meta(name)})
    plane.until_list("serviceaccounts", name, len)
    plane.create("pods", pod("p"), name)
    plane.create("services", {"metadata": meta("s"), "spec": {"ports": [{"port": 80}]}}, name)
    plane.until_list("pods", name, running)
    plane.delete("namespaces", name)
    plane.gone("namespaces", name)
    plane.create("namespaces", {"metadata": meta(name)})
    assert not plane.list("pods", name) and not plane.list("services", name)
    plane.delete("namespaces", name)


def test_namespace_deletion_deletes_pods_first(plane: Plane) -> None:
    name = unique("nsordered")
    plane.create("namespaces", {"metadata": meta(name)})
    plane.until_list("serviceaccounts", name, len)
    held = pod("p")
    held["metadata"]["finalizers"] = ["e2e.example.com/finalizer"]
    plane.create("pods", held, name)
    plane.create("configmaps", configmap("c"), name)
    plane.until_list("pods", name, running)
    plane.delete("namespaces", name)

    def processed(found: Obj) -> bool:
        return any(c["type"] == "NamespaceDeletionContentFailure" for c in found["status"].get("conditions", ()))

    plane.until("namespaces", name, "", processed)
    assert "deletionTimestamp" in plane.get("pods", "p", name)["metadata"]
    assert "deletionTimestamp" not in plane.get("configmaps", "c", name)["metadata"]
    plane.patch("pods", "p", {"metadata": {"finalizers": None}}, name)
    plane.gone("namespaces", name)


CORE_EVENT = {
    "involvedObject": {"kind": "Pod", "name": "p"},
    "message": "This is a test event",
    "reason": "Test",
    "type": "Normal",
    "count": 1,
    "source": {"component": "e2e"},
}
NEW_EVENT = {
    "regarding": {"kind": "Pod", "name": "p"},
    "note": "This is a note",
    "reason": "Test",
    "type": "Normal",
    "action": "Do",
    "reportingController": "test-controller",
    "reportingInstance": "test-node",
    "eventTime": "2026-01-02T03:04:05.123456Z",
}


@pytest.mark.parametrize(("what", "body", "text"), [("events", CORE_EVENT, "message"), ("events.events.k8s.io", NEW_EVENT, "note")])
def test_events_from_creation_to_deletion(plane: Plane, ns: str, what: str, body: Obj, text: str) -> None:
    about = "involvedObject" if what == "events" else "regarding"
    made = {**body, "metadata": meta("e", labels={"testevent-constant": "true"}), about: {**body[about], "namespace": ns}}
    plane.create(what, made, ns)
    assert [
        e["metadata"]["name"] for e in plane.list(what, "", labelSelector="testevent-constant=true") if e["metadata"]["namespace"] == ns
    ]
    assert plane.list(what, ns, fieldSelector="reason=Test" if what == "events" else "reportingController=test-controller,reason=Test")
    series = {"count": 5, "lastObservedTime": "2026-01-02T03:04:06.654321Z"}
    # events.k8s.io takes changes of the series only
    change = {"series": series, **({text: "changed"} if what == "events" else {})}
    assert plane.patch(what, "e", change, ns, kind="strategic-merge-patch+json")["series"] == series
    now = plane.get(what, "e", ns)
    assert now[text] == ("changed" if what == "events" else body[text])
    now["series"] = {"count": 100, "lastObservedTime": "2026-01-02T03:05:06.000001Z"}
    plane.update(what, now)
    assert plane.get("events" if what != "events" else "events.events.k8s.io", "e", ns)["series"]["count"] == 100
    plane.delete(what, "e", ns)
    for i in range(3):
        plane.create(what, {**made, "metadata": meta(f"e{i}", labels={"testevent-set": "true"})}, ns)
    plane.delete_collection(what, ns, labelSelector="testevent-set=true")
    until(lambda: not plane.list(what, ns, labelSelector="testevent-set=true"))
