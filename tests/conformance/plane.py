"""A client of the plane for conformance checks: verbs over HTTPS by resource name, and waiting for the API to say something."""

from __future__ import annotations

import base64
import itertools
import json
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from kubepy.api import kinds

Obj = dict[str, Any]
_count = itertools.count(1)


def path_of(what: str, ns: str = "", name: str = "", sub: str = "") -> str:
    """The path of a resource: `deployments.apps`, `pods`, or `widgets.v1.example.com` for custom ones (`!` in front: cluster-wide)."""
    plural, _, rest = what.partition(".")
    version, _, group = rest.partition(".")
    if version.startswith("v") and version[1:2].isdigit():
        base = f"/apis/{group}/{version}" if group else f"/api/{version}"
    else:
        found = kinds.resource(what)
        base = f"/apis/{found.group}/{found.version}" if found.group else f"/api/{found.version}"
    parts = [base, *(["namespaces", ns] if ns else []), plural, name, sub]
    return "/".join(p for p in parts if p)


class Failed(AssertionError):
    """The API answered otherwise than the check wants."""


class Plane:
    """An administrator's client of one API server. Every verb checks the code of the answer."""

    def __init__(self, kubeconfig: Path, home: Path | None = None) -> None:
        self.kubeconfig, self.home = kubeconfig, home
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.url: str = cluster["server"]
        self.ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=self.ca)
        with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"]))
            pair.flush()
            context.load_cert_chain(pair.name)
        self.http = httpx.Client(base_url=self.url, verify=context, timeout=40)

    def anonymous(self, token: str = "") -> httpx.Client:
        """A client without certificate; with a bearer token when one is given."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, verify=ssl.create_default_context(cadata=self.ca), headers=headers, timeout=40)

    def call(self, method: str, path: str, body: Any = None, *, code: int = 0, headers: Any = None, **params: Any) -> Any:
        """The JSON answer; `code` 0 wants any success."""
        content = body if isinstance(body, (bytes, str)) or body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", **(headers or {})} if body is not None else headers
        answer = self.http.request(
            method, path, content=content, headers=headers, params={k: v for k, v in params.items() if v is not None}
        )
        if (code and answer.status_code != code) or (not code and answer.status_code >= 300):
            raise Failed(f"{method} {path}: {answer.status_code} instead of {code or '2xx'}: {answer.text[:1500]}")
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text

    def create(self, what: str, obj: Obj, ns: str = "", *, sub: str = "", name: str = "", code: int = 0, **params: Any) -> Obj:
        out: Obj = self.call("POST", path_of(what, ns, name, sub), obj, code=code, **params)
        return out

    def get(self, what: str, name: str, ns: str = "", sub: str = "", code: int = 0) -> Obj:
        out: Obj = self.call("GET", path_of(what, ns, name, sub), code=code)
        return out

    def list(self, what: str, ns: str = "", **params: Any) -> list[Obj]:
        """The items."""
        items: list[Obj] = self.call("GET", path_of(what, ns), **params)["items"]
        return items

    def update(self, what: str, obj: Obj, sub: str = "", code: int = 0) -> Obj:
        meta = obj["metadata"]
        out: Obj = self.call("PUT", path_of(what, meta.get("namespace", ""), meta["name"], sub), obj, code=code)
        return out

    def patch(
        self, what: str, name: str, patch: Any, ns: str = "", *, sub: str = "", kind: str = "merge-patch+json", code: int = 0, **params: Any
    ) -> Obj:
        headers = {"Content-Type": f"application/{kind}"}
        out: Obj = self.call("PATCH", path_of(what, ns, name, sub), patch, code=code, headers=headers, **params)
        return out

    def delete(self, what: str, name: str, ns: str = "", *, code: int = 0, **options: Any) -> Obj:
        """`options` are DeleteOptions."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **options} if options else None
        out: Obj = self.call("DELETE", path_of(what, ns, name), body, code=code)
        return out

    def delete_collection(self, what: str, ns: str = "", **params: Any) -> None:
        self.call("DELETE", path_of(what, ns), **params)

    @contextmanager
    def watch(self, what: str, ns: str = "", *, since: str = "0", **params: Any) -> Iterator[Iterator[tuple[str, Obj]]]:
        """Events (type, object) until the block ends."""
        query = {"watch": "1", "resourceVersion": since, "timeoutSeconds": "60", **params}
        with self.http.stream("GET", path_of(what, ns), params=query) as answer:
            if answer.status_code != 200:
                raise Failed(answer.read().decode())
            yield ((e["type"], e["object"]) for e in map(json.loads, answer.iter_lines()))

    def until(self, what: str, name: str, ns: str, condition: Callable[[Obj], Any], seconds: float = 30) -> Obj:
        """Poll one object until the condition holds."""
        last: Obj = {}

        def holds() -> Any:
            nonlocal last
            last = self.get(what, name, ns)
            return condition(last)

        until(holds, seconds, lambda: json.dumps({k: last.get(k) for k in ("metadata", "spec", "status", "data")})[:3000])
        return last

    def gone(self, what: str, name: str, ns: str = "", seconds: float = 30) -> None:
        """Wait until there is no such object."""
        until(lambda: self.http.get(path_of(what, ns, name)).status_code == 404, seconds, lambda: f"{what} {name} is still there")

    def until_list(
        self, what: str, ns: str, condition: Callable[[list[Obj]], Any], seconds: float = 30, **params: Any
    ) -> list[Obj]:  # fmt: skip
        """Poll a collection until the condition holds; the items."""
        found: list[Obj] = []

        def holds() -> Any:
            nonlocal found
            found = self.list(what, ns, **params)
            return condition(found)

        until(holds, seconds, lambda: json.dumps([{"name": o["metadata"]["name"], "status": o.get("status")} for o in found])[:3000])
        return found


def until(condition: Callable[[], Any], seconds: float = 30, what: Callable[[], str] | str = "the condition") -> Any:
    """Poll; returns what the condition returned. Fails the check when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.03)


def unique(base: str) -> str:
    """A name nobody else has in this run."""
    return f"{base}-{next(_count)}-{time.time_ns() % 1_000_000}"


def meta(name: str, **more: Any) -> Obj:
    """ObjectMeta."""
    return {"name": name, **more}


def container(command: list[str] | None = None, **more: Any) -> Obj:
    """A container `c`; without command it runs until it is stopped."""
    out: Obj = {"name": "c", "image": "registry.k8s.io/pause:3.10", **more}
    return {**out, "command": command} if command else out


def pod(name: str, command: list[str] | None = None, labels: dict[str, str] | None = None, **spec: Any) -> Obj:
    """A pod with one container that stops at once."""
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container(command)], **spec}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": meta(name, labels=labels or {}), "spec": spec}


def template(labels: dict[str, str], command: list[str] | None = None, **spec: Any) -> Obj:
    """A pod template."""
    whole = {"terminationGracePeriodSeconds": 0, "containers": [container(command)], **spec}
    return {"metadata": {"labels": labels}, "spec": whole}


def workload(
    kind: str, name: str, replicas: int | None = 1, *, api: str = "apps/v1", labels: dict[str, str] | None = None, **spec: Any
) -> Obj:
    """A Deployment, ReplicaSet, StatefulSet, DaemonSet (replicas None) or ReplicationController (api `v1`)."""
    labels = labels or {"app": name}
    selector: Any = labels if api == "v1" else {"matchLabels": labels}
    whole = {"selector": selector, "template": template(labels), **spec}
    if replicas is not None:
        whole["replicas"] = replicas
    if kind == "StatefulSet":
        whole.setdefault("serviceName", name)
    return {"kind": kind, "apiVersion": api, "metadata": meta(name, labels=labels), "spec": whole}


def running(pods: list[Obj]) -> list[Obj]:
    """Those that are Ready and not on their way out."""
    return [p for p in pods if not p["metadata"].get("deletionTimestamp") and condition(p, "Ready") == "True"]


def condition(obj: Obj, kind: str) -> str:
    """The status of one condition; "" when there is none."""
    return next((str(c["status"]) for c in obj.get("status", {}).get("conditions") or () if c["type"] == kind), "")
