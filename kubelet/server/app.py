"""The kubelet's HTTPS server: Starlette for what is answered at once, raw sockets for what is streamed both ways.

Starlette rather than FastAPI on top of it: nothing here is validated or described, and FastAPI costs 25 MB per kubelet and 0.5 s to import.

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

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from kubelet.agent import Agent
from kubelet.config import KubeletConfig
from kubelet.runtime.interface import PodView, State
from kubelet.server import certificate, logs, stats
from kubelet.server.upgrades import Upgrades
from kubepy.runtime import serving

log = logging.getLogger(__name__)

METRICS = "text/plain; version=0.0.4"
OPEN = ("/healthz", "/healthz/ping")
CLIENTS = ("kube-apiserver-kubelet-client",)
GROUPS = ("system:masters", "kubeadm:cluster-admins")


def allowed(client: bytes | None) -> bool:
    """Whether the bearer of this client certificate (DER, already verified against the CA) may use the API."""
    if not client:
        return False
    from cryptography import x509  # 9 MB that a kubelet nobody asks has no use for
    from cryptography.x509.oid import NameOID

    subject = x509.load_der_x509_certificate(client).subject
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
        cert, key = await self._certificate()
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

    async def _certificate(self) -> tuple[Path, Path]:
        args = self._args
        if args.tls_cert_file:
            return Path(args.tls_cert_file), Path(args.tls_private_key_file)
        names = [*self._names[:1], *self._config.node_ips, "localhost", "127.0.0.1"]
        return await certificate.ensure(self._config.root_dir, args.tls_cert_ca_file, args.tls_cert_ca_key_file, names)


class Door:
    """The ASGI app behind the check of the client's certificate; raw: a middleware of Starlette cannot pass a taken-over socket."""

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


def build(agents: Agents) -> Starlette:
    """The ASGI app, without the door."""

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok")

    async def pods(request: Request) -> Response:
        return _json(_list([pod for agent in agents for pod in agent.pods()]))

    async def running_pods(request: Request) -> Response:
        return _json(_list([_running(v) for agent in agents for v in agent.host.runtime.views()]))

    async def summary(request: Request) -> Response:
        return _json(await stats.summary(next(iter(agents))))

    async def resource_metrics(request: Request) -> Response:
        return PlainTextResponse(await stats.resource_metrics(next(iter(agents))), media_type=METRICS)

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(stats.metrics(list(agents)), media_type=METRICS)

    async def container_logs(request: Request) -> Response:
        p = request.path_params
        return await logs.answer(agents.find(p["namespace"], p["name"]), p["name"], p["container"], request.query_params)

    async def run(request: Request) -> Response:
        p = request.path_params
        return await upgrades.run(p["namespace"], p["name"], p["container"], request.query_params.getlist("cmd"))

    upgrades = Upgrades(agents)
    routes = [
        Route("/healthz", healthz), Route("/healthz/ping", healthz), Route("/pods", pods), Route("/pods/", pods),
        Route("/runningpods", running_pods), Route("/runningpods/", running_pods), Route("/stats/summary", summary),
        Route("/metrics", metrics), Route("/metrics/resource", resource_metrics),
        Route("/containerLogs/{namespace}/{name}/{container}", container_logs),
        Route("/run/{namespace}/{name}/{container}", run, methods=["POST"]),
        Route("/portForward/{namespace}/{name}", Raw(upgrades.port_forward)),
        Route("/portForward/{namespace}/{name}/{uid}", Raw(upgrades.port_forward)),
    ]  # fmt: skip
    for verb in ("exec", "attach"):
        routes.append(Route(f"/{verb}/{{namespace}}/{{name}}/{{container}}", Raw(upgrades.process(verb))))
        routes.append(Route(f"/{verb}/{{namespace}}/{{name}}/{{uid}}/{{container}}", Raw(upgrades.process(verb))))
    return Starlette(routes=routes)


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


def _list(items: list[Any]) -> dict[str, Any]:
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}


def _running(view: PodView) -> dict[str, Any]:
    containers = [{"name": c.name, "image": c.image} for c in view.containers if c.state is State.RUNNING]
    meta = {"name": view.pod.name, "namespace": view.pod.namespace, "uid": view.pod.uid}
    return {"metadata": meta, "spec": {"containers": containers}}


def _may(scope: Any) -> bool:
    return allowed((scope.get("extensions") or {}).get("tls", {}).get("client_cert"))
