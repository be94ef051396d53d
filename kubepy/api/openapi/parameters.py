"""Query and path parameters of the API's operations, as data. Pure. Those of the standard options kinds (metav1.ListOptions and kin)."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]

_DRY_RUN = ("dryRun", "string", "`All` runs every stage of the request but does not persist its result.")
_FIELD_MANAGER = ("fieldManager", "string", "The name that owns the fields which this request sets; at most 128 printable characters.")
_FIELD_VALIDATION = (
    "fieldValidation",
    "string",
    "What to do about unknown and duplicate fields: `Ignore`, `Warn` (the default) or `Strict`.",
)
_LIST = (
    ("allowWatchBookmarks", "boolean", "Ask a watch for events of type BOOKMARK, which carry a fresh resourceVersion."),
    ("continue", "string", "The token of the previous page; only valid with otherwise equal parameters."),
    ("fieldSelector", "string", "Restrict the objects by their fields."),
    ("labelSelector", "string", "Restrict the objects by their labels."),
    ("limit", "integer", "The largest number of objects to return in one page."),
    ("resourceVersion", "string", "The version that the answer must reflect, or from which a watch starts."),
    ("resourceVersionMatch", "string", "How resourceVersion applies to a list: `NotOlderThan` or `Exact`."),
    ("sendInitialEvents", "boolean", "Let a watch begin with the objects that exist, and mark their end with a BOOKMARK."),
    ("shardSelector", "string", "Restrict the objects to a shard, by a CEL expression."),
    ("timeoutSeconds", "integer", "The duration of the call at most."),
    ("watch", "boolean", "Stream changes instead of listing."),
)
_DELETE = (
    _DRY_RUN,
    ("gracePeriodSeconds", "integer", "The seconds before the object is deleted; zero means at once."),
    (
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        "boolean",
        "Delete an object that cannot be read from storage, without its finalizers being honoured.",
    ),
    ("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    ("propagationPolicy", "string", "What becomes of dependents: `Orphan`, `Background` or `Foreground`."),
)

_COMMAND = (
    ("command", "string", "The command to run, argument by argument."),
    ("container", "string", "The container to run it in; the only one by default."),
    ("stderr", "boolean", "Stream standard error."),
    ("stdin", "boolean", "Stream standard input."),
    ("stdout", "boolean", "Stream standard output."),
    ("tty", "boolean", "Allocate a terminal."),
)
_LOG = (
    ("container", "string", "The container whose log to read; the only one by default."),
    ("follow", "boolean", "Go on as the log grows."),
    ("insecureSkipTLSVerifyBackend", "boolean", "Do not verify the kubelet's serving certificate."),
    ("limitBytes", "integer", "The largest number of bytes to return."),
    ("previous", "boolean", "The log of the terminated container before this one."),
    ("sinceSeconds", "integer", "Only lines newer than so many seconds."),
    ("stream", "string", "`All`, `Stdout` or `Stderr`."),
    ("tailLines", "integer", "Only so many lines from the end."),
    ("timestamps", "boolean", "Put a timestamp before every line."),
)

OPTIONS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "list": _LIST,
    "deletecollection": tuple(sorted((*(p for p in _LIST if p[0] not in ("watch", "allowWatchBookmarks")), *_DELETE), key=lambda p: p[0])),
    "delete": _DELETE,
    "post": (_DRY_RUN, _FIELD_MANAGER, _FIELD_VALIDATION),
    "put": (_DRY_RUN, _FIELD_MANAGER, _FIELD_VALIDATION),
    "patch": (
        _DRY_RUN,
        _FIELD_MANAGER,
        _FIELD_VALIDATION,
        ("force", "boolean", "Take over fields that others own; for apply requests only."),
    ),
    "get": (),
    "pods/log": _LOG,
    "pods/exec": _COMMAND,
    "pods/attach": _COMMAND[1:],
    "pods/portforward": (("ports", "integer", "The ports to forward."),),
    "proxy": (("path", "string", "The path to request."),),
}
"""Action or subresource → (name, type, description)."""


def query(name: str, kind: str, description: str) -> Obj:
    """One query parameter in OpenAPI v3."""
    return {"name": name, "in": "query", "description": description, "schema": {"type": kind, "uniqueItems": True}}


def path_parameter(name: str, description: str) -> Obj:
    """One path parameter in OpenAPI v3."""
    return {
        "name": name,
        "in": "path",
        "description": description,
        "required": True,
        "schema": {"type": "string", "uniqueItems": True},
    }


NAMESPACE = path_parameter("namespace", "object name and auth scope, such as for teams and projects")
PROXY_PATH = path_parameter("path", "path to the resource")
PRETTY = query("pretty", "string", "If 'true', the output is indented.")


def options(action: str) -> list[Obj]:
    """The query parameters of an action."""
    return [query(*p) for p in OPTIONS.get(action, ())]
