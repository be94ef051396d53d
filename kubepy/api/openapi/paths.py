"""The paths of the OpenAPI documents: one path item per collection, object and subresource, made from a `Resource`. Pure; in v3's form.

Upstream: apiserver pkg/endpoints/installer.go and pkg/endpoints/openapi (operation ids, tags).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kubepy.api.openapi import schemas
from kubepy.api.openapi.parameters import NAMESPACE, PRETTY, PROXY_PATH, Obj, options, path_parameter
from kubepy.api.resource import Resource, Subresource

JSON = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_STREAMS = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
_CUSTOM = ("application/json", "application/yaml")
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_PROXY_METHODS = ("delete", "get", "head", "options", "patch", "post", "put")
_WATCH_ONE = "watch changes to an object of kind {}. deprecated: use the 'watch' parameter with a list operation instead, "
_WATCH_ONE += "filtered to a single item with the 'fieldSelector' parameter."
_WATCH_LIST = "watch individual changes to a list of {}. deprecated: use the 'watch' parameter with a list operation instead."


def _camel(text: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9_]+", text))


def _article(kind: str) -> str:
    return f"an {kind}" if kind[:1] in "AEIOUaeiou" else f"a {kind}"


_CREATED = ("200", "201", "202")
_WRITTEN = ("200", "201")
_TEXTS = {"200": "OK", "201": "Created", "202": "Accepted"}
_DELETED_OBJECT = frozenset(
    (
        "csidrivers", "csinodes", "deviceclasses", "persistentvolumeclaims", "persistentvolumes", "pods", "podtemplates", "resourceclaims",
        "resourceclaimtemplates", "resourcequotas", "resourceslices", "serviceaccounts", "services", "storageclasses", "volumeattachments",
        "volumeattributesclasses",
    )
)  # fmt: skip
"""Built-in resources whose deletion answers the object instead of a Status."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation: `{}` in the name is where group and version go; `answer` and `body` name schemas."""

    method: str
    name: str
    action: str
    text: str
    gvk: Obj
    answer: str | None
    body: str | None = None
    codes: tuple[str, ...] = ("200",)
    stream: bool = False
    media: tuple[str, ...] = ("*/*",)


class Paths:
    """Builds the paths of one group and version."""

    def __init__(self, group: str, version: str) -> None:
        trimmed = (group or "core").removesuffix(".k8s.io")
        self.prefix = _camel(trimmed) + _camel(version)
        base = _camel(trimmed)
        self.tag = f"{base[:1].lower() + base[1:]}_{version}"
        self.group, self.version = group, version
        self.root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        self.items: dict[str, Obj] = {}

    def discovery(self) -> None:
        """The path that lists the resources."""
        ok: Obj = {"200": _response("OK", schemas.API_RESOURCE_LIST, JSON), "401": {"description": "Unauthorized"}}
        operation = {
            "tags": [self.tag],
            "description": "get available resources",
            "operationId": f"get{self.prefix}APIResources",
            "responses": ok,
        }
        self.items[self.root + "/"] = {"get": operation}

    def add(self, r: Resource) -> None:
        """All paths of one resource and its subresources."""
        spaced = "/namespaces/{namespace}" if r.namespaced else ""
        collection = f"{self.root}{spaced}/{r.plural}"
        one = collection + "/{name}"
        common = [NAMESPACE, PRETTY] if r.namespaced else [PRETTY]
        named = [path_parameter("name", f"name of the {r.kind}"), *common]
        model, listing = schemas.model_name(r, r.kind), schemas.model_name(r, r.list_kind)
        noun = f"Namespaced{r.kind}" if r.namespaced else r.kind
        verbs = set(r.verbs)
        gvk = schemas.gvk_of(r)
        if "list" in verbs:
            text = f"list or watch objects of kind {r.kind}" if "watch" in verbs else f"list objects of kind {r.kind}"
            call = Call("get", f"list{{}}{noun}", "list", text, gvk, listing, stream=True)
            self._add(collection, common, call, r)
            if r.namespaced:
                self._add(f"{self.root}/{r.plural}", [PRETTY], replace(call, name=f"list{{}}{r.kind}ForAllNamespaces"), r)
        if "create" in verbs:
            call = Call("post", f"create{{}}{noun}", "post", f"create {_article(r.kind)}", gvk, model, model, _CREATED)
            self._add(collection, common, call, r)
        if "deletecollection" in verbs:
            text = f"delete collection of {r.kind}"
            name = f"delete{{}}Collection{noun}"
            call = Call("delete", name, "deletecollection", text, gvk, schemas.STATUS, schemas.DELETE_OPTIONS)
            self._add(collection, common, call, r)
        if "get" in verbs:
            self._add(one, named, Call("get", f"read{{}}{noun}", "get", f"read the specified {r.kind}", gvk, model), r)
        if "update" in verbs:
            text = f"replace the specified {r.kind}"
            self._add(one, named, Call("put", f"replace{{}}{noun}", "put", text, gvk, model, model, _WRITTEN), r)
        if "patch" in verbs:
            self._add(one, named, _patch(r, f"patch{{}}{noun}", f"partially update the specified {r.kind}", gvk, model), r)
        if "delete" in verbs:
            answer = model if r.plural in _DELETED_OBJECT and not r.custom else schemas.STATUS
            text = f"delete {_article(r.kind)}"
            call = Call("delete", f"delete{{}}{noun}", "delete", text, gvk, answer, schemas.DELETE_OPTIONS, ("200", "202"))
            self._add(one, named, call, r)
        for s in r.subresources:
            self._subresource(one, named, r, s, noun)
        if "watch" in verbs and not r.custom:
            self._watches(r, noun, spaced)

    def _watches(self, r: Resource, noun: str, spaced: str) -> None:
        """The deprecated /watch/ paths."""
        every = [*options("list"), PRETTY]
        collection = f"{self.root}/watch{spaced}/{r.plural}"
        namespaced = [NAMESPACE] if r.namespaced else []
        gvk = schemas.gvk_of(r)
        text = _WATCH_LIST.format(r.kind)
        call = Call("get", f"watch{{}}{noun}List", "watchlist", text, gvk, schemas.WATCH_EVENT, stream=True)
        self._add(collection, [*every, *namespaced], call, r)
        if r.namespaced:
            self._add(f"{self.root}/watch/{r.plural}", every, replace(call, name=f"watch{{}}{r.kind}ListForAllNamespaces"), r)
        named = [*every, path_parameter("name", f"name of the {r.kind}"), *namespaced]
        text = _WATCH_ONE.format(r.kind)
        call = Call("get", f"watch{{}}{noun}", "watch", text, gvk, schemas.WATCH_EVENT, stream=True)
        self._add(collection + "/{name}", named, call, r)

    def _subresource(self, one: str, named: list[Obj], r: Resource, s: Subresource, noun: str) -> None:
        path = f"{one}/{s.name}"
        name = f"{noun}{_camel(s.name)}"
        gvk = schemas.gvk(r.group if s.group is None else s.group, s.version or r.version, s.kind)
        if s.kind.endswith("Options"):
            self._connect(path, named, r, s, name, gvk)
            return
        of = f"{s.name} of the specified {r.kind}"
        if s.name == "log":
            self._add(path, [*options("pods/log"), *named], Call("get", f"read{{}}{name}", "get", f"read {of}", gvk, None), r)
            return
        model = schemas.subresource_model(r, s)
        if "get" in s.verbs:
            self._add(path, named, Call("get", f"read{{}}{name}", "get", f"read {of}", gvk, model), r)
        if "create" in s.verbs:
            text = f"create {s.name} of {_article(r.kind)}"
            self._add(path, named, Call("post", f"create{{}}{name}", "post", text, gvk, model, model, _CREATED), r)
        if "update" in s.verbs:
            self._add(path, named, Call("put", f"replace{{}}{name}", "put", f"replace {of}", gvk, model, model, _WRITTEN), r)
        if "patch" in s.verbs:
            self._add(path, named, _patch(r, f"patch{{}}{name}", f"partially update {of}", gvk, model), r)

    def _connect(self, path: str, named: list[Obj], r: Resource, s: Subresource, name: str, gvk: Obj) -> None:
        proxied = s.name == "proxy"
        params = [*options("proxy" if proxied else f"{r.plural}/{s.name}"), *(p for p in named if p is not PRETTY)]
        for method in _PROXY_METHODS if proxied else ("get", "post"):
            text = f"connect {method.upper()} requests to {s.name} of {r.kind}"
            call = Call(method, f"connect{{}}{method.capitalize()}{name}", "connect", text, gvk, None)
            self._add(path, params, call, r)
            if proxied:
                self._add(path + "/{path}", [*params, PROXY_PATH], replace(call, name=call.name + "WithPath"), r)

    def _add(self, path: str, parameters: list[Obj], call: Call, r: Resource) -> None:
        item = self.items.setdefault(path, {"parameters": parameters})
        produced = _CUSTOM if r.custom else (*JSON, *_STREAMS) if call.stream else JSON
        responses = {code: _response(_TEXTS[code], call.answer, produced) for code in call.codes}
        operation: Obj = {
            "tags": [self.tag],
            "description": call.text,
            "operationId": call.name.format(self.prefix),
            "responses": responses | {"401": {"description": "Unauthorized"}},
            "x-kubernetes-action": call.action,
            "x-kubernetes-group-version-kind": call.gvk,
        }
        if query := options(call.action):
            operation["parameters"] = query
        if call.body is not None:
            content = {m: {"schema": {"$ref": schemas.V3 + call.body}} for m in call.media}
            operation["requestBody"] = {"content": content} | ({} if call.method == "delete" or r.custom else {"required": True})
        item[call.method] = operation


def hoisted(item: Obj) -> Obj:
    """The path item with what all its operations have in common said once, in the order of names."""
    operations = {k: v for k, v in item.items() if k != "parameters"}
    lists = [o.get("parameters") or [] for o in operations.values()]
    shared = [p for p in lists[0] if all(p in other for other in lists)] if lists else []
    out: Obj = {}
    for method, operation in operations.items():
        rest = [p for p in operation.get("parameters") or () if p not in shared]
        out[method] = {k: v for k, v in operation.items() if k != "parameters"} | ({"parameters": rest} if rest else {})
    return out | {"parameters": sorted((*item["parameters"], *shared), key=lambda p: (p["name"], p["in"]))}


def _patch(r: Resource, name: str, text: str, gvk: Obj, model: str) -> Call:
    types = tuple(t for t in _PATCHES if not (r.custom and "strategic" in t))
    return Call("patch", name, "patch", text, gvk, model, schemas.PATCH, ("200",) if r.custom else _WRITTEN, media=types)


def _response(text: str, model: str | None, media: tuple[str, ...]) -> Obj:
    if model is None:
        return {"description": text, "content": {"*/*": {"schema": {"type": "string"}}}}
    return {"description": text, "content": {m: {"schema": {"$ref": schemas.V3 + model}} for m in media}}
