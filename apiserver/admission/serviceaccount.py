"""ServiceAccount: every pod runs as an account, with its pull secrets and a token that the kubelet keeps fresh."""

from __future__ import annotations

import asyncio
import random
from functools import lru_cache
from typing import Any

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import CREATE, UPDATE, BasePlugin, deny
from apiserver.context import Obj
from apiserver.middleware.authz.podgraph import references
from kubepy.api import names
from kubepy.api.errors import go_value

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
TOKEN_SECONDS = 3607
_MIRROR = "kubernetes.io/config.mirror"
_ENFORCE = "kubernetes.io/enforce-mountable-secrets"
_DEFAULT = "default"
_WAIT_SECONDS, _WAIT_STEP = 1.5, 0.1


class ServiceAccount(BasePlugin):
    """Upstream: plugin/pkg/admission/serviceaccount."""

    name = "ServiceAccount"
    operations = frozenset((CREATE, UPDATE))
    resources = frozenset((("", "pods"),))
    subresources = frozenset(("", "ephemeralcontainers"))

    def handles(self, a: Attributes) -> bool:
        """New pods, and new ephemeral containers."""
        return (a.operation == CREATE) == (a.subresource == "")

    async def admit(self, a: Attributes) -> None:
        """Set account, pull secrets and token volume. Raises Forbidden."""
        assert a.obj is not None
        # A mirror pod must stay what the kubelet made of it.
        if a.subresource or _is_mirror(a.obj):
            await self.validate(a)
            return
        spec = a.obj["spec"]
        if not spec.get("serviceAccountName"):
            spec["serviceAccountName"] = spec["serviceAccount"] = _DEFAULT
        account = await self._account(a, spec["serviceAccountName"])
        automount = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
        if automount:
            _mount_token(spec, a.namespace)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(ref) for ref in account["imagePullSecrets"]]
        # What the account forbids is said before the pod is validated.
        if _enforces(account):
            _check_secrets(a, spec, account)

    async def validate(self, a: Attributes) -> None:
        """Raises Forbidden for what a mirror pod, or a pod of a strict account, must not refer to."""
        assert a.obj is not None
        spec = a.obj["spec"]
        if a.subresource:
            await self._check_ephemeral(a, spec)
            return
        if _is_mirror(a.obj):
            _check_mirror(a, a.obj)
            return
        if not spec.get("serviceAccountName"):
            raise deny(a, f"no service account specified for pod {a.namespace}/{a.name}")
        account = await self._account(a, spec["serviceAccountName"])
        if _enforces(account):
            _check_secrets(a, spec, account)

    async def _account(self, a: Attributes, name: str) -> Obj:
        if wrong := names.path_segment(name):
            problem = f"invalid resource name {go_value(name)}: [{' '.join(wrong)}]"
            raise deny(a, f"error looking up service account {a.namespace}/{name}: {problem}")
        account = self.lister.get("", "serviceaccounts", a.namespace, name)
        if account is None and name == _DEFAULT and self.tools.registry is not None:
            # A controller makes it as soon as it sees the namespace: pods created at once with it may wait.
            waited = 0.0
            while account is None and waited < _WAIT_SECONDS:
                await asyncio.sleep(_WAIT_STEP)
                waited += _WAIT_STEP
                account = self.lister.get("", "serviceaccounts", a.namespace, name)
        if account is None:
            raise deny(a, f'error looking up service account {a.namespace}/{name}: serviceaccount "{name}" not found')
        return account

    async def _check_ephemeral(self, a: Attributes, spec: Obj) -> None:
        name = spec.get("serviceAccountName")
        if not name or not spec.get("ephemeralContainers"):
            return
        account = await self._account(a, name)
        if _enforces(account):
            _check_containers(a, spec["ephemeralContainers"], "ephemeral container", account, _mountable(account))


def _is_mirror(pod: Obj) -> bool:
    return _MIRROR in (pod["metadata"].get("annotations") or {})


def _enforces(account: Obj) -> bool:
    value: Any = (account["metadata"].get("annotations") or {}).get(_ENFORCE)
    return value in ("1", "t", "T", "true", "TRUE", "True")


@lru_cache(maxsize=1024)
def _volume_name(_namespace: str) -> str:
    """One name serves all pods of a namespace, so that pods of one template stay equal and are validated once."""
    return names.generate(VOLUME_PREFIX, random.choice)


def _mount_token(spec: Obj, namespace: str) -> None:
    volumes = spec.get("volumes") or []
    present = next((v["name"] for v in volumes if v["name"].startswith(VOLUME_PREFIX)), None)
    name = present or _volume_name(namespace)
    needed = False
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or ():
            mounts = container.get("volumeMounts") or []
            if not any(m.get("mountPath") == MOUNT_PATH for m in mounts):
                container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}]
                needed = True
    if needed and present is None:
        spec["volumes"] = [*volumes, _token_volume(name)]


def _token_volume(name: str) -> Obj:
    return {
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
            ],
            "defaultMode": 420,
        },
    }


def _check_mirror(a: Attributes, pod: Obj) -> None:
    used = {plural for plural, _, _ in references(pod, a.namespace)}
    if "serviceaccounts" in used:
        raise deny(a, "a mirror pod may not reference service accounts")
    if "secrets" in used:
        raise deny(a, "a mirror pod may not reference secrets")
    volumes = pod["spec"].get("volumes") or ()
    if any("serviceAccountToken" in s for v in volumes for s in (v.get("projected") or {}).get("sources") or ()):
        raise deny(a, "a mirror pod may not use ServiceAccountToken volume projections")


def _mountable(account: Obj) -> set[str]:
    return {ref["name"] for ref in account.get("secrets") or () if ref.get("name")}


def _secret_references(container: Obj) -> list[tuple[str, str]]:
    """(where, secret name) of what a container's environment takes from secrets."""
    out = []
    for variable in container.get("env") or ():
        ref = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if ref:
            out.append((f"envVar {variable['name']}", ref.get("name", "")))
    refs = (source.get("secretRef") for source in container.get("envFrom") or ())
    return out + [("envFrom", ref.get("name", "")) for ref in refs if ref]


def _check_secrets(a: Attributes, spec: Obj, account: Obj) -> None:
    mountable = _mountable(account)
    own = account["metadata"]["name"]
    for volume in spec.get("volumes") or ():
        secret = (volume.get("secret") or {}).get("secretName")
        if secret is not None and secret not in mountable:
            text = f'volume with secret.secretName="{secret}" is not allowed because service account {own} does not reference that secret'
            raise deny(a, text)
    _check_containers(a, spec.get("initContainers") or [], "init container", account, mountable)
    _check_containers(a, spec.get("containers") or [], "container", account, mountable)
    pullable = {ref["name"] for ref in account.get("imagePullSecrets") or ()}
    for number, ref in enumerate(spec.get("imagePullSecrets") or ()):
        if ref.get("name") not in pullable:
            raise deny(
                a,
                f'imagePullSecrets[{number}].name="{ref.get("name", "")}" is not allowed because service account {own} '
                "does not reference that imagePullSecret",
            )


def _check_containers(a: Attributes, containers: list[Obj], what: str, account: Obj, mountable: set[str]) -> None:
    for container in containers:
        for where, secret in _secret_references(container):
            if secret not in mountable:
                raise deny(
                    a,
                    f'{what} {container["name"]} with {where} referencing secret.secretName="{secret}" is not allowed because '
                    f"service account {account['metadata']['name']} does not reference that secret",
                )
