"""Go structs embedded in others: their fields are the outer type's in JSON, but Go's type errors name the struct on the way. Pure data.

Upstream: fields tagged `json:",inline"` in types.go of k8s.io/api; UnmarshalTypeError.Field since Go 1.24.
"""

from __future__ import annotations

from collections.abc import Sequence

_CORE = "io.k8s.api.core.v1."
_RESOURCE = "io.k8s.api.resource.v1."
_ADMISSION = "io.k8s.api.admissionregistration.v1."
_REFERRING = (
    "SecretProjection", "ConfigMapVolumeSource", "ConfigMapProjection", "ConfigMapKeySelector", "SecretKeySelector",
    "ConfigMapEnvSource", "SecretEnvSource",
)  # fmt: skip
_CONFIGURING = ("DeviceClaimConfiguration", "DeviceAllocationConfiguration", "DeviceClassConfiguration")
_RULE = dict.fromkeys(("apiGroups", "apiVersions", "resources", "scope"), "Rule")

_INNER: dict[str, dict[str, str]] = {
    f"{_CORE}Probe": dict.fromkeys(("exec", "httpGet", "tcpSocket", "grpc"), "ProbeHandler"),
    f"{_CORE}PersistentVolumeClaim": dict.fromkeys(("kind", "apiVersion"), "TypeMeta"),
    f"{_ADMISSION}RuleWithOperations": _RULE,
    **{f"{_CORE}{name}": {"name": "LocalObjectReference"} for name in _REFERRING},
    **{f"{_RESOURCE}{name}": {"opaque": "DeviceConfiguration"} for name in _CONFIGURING},
}
"""By definition: field → the struct it belongs to."""

_REST: dict[str, tuple[str, frozenset[str]]] = {
    f"{_CORE}Volume": ("VolumeSource", frozenset({"name"})),
    f"{_CORE}PersistentVolumeSpec": (
        "PersistentVolumeSource",
        frozenset(
            {
                "capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName", "mountOptions", "volumeMode",
                "nodeAffinity", "volumeAttributesClassName",
            }
        ),
    ),
    f"{_CORE}EphemeralContainer": ("EphemeralContainerCommon", frozenset({"targetContainerName"})),
    "io.k8s.api.networking.v1.IngressRule": ("IngressRuleValue", frozenset({"host"})),
    f"{_ADMISSION}NamedRuleWithOperations": ("RuleWithOperations", frozenset({"resourceNames"})),
}  # fmt: skip
"""By definition: the struct that all fields belong to but these."""


def embedding(ref: str | None, field: str) -> Sequence[str]:
    """The structs that `field` of the definition lies in, innermost first; mostly none."""
    inner = _INNER.get(ref or "", {}).get(field)
    if inner is not None:
        return (inner,)
    rest = _REST.get(ref or "")
    if rest is None or field in rest[1]:
        return ()
    return (_RULE[field], rest[0]) if rest[0] == "RuleWithOperations" and field in _RULE else (rest[0],)
