"""Which tokens a node may request: bound to a pod of its own, for an audience that the pod's volumes ask for."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.admission.interface import Attributes, Tools
from apiserver.admission.noderestriction.pods import pod_of
from apiserver.admission.plugin import CREATE, deny
from apiserver.context import Lister, Obj, RequestInfo
from kubepy.api.errors import NotFound

_IN_TREE = {
    "gcePersistentDisk": "pd.csi.storage.gke.io",
    "awsElasticBlockStore": "ebs.csi.aws.com",
    "cinder": "cinder.csi.openstack.org",
    "azureDisk": "disk.csi.azure.com",
    "azureFile": "file.csi.azure.com",
    "vsphereVolume": "csi.vsphere.vmware.com",
    "portworxVolume": "pxd.portworx.com",
}
"""Volume source of old → the driver that has taken it over (k8s.io/csi-translation-lib)."""


def check_token(tools: Tools, a: Attributes, node: str) -> None:
    """Raises Forbidden, NotFound."""
    if a.operation != CREATE:
        return
    spec = (a.obj or {}).get("spec") or {}
    ref = spec.get("boundObjectRef") or {}
    if ref.get("apiVersion") != "v1" or ref.get("kind") != "Pod" or not ref.get("name"):
        raise deny(a, "node requested token not bound to a pod")
    if not ref.get("uid"):
        raise deny(a, "node requested token with a pod binding without a uid")
    pod = pod_of(tools.lister, a, ref["name"])
    if ref["uid"] != pod["metadata"].get("uid"):
        raise deny(
            a,
            f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. "
            "The object might have been deleted and then recreated",
        )
    if pod["spec"].get("nodeName", "") != node:
        raise deny(a, "node requested token bound to a pod scheduled on a different node")
    _check_audience(tools, a, spec.get("audiences") or [], pod)


def _check_audience(tools: Tools, a: Attributes, audiences: list[str], pod: Obj) -> None:
    if len(audiences) > 1:
        raise deny(a, "node may only request 0 or 1 audiences")
    audience = audiences[0] if audiences else ""
    problems: list[str] = []
    if _asks_for(tools.lister, pod, audience, problems):
        return
    if problems:
        text = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        raise deny(a, f'error validating audience "{audience}": {text}')
    info = RequestInfo(True, "", "request-serviceaccounts-token-audience", "", "v1", resource=audience, namespace=a.namespace, name=a.name)
    if tools.authorizer is None or not tools.authorizer.authorize(a.ctx.user, info)[0]:
        text = (
            f'audience "{audience}" not found in pod spec volume, {a.ctx.user.name} is not authorized to request tokens for this audience'
        )
        raise deny(a, text)


def _asks_for(lister: Lister, pod: Obj, audience: str, problems: list[str]) -> bool:
    """Whether a volume of the pod asks for tokens for the audience, itself or through its driver; adds what was not found."""
    for volume in pod["spec"].get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            token = source.get("serviceAccountToken")
            if token is not None and token.get("audience", "") == audience:
                return True
        try:
            if audience in _audiences(lister, _driver(lister, pod, volume)):
                return True
        except NotFound as error:
            if error.message not in problems:
                problems.append(error.message)
    return False


def _audiences(lister: Lister, driver: str) -> Iterator[str]:
    if driver:
        found = _find(lister, "storage.k8s.io", "csidrivers", None, driver)
        yield from (r.get("audience", "") for r in found["spec"].get("tokenRequests") or ())


def _driver(lister: Lister, pod: Obj, volume: Obj) -> str:
    """The CSI driver behind a pod's volume, through its claim where it has one; empty when there is none. Raises NotFound."""
    meta = pod["metadata"]
    claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
    if (volume.get("ephemeral") or {}).get("volumeClaimTemplate") is not None:
        claim = f"{meta['name']}-{volume['name']}"
    if claim:
        found = _find(lister, "", "persistentvolumeclaims", meta["namespace"], claim)
        spec = _find(lister, "", "persistentvolumes", None, found["spec"].get("volumeName", ""))["spec"]
    else:
        spec = volume
    if spec.get("csi"):
        return str(spec["csi"].get("driver", ""))
    return next((driver for source, driver in _IN_TREE.items() if spec.get(source)), "")


def _find(lister: Lister, group: str, plural: str, namespace: str | None, name: str) -> Obj:
    found = lister.get(group, plural, namespace, name)
    if found is None:
        raise NotFound.of(group, plural.removesuffix("s"), name)
    return found
