"""Request path and method → RequestInfo: what is asked of which resource. Pure (apiserver pkg/endpoints/request/requestinfo.go)."""

from __future__ import annotations

from urllib.parse import unquote

from apiserver.context import RequestInfo

_VERBS = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_NAMESPACE_SUBRESOURCES = frozenset(("status", "finalize"))
_SPECIAL = {"watch": "watch", "proxy": "proxy"}


def parse(method: str, path: str, query: bytes = b"") -> RequestInfo:
    """What `method` on `path` asks for; `path` as decoded by the server, `query` undecoded.

    Paths outside /api/v1/ and /apis/<group>/<version>/ are non-resource requests, whose verb is the lower-case method.
    """
    parts = [p for p in path.split("/") if p]
    size = len(parts)
    if size < 3 or parts[0] not in ("api", "apis"):
        return RequestInfo(False, path, method.lower())
    if parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    else:
        if size < 4:
            return RequestInfo(False, path, method.lower(), group=parts[1], version=parts[2])
        group, version, rest = parts[1], parts[2], parts[3:]

    verb = _VERBS.get(method, "")
    if rest[0] in _SPECIAL:
        if len(rest) < 2:
            return RequestInfo(False, path, method.lower())
        verb = _SPECIAL[rest[0]]
        rest = rest[1:]

    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]

    resource = rest[0]
    count = len(rest)
    name = rest[1] if count > 1 else ""
    # A proxy path such as /proxy/nodes/n1/stats has no subresource: what follows the name is proxied.
    subresource = rest[2] if count > 2 and verb != "proxy" else ""
    if not name and verb == "get":
        verb = "list"
    elif not name and verb == "delete":
        verb = "deletecollection"
    selector = ""
    if verb in ("list", "watch", "deletecollection", "get") and query:
        verb, name, selector = _from_query(verb, name, query)
    return RequestInfo(True, path, verb, group, version, resource, subresource, namespace, name, tuple(rest), selector)


def _from_query(verb: str, name: str, query: bytes) -> tuple[str, str, str]:
    """A list that asks for a watch is one; a fieldSelector metadata.name=x names the object for authorization."""
    if verb == "list" and b"watch=" in query:
        for pair in query.split(b"&"):
            if pair.startswith(b"watch=") and pair[6:].lower() not in (b"false", b"0", b""):
                verb = "watch"
    elif verb == "list" and b"watch" in query and b"watch" in query.split(b"&"):
        verb = "watch"
    selector = ""
    if verb != "get" and b"fieldSelector=" in query:
        for pair in query.split(b"&"):
            if pair.startswith(b"fieldSelector="):
                selector = unquote(pair[14:].decode("latin-1").replace("+", " "))
    # A deletion of many is of no one object, whatever it selects.
    return verb, name if verb == "deletecollection" else name or _name_of(selector), selector


def _name_of(selector: str) -> str:
    for term in selector.split(","):
        field, _, value = term.partition("=")
        if field.strip() == "metadata.name":
            value = value.removeprefix("=")
            if value and "/" not in value and "%" not in value and value not in (".", ".."):
                return value
    return ""
