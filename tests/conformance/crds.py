"""Custom resource definitions for checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.conformance.plane import Obj, Plane, condition, meta, unique, until

CRDS = "customresourcedefinitions.apiextensions.k8s.io"
ANY: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(versions: list[str], schema: Obj | None = ANY, *, group: str = "", **more: Any) -> Obj:
    """A namespaced kind with these served versions; the first is stored. `more` goes into each version."""
    word = unique("e2e").replace("-", "x")
    group = group or f"{word}.example.com"
    names = {"plural": f"{word}s", "singular": word, "kind": word.capitalize(), "listKind": f"{word.capitalize()}List"}
    shown = [
        {"name": v, "served": True, "storage": i == 0, "schema": {"openAPIV3Schema": schema or ANY}, **more} for i, v in enumerate(versions)
    ]
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": shown}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**crd, "metadata": meta(f"{names['plural']}.{group}"), "spec": spec}


@contextmanager
def established(plane: Plane, crd: Obj) -> Iterator[str]:
    """The definition in the cluster for the block: its resource as `Plane` wants it, in the first version."""
    name, spec = crd["metadata"]["name"], crd["spec"]
    plane.create(CRDS, crd)
    plane.until(CRDS, name, "", lambda o: condition(o, "Established") == "True")
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    until(lambda: plane.http.get(path).status_code == 200)
    try:
        yield f"{spec['names']['plural']}.{spec['versions'][0]['name']}.{spec['group']}"
    finally:
        plane.delete(CRDS, name)


def instance(crd: Obj, name: str, version: str = "v1", **fields: Any) -> Obj:
    """An object of a definition's kind."""
    return {"apiVersion": f"{crd['spec']['group']}/{version}", "kind": crd["spec"]["names"]["kind"], "metadata": meta(name), **fields}
