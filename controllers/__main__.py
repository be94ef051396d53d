"""`python -m controllers`: the controller-manager. Composition root; holds no controller's logic."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from controllers import concurrency, table
from controllers.context import Context, Options
from controllers.credentials import Accounts
from kubepy.client import Client
from kubepy.pkifiles import Pki
from kubepy.runtime import Manager
from kubepy.runtime.daemon import Daemon, add_bool, duration, main_of
from kubepy.runtime.daemon import parser as daemon_parser

USER_AGENT = "kube-controller-manager"


def parser() -> argparse.ArgumentParser:
    """The flags, named as kube-controller-manager's."""
    out = daemon_parser("kube-controller-manager", __doc__ or "", leader_election=True)
    defaults = Options()
    out.add_argument("--controllers", default="*", help="comma-separated: '*', names to add, '-name' to leave out")
    out.add_argument("--kube-api-qps", type=float, default=0.0, help="requests per second to the API server; 0: no limit")
    out.add_argument("--kube-api-burst", type=int, default=0, help="requests that may come at once under --kube-api-qps")
    out.add_argument("--cluster-cidr", default="10.244.0.0/16", help="range of pod addresses, from which nodes get theirs")
    out.add_argument("--service-cluster-ip-range", default="", help="ranges of Services, kept free of node ranges")
    add_bool(out, "--allocate-node-cidrs", True, "give every node a range of --cluster-cidr")
    add_bool(out, "--use-service-account-credentials", True, "let each controller act as a service account of its own")
    add_bool(out, "--disable-force-detach-on-timeout", False, "never detach a mounted volume because a node was unhealthy for long")
    for flag in ("service-account-private-key-file", "root-ca-file", "cluster-signing-cert-file", "cluster-signing-key-file"):
        out.add_argument(f"--{flag}", type=Path, metavar="FILE", help="default: the one in pki/ beside the kubeconfig")
    for flag, kind in (
        ("local-path-root", Path), ("node-cidr-mask-size", int), ("node-cidr-mask-size-ipv6", int),
        ("large-cluster-size-threshold", int), ("terminated-pod-gc-threshold", int), ("node-eviction-rate", float),
        ("secondary-node-eviction-rate", float), ("unhealthy-zone-threshold", float), ("horizontal-pod-autoscaler-tolerance", float),
        ("cluster-signing-duration", duration), ("node-monitor-grace-period", duration), ("node-monitor-period", duration),
        ("node-startup-grace-period", duration), ("horizontal-pod-autoscaler-sync-period", duration),
        ("horizontal-pod-autoscaler-downscale-stabilization", duration), ("horizontal-pod-autoscaler-cpu-initialization-period", duration),
        ("horizontal-pod-autoscaler-initial-readiness-delay", duration), ("pvclaimbinder-sync-period", duration),
        ("attach-detach-reconcile-sync-period", duration), ("resource-quota-sync-period", duration),
        ("legacy-service-account-token-clean-up-period", duration),
    ):  # fmt: skip
        out.add_argument(f"--{flag}", type=kind, default=getattr(defaults, flag.replace("-", "_")), help=" ")
    for flag in concurrency.FLAGS:
        out.add_argument(f"--{flag}", type=_positive, metavar="N", help="objects worked on at once")
    return out


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be greater than 0")
    return number


def options(args: argparse.Namespace) -> Options:
    """The controllers' part of the flags."""
    chosen = {flag: getattr(args, flag.replace("-", "_")) for flag in concurrency.FLAGS}
    values = {name: getattr(args, name) for name in Options.__dataclass_fields__ if hasattr(args, name)}
    for name in ("cluster_cidr", "service_cluster_ip_range"):
        values[name] = tuple(part for part in values[name].split(",") if part)
    for name, path in _beside(args.kubeconfig).items():
        values[name] = values[name] or path
    values["concurrency"] = {name: chosen[flag] for flag, names in concurrency.FLAGS.items() if chosen[flag] for name in names}
    return Options(**values)


def _beside(kubeconfig: str | None) -> dict[str, Path]:
    """Options → files of the PKI folder in an API server's --data-dir, when the kubeconfig is one that the server made there."""
    pki = Pki(Path(kubeconfig or ".").parent / "pki")
    if not kubeconfig or not pki.sa_key.exists():
        return {}
    return {
        "service_account_private_key_file": pki.sa_key, "root_ca_file": pki.ca_cert,
        "cluster_signing_cert_file": pki.ca_cert, "cluster_signing_key_file": pki.ca_key,
    }  # fmt: skip


def build(client: Client, manager: Manager, names: list[str], chosen: Options, accounts: Accounts | None = None) -> None:
    """Register the named controllers with a manager; each writes as its account, if there are accounts."""
    context = Context(client, manager, chosen)
    for name in names:
        account = table.CONTROLLERS[name].account
        own = replace(context, client=accounts.client(account)) if accounts is not None and account else context
        table.load(name)(own)


async def run(daemon: Daemon) -> None:
    """Register what --controllers selects and run it."""
    args = daemon.args
    names = table.selected([part.strip() for part in args.controllers.split(",") if part.strip()])
    async with Client(daemon.config(), user_agent=USER_AGENT, qps=args.kube_api_qps or None, burst=args.kube_api_burst or None) as client:
        manager = Manager(client, component=USER_AGENT, elector=daemon.elector(client))
        daemon.health.ready_checks["informer-sync"] = lambda: None if manager.ready.is_set() else "not synced"
        accounts = Accounts(client, manager.clock, USER_AGENT) if args.use_service_account_credentials else None
        build(client, manager, names, options(args), accounts)
        try:
            await manager.run()
        finally:
            if accounts is not None:
                await accounts.close()


if __name__ == "__main__":
    sys.exit(main_of(parser, run))
