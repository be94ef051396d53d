"""APIServices of the aggregation layer.

Upstream: kube-aggregator pkg/apis/apiregistration/validation.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors, named
from apiserver.registry.strategies.common import both, no_errors, with_status
from kubepy.api import names
from kubepy.api.errors import invalid, required


def _validate(out: Errors, new: Obj, _old: Obj | None) -> None:
    spec = new.get("spec") or {}
    group, version = spec.get("group", ""), spec.get("version", "")
    wanted = f"{version}.{group}"
    for key in ("generateName", "name"):
        given = new["metadata"].get(key)
        if given and given != wanted and not names.path_segment(given):
            out.append(invalid(f"metadata.{key}", given, f'must be `spec.version+"."+spec.group`: "{wanted}"'))
    if not group:
        if version != "v1":
            out.append(required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
    else:
        named(out, group, "spec.group", names.dns1123_subdomain)
    named(out, version, "spec.version", names.dns1035_label)
    for key, limit in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        value = spec.get(key, 0)
        if value <= 0 or value > limit:
            out.append(invalid(f"spec.{key}", value, f"must be positive and less than {limit}"))
    service = spec.get("service")
    insecure, bundle = spec.get("insecureSkipTLSVerify"), spec.get("caBundle")
    if service is None:
        if bundle:
            out.append(invalid("spec.caBundle", f"{len(bundle)} bytes", "local APIServices may not have a caBundle"))
        if insecure:
            out.append(invalid("spec.insecureSkipTLSVerify", True, "local APIServices may not have insecureSkipTLSVerify"))
        return
    for key in ("namespace", "name"):
        if not service.get(key):
            out.append(required(f"spec.service.{key}"))
    port = service.get("port")
    if port is not None and not 1 <= port <= 65535:
        out.append(invalid("spec.service.port", port, "port is not valid: must be between 1 and 65535, inclusive"))
    if insecure and bundle:
        out.append(invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present"))


def _name(name: str, _prefix: bool) -> list[str]:
    # The group may be empty: then the name ends with a dot, which no common rule allows.
    return names.path_segment(name)


def _prepare(obj: Obj) -> None:
    obj["status"] = {}
    spec = obj.get("spec") or {}
    if spec.get("service") is None:
        obj["status"]["conditions"] = [
            {
                "type": "Available",
                "status": "True",
                "lastTransitionTime": obj["metadata"].get("creationTimestamp"),
                "reason": "Local",
                "message": "Local APIServices are always available",
            }
        ]


STRATEGY = with_status(
    prepare=_prepare,
    name_check=_name,
    has_generation=False,
    status_meta=("labels", "annotations", "finalizers", "ownerReferences"),
    allow_unconditional_update=False,
    status_validate_update=no_errors,
    **both(_validate),
)
