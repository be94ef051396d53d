"""Every active namespace has a `default` service account and the cluster's CA.

pkg/controller/serviceaccount/serviceaccounts_controller.go and pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

from typing import Any

from controllers.common.podcontrol import namespace_terminating
from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import AlreadyExists, NotFound, StatusError
from kubepy.runtime import Informer
from kubepy.runtime.cache import key_of

Obj = dict[str, Any]

ROOT_CA = "kube-root-ca.crt"
DESCRIPTION = "kubernetes.io/description"
ROOT_CA_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal "
    "service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."
)


def start_default(ctx: Context) -> None:
    """Register the controller of `default` service accounts."""
    namespaces, accounts = ctx.informer("namespaces"), ctx.informer("serviceaccounts")

    async def reconcile(name: str) -> None:
        if not _active(namespaces, name) or accounts.cache.get(f"{name}/default") is not None:
            return
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
        await _create(ctx, "serviceaccounts", account)

    controller = ctx.controller("serviceaccount", reconcile, workers=2)
    controller.watch(namespaces, only=lambda kind, old, new: kind != "DELETED")
    controller.watch(accounts, lambda obj: [meta.namespace(obj)], only=lambda kind, old, new: kind == "DELETED")


def start_root_ca(ctx: Context) -> None:
    """Register the publisher of kube-root-ca.crt; the CA is --root-ca-file's, or the one of the kubeconfig."""
    path = ctx.options.root_ca_file
    bundle = (path.read_bytes() if path is not None else ctx.client.config.ca or b"").decode()
    namespaces = ctx.informer("namespaces")
    configs = ctx.informer("configmaps", field_selector=f"metadata.name={ROOT_CA}")

    async def reconcile(name: str) -> None:
        if not _active(namespaces, name):
            return
        wanted = {"ca.crt": bundle}
        present = configs.cache.get(f"{name}/{ROOT_CA}")
        annotations = {DESCRIPTION: ROOT_CA_DESCRIPTION}
        if present is None:
            metadata = {"name": ROOT_CA, "namespace": name, "annotations": annotations}
            await _create(ctx, "configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": wanted})
        elif present.get("data") != wanted or meta.annotations(present).get(DESCRIPTION) != ROOT_CA_DESCRIPTION:
            metadata = {**present["metadata"], "annotations": {**meta.annotations(present), **annotations}}
            await ctx.client.update("configmaps", {**present, "metadata": metadata, "data": wanted})

    controller = ctx.controller("root-ca-certificate-publisher", reconcile, workers=2)
    controller.watch(namespaces, only=lambda kind, old, new: kind != "DELETED")
    controller.watch(configs, lambda obj: [key_of(obj).split("/")[0]])


def _active(namespaces: Informer, name: str) -> bool:
    namespace = namespaces.cache.get(name)
    return namespace is not None and not meta.deleting(namespace) and namespace.get("status", {}).get("phase") != "Terminating"


async def _create(ctx: Context, plural: str, obj: Obj) -> None:
    try:
        await ctx.client.create(plural, obj)
    except (AlreadyExists, NotFound):
        return
    except StatusError as e:
        if not namespace_terminating(e):
            raise
