"""Composition root: joins storage, cache, registry, authentication, authorization, admission and the handlers into one server."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from apiserver.middleware.audit import Audit
from apiserver.middleware.limits import Limits
from apiserver.options import Options
from apiserver.registry.builtin import built_in
from apiserver.registry.catalog import Catalog
from apiserver.registry.lister import CacheLister
from apiserver.registry.store import Registry
from apiserver.rest import health
from apiserver.rest.api import Api
from apiserver.rest.componentstatuses import ComponentStatuses
from apiserver.rest.discovery import Discovery
from apiserver.rest.handler import Handler
from apiserver.rest.metrics import Metrics
from apiserver.rest.mutation import Ownership
from apiserver.rest.subresources.table import Subresources
from apiserver.storage.cacher import Cacher
from apiserver.storage.compactor import Compactor
from apiserver.storage.interface import Storage
from kubepy import pki
from kubepy.runtime import serving

log = logging.getLogger("apiserver")

_HEALTH = ("healthz", "livez", "readyz")
_WELL = b"content-type: text/plain; charset=utf-8\r\ncache-control: no-cache, private\r\nx-content-type-options: nosniff\r\n"


class Server:
    """One API server process. `run` serves until `stop` is set."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.stop = asyncio.Event()
        self.ready = False
        self.terminating = 0.0
        self.catalog = Catalog()
        self.storage: Storage
        self.cacher: Cacher
        self.registry: Registry
        self.api: Api
        self.port = options.secure_port
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closers: list[Callable[[], Any]] = []
        self._later: list[Callable[[], Any]] = []
        self._after_start: list[Callable[[], None]] = []

    async def run(self, started: Callable[[int], None] | None = None) -> None:
        """Start, call `started` with the port once ready, serve, stop cleanly. Raises OSError, Unavailable."""
        o = self.options
        sock = serving.listen(o.bind_address, o.secure_port, shared=o.workers > 1)
        try:
            self.port = sock.getsockname()[1]
            self.storage = _storage(o)
            await self.storage.start()
            try:
                await self._run(sock, started)
            finally:
                await self.storage.close()
        finally:
            sock.close()

    async def _run(self, sock: socket.socket, started: Callable[[int], None] | None) -> None:
        o = self.options
        files = self._certificates()
        self.cacher = Cacher(self.storage)
        await self.cacher.start()
        app = self._compose(files)
        context = serving.server_context(
            o.tls_cert_file or files.cert("apiserver"),
            o.tls_private_key_file or files.key("apiserver"),
            _existing(o.client_ca_file or files.ca_cert, o.requestheader_client_ca_file or files.cert("front-proxy-ca")),
        )
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.cacher.stop)
            compactor = Compactor(self.storage, o.etcd_compaction_interval)
            compactor.start()
            stack.push_async_callback(compactor.stop)
            stack.push_async_callback(self._close)
            await self._bootstrap(files)

            def up() -> None:
                self.ready = True
                if started is not None:
                    started(self.port)

            self._spawn(self._stopping())
            limits = serving.Limits(body_timeout=o.request_timeout)
            await serving.serve(app, [sock], context, self.stop, started=up, limits=limits)

    def terminate(self) -> None:
        """Stop after --shutdown-delay-duration, in which load balancers see readyz fail and send no more."""
        self.terminating = self.terminating or asyncio.get_running_loop().time()
        asyncio.get_running_loop().call_later(self.options.shutdown_delay_duration, self.stop.set)

    async def _stopping(self) -> None:
        await self.stop.wait()
        self.ready = False
        self.api.watches.close()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for close in reversed(self._closers):
            result = close()
            if asyncio.iscoroutine(result):
                await result

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)

        def done(finished: asyncio.Task[Any]) -> None:
            self._tasks.discard(finished)
            if not finished.cancelled() and (error := finished.exception()) is not None:
                log.error("background task failed: %s", error, exc_info=error)

        task.add_done_callback(done)

    @property
    def address(self) -> str:
        """The address members of the cluster reach this server by."""
        o = self.options
        if o.advertise_address:
            return o.advertise_address
        # An address of loopback means nothing to other hosts, and endpoints must not have one.
        bound = ipaddress.ip_address(o.bind_address or "0.0.0.0")
        if not bound.is_unspecified and not bound.is_loopback:
            return str(bound)
        return _own_address()

    def prepare(self) -> None:
        """Make the files on disk that are missing; needs a fixed port."""
        self._certificates()

    def _certificates(self) -> pki.Pki:
        o = self.options
        service_ip = str(ipaddress.ip_network(o.service_cluster_ip_range[0])[1])
        names = [self.address, *o.tls_sans]
        files = pki.ensure_pki(o.data_dir / "pki", names=names, service_ip=service_ip)
        host = "127.0.0.1" if o.bind_address in ("0.0.0.0", "::", "127.0.0.1", "") else o.bind_address
        pki.ensure_component_kubeconfigs(files, o.data_dir, f"https://{host}:{self.port}")
        return files

    def _compose(self, files: pki.Pki) -> Any:
        from apiserver.auth.reviews import Reviews
        from apiserver.auth.tokens import TokenOptions
        from apiserver.extensions import definitions
        from apiserver.middleware.authz.chain import build_authorizer
        from apiserver.registry.hooks import built_in_hooks
        from apiserver.registry.strategies import STRATEGIES

        o = self.options
        lister = CacheLister(self.cacher, self.catalog)
        self.lister = lister
        self.registry = Registry(self.storage, self.cacher, self.catalog)
        hooks, repair = built_in_hooks(o, self.registry, lister)
        self._later.append(repair)
        custom = {(definitions.GROUP, definitions.PLURAL): definitions.STRATEGY}
        for group in ("", "events.k8s.io"):
            custom[group, "events"] = STRATEGIES[group, "events"].with_(ttl=lambda _event: int(o.event_ttl))
        self.catalog.add(*built_in({**STRATEGIES, **custom}, hooks))
        authenticator, issuer, openid = _authentication(o, files, lister)
        if o.oidc_issuer_url:
            from apiserver.middleware.authn.oidc import OIDCOptions, OpenIDConnect

            oidc = OpenIDConnect(
                OIDCOptions(
                    o.oidc_issuer_url, o.oidc_client_id, o.oidc_username_claim, o.oidc_username_prefix, o.oidc_groups_claim,
                    o.oidc_groups_prefix, ca_file=o.oidc_ca_file,
                )
            )  # fmt: skip
            authenticator.add(oidc)
            self._spawn(oidc.keep())
        authorizer = build_authorizer(o.authorization_mode, lister)
        if authorizer.node is not None:
            self._spawn(authorizer.node.graph.follow(self.cacher))
        ownership = Ownership(self.catalog)
        self.api = Api(self.registry, self.catalog, authenticator, authorizer, ownership)
        self.api.watches.min_timeout = int(o.min_request_timeout)
        token_options = TokenOptions(
            tuple(authenticator.api_audiences), int(o.service_account_max_token_expiration), o.service_account_extend_token_expiration
        )
        reviews = Reviews(authenticator, authorizer, lister, issuer, token_options=token_options)
        subresources = Subresources(self.api, lister, reviews.handlers)
        self._streams(files, subresources)
        subresources.add_connect("componentstatuses", "", ComponentStatuses(o.component_health).serve)
        metrics = Metrics()
        discovery = Discovery(self.catalog, f"{self.address}:{self.port}")
        self._extensions(files, discovery)
        aggregator = self._aggregator(files, discovery)

        async def remote(req: Any) -> bool:
            found = aggregator.find(req)
            if found is not None:
                await aggregator.serve(req, found)
            return found is not None

        # Workers share what the whole server may do.
        limits = Limits(lister, -(-(o.max_requests_inflight + o.max_mutating_requests_inflight) // o.workers))
        audit = Audit.open(o.audit_log_path, o.audit_policy_file, authorizer)
        if audit is not None:
            self._closers.append(audit.close)
        return Handler(self.api, discovery.serve, subresources.find, self._root(metrics, discovery, openid), metrics, limits, audit, remote)

    def _streams(self, files: pki.Pki, subresources: Subresources) -> None:
        from apiserver.rest.streams.connect import Connector

        o = self.options
        connector = Connector(
            self.registry,
            self.lister,
            cert=o.kubelet_client_certificate or files.cert("kubelet-client"),
            key=o.kubelet_client_key or files.key("kubelet-client"),
            ca=o.kubelet_certificate_authority,
            address_types=o.kubelet_preferred_address_types,
        )
        self._closers.append(connector.close)
        for plural, subresource in connector.endpoints:
            subresources.add_connect(plural, subresource, connector.serve)

    def _extensions(self, files: pki.Pki, discovery: Discovery) -> None:
        """Custom resources, aggregation and OpenAPI, and the admission chain that needs all of them."""
        from apiserver.admission.chain import build
        from apiserver.admission.interface import Tools
        from apiserver.admission.webhook.client import WebhookClient
        from apiserver.extensions.controller import CustomResources

        client = WebhookClient(self.lister)
        custom = CustomResources(self.registry, self.catalog, self.api.ownership.of, client)
        custom.start()
        self._closers += [client.close, custom.stop]
        self.registry.admission = build(Tools(self.lister, self.registry, self.options, self.api.authorizer))
        self._closers.append(self.registry.admission.close)

    def _aggregator(self, files: pki.Pki, discovery: Discovery) -> Any:
        from apiserver.aggregator.aggregator import Aggregator

        o = self.options
        cert = o.proxy_client_cert_file or files.cert("front-proxy-client")
        aggregator = Aggregator(self.registry, self.lister, cert, o.proxy_client_key_file or files.key("front-proxy-client"))
        discovery.remote = lambda: (aggregator.generation, {k: r.resources for k, r in aggregator.remotes.items()})
        self._closers.append(aggregator.stop)
        self._after_start.append(aggregator.start)
        return aggregator

    def _root(self, metrics: Metrics, discovery: Discovery, openid: Any) -> Any:
        """The FastAPI app, made when the first request for it comes: its import takes longer than the rest of the start."""
        made: list[Any] = []

        async def storage_answers() -> str:
            try:
                await asyncio.wait_for(self.storage.revision(), 2)
            except Exception as e:
                return f"{type(e).__name__}: {e}"
            return ""

        async def is_ready() -> str:
            return "" if self.ready else "not ready"

        async def is_stopping() -> str:
            return "process is shutting down" if self.terminating or self.stop.is_set() else ""

        checks, live = health.checks(storage_answers, is_ready, is_stopping)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            # A probe alone is no reason to load FastAPI: 12 MB, a third of a second.
            kind = scope["path"][1:] if not made and not scope["query_string"] and scope["method"] == "GET" else ""
            if kind in _HEALTH and not any([await check() for name, check in checks.items() if kind == "readyz" or name in live]):
                scope["extensions"]["kubepy"].respond(200, _WELL, b"ok")
                return
            if not made:
                from apiserver.rest import root
                from apiserver.rest.openapi import OpenApi

                openapi = OpenApi(self.catalog, root.EMULATED).answer
                made.append(
                    root.build(
                        checks=checks,
                        live=live,
                        metrics=metrics.render,
                        paths=discovery.paths,
                        openid=openid,
                        openapi=openapi,
                        flags={name.replace("_", "-"): value for name, value in asdict(self.options).items()},
                    )
                )
            await made[0](scope, receive, send)

        return app

    async def _bootstrap(self, files: pki.Pki) -> None:
        from apiserver.bootstrap.cluster import Cluster
        from apiserver.bootstrap.flowstatus import FlowStatus
        from apiserver.bootstrap.reconcile import ensure_defaults

        begun = time.perf_counter()
        await ensure_defaults(self.registry, self.lister)
        cluster = Cluster(self.registry, self.lister, self.options, self.address, self.port, files)
        await cluster.ensure()
        self._spawn(cluster.keep())
        self._spawn(FlowStatus(self.registry, self.lister).keep())
        for work in self._later:
            self._spawn(work())
        for start in self._after_start:
            start()
        log.info("default objects are in place after %.3f s", time.perf_counter() - begun)


def _storage(o: Options) -> Storage:
    if o.etcd_servers:
        from apiserver.storage.etcd import TLS, EtcdStorage

        tls = None
        if o.etcd_cafile or o.etcd_certfile:
            tls = TLS(o.etcd_cafile, o.etcd_certfile, o.etcd_keyfile)
        return EtcdStorage(o.etcd_servers, tls=tls)
    from apiserver.storage.sqlite import SQLiteStorage

    return SQLiteStorage(o.data_dir / "store" / "kubepy.db")


def _authentication(o: Options, files: pki.Pki, lister: CacheLister) -> tuple[Any, Any, Any]:
    from apiserver.middleware.authn.authenticator import Authenticator
    from apiserver.middleware.authn.bootstraptoken import BootstrapTokens
    from apiserver.middleware.authn.certificates import ClientCertificates
    from apiserver.middleware.authn.frontproxy import FrontProxy
    from apiserver.middleware.authn.serviceaccount import ServiceAccountTokens, TokenIssuer, load_private_key, load_public_keys
    from apiserver.middleware.authn.tokenfile import load_token_file

    audiences = o.api_audiences or o.service_account_issuer[:1]
    keys = load_public_keys(*(o.service_account_key_file or (files.sa_pub,)))
    signing = load_private_key(o.service_account_signing_key_file or files.sa_key)
    issuer = TokenIssuer(o.service_account_issuer[0], signing)
    front = o.requestheader_client_ca_file or files.cert("front-proxy-ca")
    authenticator = Authenticator(
        certificates=ClientCertificates((o.client_ca_file or files.ca_cert).read_bytes()),
        static=load_token_file(o.token_auth_file) if o.token_auth_file else None,
        service_accounts=ServiceAccountTokens(o.service_account_issuer, keys, lister, audiences),
        bootstrap=BootstrapTokens(lister) if o.enable_bootstrap_token_auth else None,
        api_audiences=audiences,
        anonymous=o.anonymous_auth,
        front_proxy=FrontProxy(ClientCertificates(front.read_bytes())) if front.exists() else None,
    )
    return authenticator, issuer, _openid(o, keys)


def _openid(o: Options, keys: Any) -> Any:
    from apiserver.rest.openid import documents

    return documents(o.service_account_issuer[0], keys, o.service_account_jwks_uri)


def _existing(*paths: Path) -> list[Path]:
    return [p for p in paths if p.exists()]


def _own_address() -> str:
    """The address of the interface that has the default route, or loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def identity() -> str:
    """A name for this process among the API servers of the cluster."""
    return f"apiserver-{socket.gethostname()}-{os.getpid()}"
