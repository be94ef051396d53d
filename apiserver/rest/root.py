"""What is not a resource: version, health, metrics, OpenAPI, the list of paths, service-account key discovery. A FastAPI app.

Upstream: apiserver pkg/server/healthz, pkg/server/routes, pkg/server/mux.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from apiserver.rest import zpages
from apiserver.rest.health import NOT_FOR_READINESS, Check, Slis

GIT_VERSION = "v1.36.2"
EMULATED = "1.36"
"""The version whose behaviour is shown: what the OpenAPI documents are of."""
_PLAIN = {"X-Content-Type-Options": "nosniff"}
_JWKS = "application/jwk-set+json"
_ONLY_GET = frozenset(("/version", "/version/", "/.well-known/openid-configuration", "/openid/v1/jwks"))

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": f"{GIT_VERSION}+kubepy",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": f"python{platform.python_version()}",
    "compiler": platform.python_implementation(),
    "platform": f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }".replace(" ", ""),
}


class Pretty(Response):
    """JSON indented by two spaces, as these endpoints answer."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def build(
    *,
    checks: Mapping[str, Check],
    live: frozenset[str],
    metrics: Callable[[], str],
    paths: Callable[[], list[str]],
    openid: tuple[Mapping[str, Any], Mapping[str, Any]] | None,
    openapi: Callable[[str, Mapping[str, str], str], tuple[int, str, bytes, Mapping[str, str]]] | None,
    flags: Mapping[str, Any],
) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """An ASGI app. `checks` are the readiness checks by name, in order; those in `live` also count for livez and healthz.

    `openid` is (discovery document, key set). `openapi(path, headers, query)` answers (status, type, body, headers).
    `flags` are the server's, by name.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    started, born = time.monotonic(), time.time()
    slis = Slis(born)

    async def health(request: Request, kind: str, names: list[str]) -> Response:
        excluded = set(request.query_params.getlist("exclude"))
        known = [n for n in names if n not in excluded]
        results = await asyncio.gather(*(checks[n]() for n in known))
        failed = [(n, r) for n, r in zip(known, results, strict=True) if r]
        for name, problem in zip(known, results, strict=True):
            slis.checked(kind, name, not problem)
        lines = []
        outcome = dict(zip(known, results, strict=True))
        for name in names:
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok")
            elif outcome[name]:
                lines.append(f"[-]{name} failed: reason withheld")
            else:
                lines.append(f"[+]{name} ok")
        unknown = sorted(excluded - set(names))
        if unknown:
            quoted = ", ".join(f'"{u}"' for u in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
        if failed:
            return PlainTextResponse("\n".join(lines) + f"\n{kind} check failed\n", 500, _PLAIN)
        if "verbose" in request.query_params:
            return PlainTextResponse("\n".join(lines) + f"\n{kind} check passed\n", 200, _PLAIN)
        return PlainTextResponse("ok", 200, _PLAIN)

    def names_of(kind: str) -> list[str]:
        return [n for n in checks if (n != NOT_FOR_READINESS if kind == "readyz" else n in live)]

    def add_health(kind: str) -> None:
        @app.get(f"/{kind}")
        async def all_checks(request: Request) -> Response:
            return await health(request, kind, names_of(kind))

        @app.get(f"/{kind}/{{name:path}}")
        async def one_check(name: str, request: Request) -> Response:
            if name not in names_of(kind):
                return PlainTextResponse("404 page not found\n", 404, _PLAIN)
            problem = await checks[name]()
            if problem:
                return PlainTextResponse(f"internal server error: {problem}\n", 500, _PLAIN)
            return PlainTextResponse("ok", headers=_PLAIN)

    for kind in ("healthz", "livez", "readyz"):
        add_health(kind)

    @app.get("/version")
    @app.get("/version/")
    async def version() -> Response:
        return Pretty(VERSION)

    @app.get("/metrics")
    async def show_metrics() -> Response:
        text = metrics() + f"# TYPE apiserver_uptime_seconds gauge\napiserver_uptime_seconds {time.monotonic() - started:.1f}\n"
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/metrics/slis")
    async def show_slis() -> Response:
        return PlainTextResponse(slis.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/statusz")
    async def show_status(request: Request) -> Response:
        return _page(zpages.statusz(request.headers.get("accept", ""), born, time.time(), GIT_VERSION[1:]))

    @app.get("/flagz")
    async def show_flags(request: Request) -> Response:
        return _page(zpages.flagz(request.headers.get("accept", ""), flags))

    @app.get("/")
    @app.get("/index.html")
    async def root() -> Response:
        own = [
            "/.well-known/openid-configuration", "/apis/", "/flagz", "/healthz", "/livez", "/metrics", "/metrics/slis", "/openid/v1/jwks",
            "/readyz", "/statusz", "/version",
        ]  # fmt: skip
        own += [f"/{kind}/{n}" for kind in ("healthz", "livez", "readyz") for n in names_of(kind)]
        own += ["/openapi/v2", "/openapi/v3", "/openapi/v3/"] if openapi else []
        return Pretty({"paths": sorted({*own, *paths()})})

    if openid is not None:
        document, keys = openid

        @app.get("/.well-known/openid-configuration")
        async def openid_configuration() -> Response:
            return Response(orjson.dumps(document), media_type="application/json", headers={"Cache-Control": "public, max-age=3600"})

        @app.get("/openid/v1/jwks")
        async def jwks(request: Request) -> Response:
            accepted = [part.split(";")[0].strip() for part in request.headers.get("accept", "*/*").split(",")]
            if not {"*/*", "application/*", _JWKS} & set(accepted):
                message = f"406: Not Acceptable\n\nAvailable representations: {_JWKS}"
                return Pretty(_status(406, message, "NotAcceptable"), 406)
            return Response(orjson.dumps(keys), media_type=_JWKS, headers={"Cache-Control": "public, max-age=3600"})

    if openapi is not None:
        serve_openapi = openapi

        @app.get("/openapi/{rest:path}")
        async def show_openapi(rest: str, request: Request) -> Response:
            headers = {k.lower(): v for k, v in request.headers.items()}
            found = await asyncio.to_thread(serve_openapi, f"/openapi/{rest}", headers, request.url.query)
            status, media, body, more = found
            return Response(body, status, {**more, "Content-Type": media})

    @app.exception_handler(404)
    async def not_found(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("404 page not found\n", 404, _PLAIN)

    @app.exception_handler(405)
    async def wrong_method(_request: Request, _error: Exception) -> Response:
        status = _status(405, "the server does not allow this method on the requested resource", "MethodNotAllowed")
        return Pretty(status, 405)

    async def any_method(scope: Any, receive: Any, send: Any) -> None:
        # Plain handlers answer every method alike; only these look at it.
        if scope["type"] == "http" and scope["path"] not in _ONLY_GET:
            scope = {**scope, "method": "GET"}

        async def private(message: Any) -> None:
            # No answer is for caches to keep, unless it says otherwise.
            if message["type"] == "http.response.start" and not any(k == b"cache-control" for k, _ in message["headers"]):
                message = {**message, "headers": [*message["headers"], (b"cache-control", b"no-cache, private")]}
            await send(message)

        await app(scope, receive, private)

    return any_method


def _status(code: int, message: str, reason: str) -> dict[str, Any]:
    out = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    return {**out, "reason": reason, "details": {}, "code": code}


def _page(answer: zpages.Answer) -> Response:
    return Response(answer.body, answer.status, {"Content-Type": answer.media})
