"""The kubelet's HTTPS server: FastAPI for what is answered at once, raw sockets for what is streamed both ways.

Only the bearer of a client certificate of `--client-ca-file` may ask, as upstream with anonymous access off; upstream then asks the
API server whether it may (nodes/proxy), here a certificate of the API server's or of system:masters may do all, others nothing.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from kubelet.agent import Agent
from kubelet.config import KubeletConfig
from kubelet.server import logs, stats
from kubelet.server.upgrades import Upgrades
from kubepy import pki
from kubepy.runtime import serving

log = logging.getLogger(__name__)

OPEN = ("/healthz", "/healthz/ping")
CLIENTS = ("kube-apiserver-kubelet-client",)
GROUPS = ("system:masters", "kubeadm:cluster-admins")


def allowed(certificate: bytes | None) -> bool:
    """Whether the bearer of this client certificate (DER, already verified against the CA) may use the API."""
    if not certificate:
        return False
    subject = x509.load_der_x509_certificate(certificate).subject
    names = {str(a.value) for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    groups = {str(a.value) for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)}
    return bool(names & set(CLIENTS) or groups & set(GROUPS))


class Agents:
    """The nodes served on this port; a pod is looked for on all of them."""

    def __init__(self, agents: Mapping[str, Agent]) -> None:
        self._agents = agents

    def __iter__(self) -> Any:
        return iter(self._agents.values())

    def find(self, namespace: str, name: str, uid: str = "") -> tuple[Agent, dict[str, Any]] | None:
        """The pod and the agent that runs it."""
        for agent in self._agents.values():
            pod = agent.pod(namespace, name, uid)
            if pod is not None:
                return agent, pod
        return None


class KubeletServer:
    """Serves until `stop`."""

    def __init__(self, args: Any, config: KubeletConfig, agents: Mapping[str, Agent], names: Sequence[str]) -> None:
        self._args, self._config = args, config
        self._names = list(names)
        self.app = Door(build(Agents(agents)))
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> int:
        """Listen; the port."""
        sock = serving.listen(self._args.address, self._args.port)
        self.port = sock.getsockname()[1]
        cert, key = self._certificate()
        cas = [Path(self._args.client_ca_file)] if self._args.client_ca_file else []
        context = serving.server_context(cert, key, cas)
        up = asyncio.Event()
        self._task = asyncio.create_task(self._serve(sock, context, up), name="kubelet server")
        await up.wait()
        return self.port

    async def _serve(self, sock: Any, context: ssl.SSLContext, up: asyncio.Event) -> None:
        await serving.serve(self.app, [sock], context, self._stop, started=up.set, limits=serving.Limits(grace=2.0))

    async def stop(self) -> None:
        """Close."""
        self._stop.set()
        if self._task is not None:
            await self._task

    def _certificate(self) -> tuple[Path, Path]:
        if self._args.tls_cert_file:
            return Path(self._args.tls_cert_file), Path(self._args.tls_private_key_file)
        folder = pki.Pki(self._config.root_dir / "pki")
        folder.dir.mkdir(parents=True, exist_ok=True)
        if self._args.tls_cert_ca_file:
            ca = pki.load(Path(self._args.tls_cert_ca_file), Path(self._args.tls_cert_ca_key_file))
        else:
            ca = pki.ensure_ca(folder, "ca", "kubelet-ca")
        names = [*self._names[:1], *self._config.node_ips, "localhost", "127.0.0.1"]
        pki.ensure_leaf(folder, ca, "kubelet", f"system:node:{self._names[0]}", ["system:nodes"], names=names, server=True)
        return folder.cert("kubelet"), folder.key("kubelet")


class Door:
    """The ASGI app behind the check of the client's certificate; raw, because a middleware of FastAPI's cannot pass a taken-over socket."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN and not _may(scope):
            await PlainTextResponse("Unauthorized", 401)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class Raw:
    """An endpoint that takes the ASGI call as it is: Starlette wraps functions, and passes on to instances."""

    def __init__(self, endpoint: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._endpoint(scope, receive, send)


def build(agents: Agents) -> FastAPI:
    """The ASGI app, without the door."""
    app = FastAPI(title="kubelet", openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/healthz")
    @app.get("/healthz/ping")
    async def healthz() -> Response:
        return PlainTextResponse("ok")

    @app.get("/pods")
    @app.get("/pods/")
    async def pods() -> Response:
        items = [pod for agent in agents for pod in agent.pods()]
        return JSONResponse({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    @app.get("/runningpods")
    @app.get("/runningpods/")
    async def running_pods() -> Response:
        items = [
            {"metadata": {"name": v.pod.name, "namespace": v.pod.namespace, "uid": v.pod.uid}, "spec": {"containers": [
                {"name": c.name, "image": c.image} for c in v.containers if c.state == "running"]}}
            for agent in agents for v in agent.host.runtime.views()
        ]  # fmt: skip
        return JSONResponse({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    @app.get("/stats/summary")
    async def summary() -> Response:
        agent = next(iter(agents))
        return JSONResponse(await stats.summary(agent))

    @app.get("/metrics/resource")
    async def resource_metrics() -> Response:
        agent = next(iter(agents))
        return PlainTextResponse(await stats.resource_metrics(agent), media_type="text/plain; version=0.0.4")

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(stats.metrics(list(agents)), media_type="text/plain; version=0.0.4")

    @app.get("/containerLogs/{namespace}/{name}/{container}")
    async def container_logs(request: Request, namespace: str, name: str, container: str) -> Response:
        return await logs.answer(agents.find(namespace, name), name, container, request.query_params)

    upgrades = Upgrades(agents)
    for verb in ("exec", "attach"):
        for path in ("{namespace}/{name}/{container}", "{namespace}/{name}/{uid}/{container}"):
            app.router.routes.append(Route(f"/{verb}/{path}", endpoint=Raw(upgrades.process(verb))))
    for path in ("{namespace}/{name}", "{namespace}/{name}/{uid}"):
        app.router.routes.append(Route(f"/portForward/{path}", endpoint=Raw(upgrades.port_forward)))

    @app.post("/run/{namespace}/{name}/{container}")
    async def run(request: Request, namespace: str, name: str, container: str) -> Response:
        return await upgrades.run(namespace, name, container, request.query_params.getlist("cmd"))

    return app


def _may(scope: Any) -> bool:
    return allowed((scope.get("extensions") or {}).get("tls", {}).get("client_cert"))
