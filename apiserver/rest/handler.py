"""The ASGI application in front of everything: who asks, may they, and which verb answers. The hot path of the server.

Requests for resources go straight to their verb; everything else goes to the discovery handler or to the FastAPI app.
Upstream: apiserver pkg/server/config.go (the chain of filters), pkg/endpoints/installer.go (the routes).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from apiserver.context import Context, User
from apiserver.middleware.audit import Audit, Record, attach
from apiserver.middleware.authn.impersonation import impersonate
from apiserver.middleware.authn.users import ANONYMOUS
from apiserver.middleware.limits import Flow, Limits
from apiserver.registry.catalog import Served
from apiserver.rest import deadline, negotiate, requestinfo
from apiserver.rest.api import Api
from apiserver.rest.metrics import Metrics
from apiserver.rest.request import Request
from apiserver.rest.verbs.create import create
from apiserver.rest.verbs.delete import delete, delete_collection
from apiserver.rest.verbs.get import get
from apiserver.rest.verbs.list import list_
from apiserver.rest.verbs.patch import patch
from apiserver.rest.verbs.update import update
from apiserver.rest.verbs.watch import watch
from apiserver.storage import interface
from kubepy.api import errors

log = logging.getLogger("apiserver")

App = Callable[[Any, Any, Any], Awaitable[None]]
SubHandler = Callable[[Api, Request, Served], Awaitable[None]]

NO_SUCH_RESOURCE = "the server could not find the requested resource"
_OF_ONE = frozenset(("get", "update", "patch", "delete"))
_SPACE_BEFORE_TOKEN = "the provided Authorization header contains extra space before the bearer token, and is ignored"
_PAGE_NOT_FOUND = b"404 page not found\n"


class Handler:
    """The raw ASGI app. `fallback` serves what is neither a resource nor discovery."""

    def __init__(
        self,
        api: Api,
        discovery: Callable[[Request], Awaitable[bool]],
        subresources: Callable[[Served, str, str], SubHandler | None],
        fallback: App,
        metrics: Metrics,
        limits: Limits | None = None,
        audit: Audit | None = None,
        remote: Callable[[Request], Awaitable[bool]] | None = None,
    ) -> None:
        self._api = api
        self._discovery = discovery
        self._subresources = subresources
        self._fallback = fallback
        self._metrics = metrics
        self._limits = limits
        self._impersonations: dict[str, str] = {}
        self._audit = audit
        self._remote = remote

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        exchange = scope["extensions"]["kubepy"]
        method: str = scope["method"]
        req = Request(scope, exchange, requestinfo.parse(method, scope["path"], scope["query_string"]))
        started = time.perf_counter()
        code = 200
        flow: Flow | None = None
        try:
            seconds = deadline.wanted(req.info, req.query_string) if deadline.MARK in req.query_string else None
            self._admit(req)
            if self._limits is not None:
                seated = self._limits.classify(req.ctx.user, req.info)
                req.flow = seated.headers
                if not self._limits.enter(seated, req.info):
                    await self._limits.wait(seated)
                flow = seated
            if seconds is None:
                await self._dispatch(req, scope, receive, send)
            else:
                async with asyncio.timeout(seconds):
                    await self._dispatch(req, scope, receive, send)
        except errors.StatusError as e:
            code = e.status_code
            if self._audit is not None and not req.identified and isinstance(e, errors.Unauthorized):
                uri, source = _origin(req)
                self._audit.unauthenticated(req.info, uri=uri, source=source, audit_id=req.identify())
            await self._refuse(req, e)
        except ConnectionError:
            return
        except TimeoutError:
            code = 504
            await self._too_late(req)
        except interface.Unavailable as e:
            code = 503
            await self._refuse(req, errors.ServiceUnavailable(f"the storage is unavailable: {e}"))
        except Exception as e:
            code = 500
            log.exception("request failed: %s %s", method, scope["path"])
            await self._refuse(req, errors.InternalError.of(f"{type(e).__name__}: {e}"))
        finally:
            if flow is not None and self._limits is not None:
                self._limits.leave(flow, req.info)
            if req.record is not None:
                req.record.complete(code)
        self._metrics.observe(req.info, code, time.perf_counter() - started)

    async def _dispatch(self, req: Request, scope: Any, receive: Any, send: Any) -> None:
        if self._remote is not None and await self._remote(req):
            pass
        elif req.info.is_resource:
            await self._resource(req)
        elif not await self._discovery(req):
            await self._fallback(scope, receive, send)

    @staticmethod
    async def _too_late(req: Request) -> None:
        """The answer that upstream's timer writes by itself: it does not say what it is."""
        if req.exchange.response_started:
            req.exchange.transport.close()
            return
        status = errors.Timeout("Timeout: request did not complete within the allotted timeout", details={}).status()
        req.send(504, orjson.dumps({k: v for k, v in status.items() if k not in ("kind", "apiVersion")}))

    @staticmethod
    async def _refuse(req: Request, error: errors.StatusError) -> None:
        if req.exchange.response_started:
            req.exchange.transport.close()
        else:
            await req.error(error)

    def _admit(self, req: Request) -> None:
        """Authentication, impersonation, authorization. Raises Unauthorized, Forbidden."""
        api = self._api
        headers = req.headers
        user = requester = api.authenticator.authenticate(headers, req.scope["extensions"]["tls"]["client_cert"], req.scope["headers"])
        if any(name[:12] == b"impersonate-" for name in headers):
            user = impersonate(user, req.scope["headers"], api.authorizer, req.info, self._impersonations)
        agent = headers.get(b"user-agent", b"").decode("latin-1")
        req.ctx = Context(user, req.info, user_agent=agent)
        if user is ANONYMOUS and headers.get(b"authorization", b"")[:8].lower() == b"bearer  ":
            req.ctx.warn(_SPACE_BEFORE_TOKEN)
        if self._audit is not None:
            req.record = self._begin_audit(self._audit, req, requester)
        api.require(user, req.info)

    @staticmethod
    def _begin_audit(audit: Audit, req: Request, requester: User) -> Record | None:
        uri, source = _origin(req)
        record = audit.begin(req.ctx, uri=uri, source=source, user=requester, audit_id=req.identify())
        if record is not None:
            attach(record, req.exchange)
        return record

    async def _resource(self, req: Request) -> None:
        info = req.info
        served = self._api.catalog.lookup(info.group, info.version, info.resource)
        if served is None:
            self._unknown(req)
            return
        if served.unavailable:
            raise errors.ServiceUnavailable(served.unavailable)
        if served.warning:
            req.ctx.warn(served.warning)
        resource = served.resource
        if resource.namespaced != bool(info.namespace) and not self._across(req, served):
            if resource.custom:
                self._page_not_found(req)
                return
            raise errors.NotFound(NO_SUCH_RESOURCE, details={})
        if info.subresource:
            handler = self._subresources(served, info.subresource, req.method)
            if handler is None:
                if resource.custom:
                    raise errors.NotFound.of(resource.group, resource.plural, info.name)
                if resource.subresource(info.subresource) is None or len(info.parts) < 3:
                    raise errors.NotFound(NO_SUCH_RESOURCE, details={})
                raise _method_not_allowed()
            self._negotiate(req, served, stream=False)
            await handler(self._api, req, served)
            return
        await self._verb(req, served)

    @staticmethod
    def _across(req: Request, served: Served) -> bool:
        """Namespaced resources have a path over all namespaces, for lists only; namespaces are their own namespace."""
        if served.resource.namespaced:
            return not req.info.name or len(req.info.parts) < 2
        return req.info.resource == "namespaces" and not req.info.group

    @staticmethod
    def _negotiate(req: Request, served: Served, *, stream: bool) -> None:
        header = req.headers.get(b"accept", b"")
        if header and header != b"application/json":
            req.accept = negotiate.negotiate(header, stream=stream, routed=not served.resource.custom)

    async def _verb(self, req: Request, served: Served) -> None:
        info, method, api = req.info, req.method, self._api
        verbs = served.resource.verbs
        named = len(info.parts) > 1
        verb = info.verb
        if verb == "watch":
            if method == "GET" and "list" in verbs and "watch" not in verbs:
                plural = served.resource.plural
                raise errors.MethodNotAllowed(f'watch is not supported on resources of kind "{plural}"', details={"kind": plural})
            if method != "GET" or "watch" not in verbs:
                raise _method_not_allowed()
            await watch(api.registry, req, served, api.watches, name=info.name)
        elif method == "GET" and "watch" not in verbs and (computed := self._subresources(served, "", "GET")) is not None:
            self._negotiate(req, served, stream=not named)
            await computed(api, req, served)
        elif named:
            if method == "GET" and "get" in verbs:
                self._negotiate(req, served, stream=False)
                await get(api.registry, req, served)
            elif method == "PUT" and "update" in verbs:
                self._negotiate(req, served, stream=False)
                await update(api, req, served)
            elif method == "PATCH" and "patch" in verbs:
                self._negotiate(req, served, stream=False)
                await patch(api, req, served)
            elif method == "DELETE" and "delete" in verbs:
                self._negotiate(req, served, stream=False)
                await delete(api, req, served)
            elif not _OF_ONE.intersection(verbs):
                raise errors.NotFound(NO_SUCH_RESOURCE, details={})  # only collections are posted to
            else:
                raise _method_not_allowed()
        elif method == "GET" and "list" in verbs:
            self._negotiate(req, served, stream=True)
            await list_(api.registry, req, served)
        elif served.resource.namespaced and not info.namespace:
            raise _method_not_allowed()
        elif method == "POST" and "create" in verbs:
            self._negotiate(req, served, stream=False)
            virtual = self._subresources(served, "", "POST")
            await (virtual or create)(api, req, served)
        elif method == "DELETE" and "deletecollection" in verbs:
            self._negotiate(req, served, stream=False)
            await delete_collection(api, req, served)
        else:
            raise _method_not_allowed()

    def _unknown(self, req: Request) -> None:
        if any(s.resource.group == req.info.group and not s.resource.custom for s in self._api.catalog):
            raise errors.NotFound(NO_SUCH_RESOURCE, details={})
        self._page_not_found(req)

    @staticmethod
    def _page_not_found(req: Request) -> None:
        req.send(404, _PAGE_NOT_FOUND, "text/plain; charset=utf-8")


def _origin(req: Request) -> tuple[str, str]:
    """(URI, client address) of a request."""
    query = req.query_string.decode("latin-1")
    client = req.scope.get("client") or ("",)
    return f"{req.path}?{query}" if query else req.path, client[0]


def _method_not_allowed() -> errors.MethodNotAllowed:
    return errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
