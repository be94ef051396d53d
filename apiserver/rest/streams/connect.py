"""Serves log, exec, attach, portforward and proxy: admission, then a connection to the kubelet or pod, passed through.

Upgrades (SPDY, WebSocket) are tunnelled as they are: kubelets speak the same protocols as clients do.
Upstream: pkg/registry/core/pod/rest, apimachinery pkg/util/proxy/upgradeaware.go.
"""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

from apiserver.context import Lister
from apiserver.registry.catalog import Served
from apiserver.registry.store import Registry
from apiserver.rest.api import Api
from apiserver.rest.request import Request
from apiserver.rest.streams import reader
from apiserver.rest.streams.options import options_of
from apiserver.rest.streams.relay import Relay
from apiserver.rest.streams.target import Target, Targets
from kubepy.api import errors

_STREAMED = ("exec", "attach", "portforward")
_METHODS = {"log": ("GET",), "exec": ("GET", "POST"), "attach": ("GET", "POST"), "portforward": ("GET", "POST")}


class Connector:
    """The handler of all connecting subresources."""

    endpoints = (
        ("pods", "log"),
        ("pods", "exec"),
        ("pods", "attach"),
        ("pods", "portforward"),
        ("pods", "proxy"),
        ("services", "proxy"),
        ("nodes", "proxy"),
    )

    def __init__(
        self, registry: Registry, lister: Lister, *, cert: Path, key: Path, ca: Path | None, address_types: tuple[str, ...]
    ) -> None:
        self._registry = registry
        self._targets = Targets(lister, address_types)
        self._files = (cert, key, ca)
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._relay = Relay()

    async def close(self) -> None:
        """Close pooled connections."""
        await self._relay.close()

    async def serve(self, api: Api, req: Request, served: Served) -> None:
        """Answer one request."""
        info, r = req.info, served.resource
        sub = info.subresource
        allowed = _METHODS.get(sub)
        if allowed is not None and req.method not in allowed:
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
        if "dryRun" in req.query and sub != "proxy":
            raise errors.BadRequest("dryRun is not supported")
        upgrade = req.headers.get(b"upgrade", b"")
        if sub in _STREAMED and req.method == "GET":
            api.require(req.ctx.user, replace(info, verb="create"))
        if sub != "log":  # a log is read, not connected to
            await self._admit(req, served)
        await self._registry.cacher.fresh()
        namespace = info.namespace if r.namespaced else ""
        if sub == "log":
            _check_log(req.query)
            target = self._targets.logs(namespace, info.name, req.query)
            if target is None:
                req.send(204, b"", "")
                return
            context = self._context(target)
            if reader.is_websocket(req.headers) and await self._relay.read_out(req, target, context):
                return
            await self._relay.pass_on(req, target, context, content_type="text/plain")
            return
        if sub in _STREAMED:
            target = self._targets.stream(namespace, info.name, sub, req.query)
            if not upgrade:
                raise errors.BadRequest("Upgrade request required")
            await self._relay.tunnel(req, target, self._context(target))
            return
        prefix = "/".join(info.path.split("/")[: 8 if r.namespaced else 6])
        rest = info.path[len(prefix) :]
        if not rest and not upgrade and req.method in ("GET", "HEAD"):
            self._targets.proxy(r.plural, namespace, info.name, "/", "")  # raises what would be in the way
            location = info.path + "/" + ("?" + req.query_string.decode("latin-1") if req.query_string else "")
            req.exchange.respond(301, req.head("text/plain") + f"location: {location}\r\n".encode("latin-1"), b"")
            return
        raw = req.scope["raw_path"].decode("latin-1")
        encoded = "/" + raw.split("/", 8 if r.namespaced else 6)[-1] if rest else "/"
        target = self._targets.proxy(r.plural, namespace, info.name, encoded or "/", req.query_string.decode("latin-1"))
        if upgrade:
            await self._relay.tunnel(req, target, self._context(target))
        else:
            await self._relay.pass_on(req, target, self._context(target), prefix=prefix)

    async def _admit(self, req: Request, served: Served) -> None:
        info = req.info
        r = served.resource
        kind = next((s.kind for s in r.subresources if s.name == info.subresource), "")
        path = "/" + "/".join(info.path.split("/")[8 if r.namespaced else 6 :])
        options = options_of(kind, req.query, path)
        namespace = info.namespace if r.namespaced else ""
        args = (req.ctx, "CONNECT", served, info.subresource, namespace, info.name, options, None, None)
        await self._registry.admit(*args)
        await self._registry.validate(*args)

    def _context(self, target: Target) -> ssl.SSLContext | None:
        if not target.tls:
            return None
        found = self._contexts.get(target.kubelet)
        if found is None:
            cert, key, ca = self._files
            if target.kubelet and ca is not None:
                found = ssl.create_default_context(cafile=str(ca))
            else:
                found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                found.check_hostname = False
                found.verify_mode = ssl.CERT_NONE
            if target.kubelet:
                found.load_cert_chain(cert, key)
            found.set_alpn_protocols(["http/1.1"])
            self._contexts[target.kubelet] = found
        return found


_LOG_NUMBERS = {"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1}


def _check_log(query: dict[str, list[str]]) -> None:
    """ValidatePodLogOptions; raises Invalid, BadRequest."""
    from apiserver.rest import params

    found = []
    for name, least in _LOG_NUMBERS.items():
        value = params.integer(query, name)
        if value is not None and value < least:
            text = "must be greater than or equal to 0" if least == 0 else "must be greater than 0"
            found.append(errors.invalid(name, value, text))
    if query.get("sinceSeconds") and query.get("sinceTime"):
        found.append(errors.forbidden_field("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    if found:
        raise errors.Invalid.of("", "PodLogOptions", "", found)
