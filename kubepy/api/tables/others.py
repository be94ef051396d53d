"""Rows of the smaller groups: autoscaling, RBAC, storage, admission, flow control. Upstream: pkg/printers/internalversion/printers.go."""

from __future__ import annotations

from typing import Any

from kubepy.api.tables.cells import NONE, UNSET, Obj, Printer, age, annotation, condition, deleting, joined, name, some, spec, status
from kubepy.api.tables.duration import human_duration

_METRICS = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def _metric(metric: Obj, current: Obj) -> str:
    field = _METRICS.get(metric.get("type", ""))
    if field is None:
        return "<unknown type>"
    source = metric.get(field) or {}
    target = source.get("target") or {}
    found = current.get(field)
    seen = (found or {}).get("current") or {}
    average = target.get("averageValue")
    if field in ("resource", "containerResource"):
        prefix = f"{source.get('name', '')}: "
        if average is not None:
            return f"{prefix}{seen.get('averageValue', '<unknown>') if found else '<unknown>'}/{average}"
        percent = f"{seen['averageUtilization']}%" if seen.get("averageUtilization") is not None else "<unknown>"
        wanted = f"{target['averageUtilization']}%" if target.get("averageUtilization") is not None else "<auto>"
        return f"{prefix}{percent}/{wanted}"
    if field == "pods":
        return f"{seen.get('averageValue', '<unknown>')}/{average}"
    if average is not None:
        return f"{seen.get('averageValue', '<unknown>')}/{average} (avg)"
    return f"{seen.get('value', '<unknown>')}/{target.get('value')}"


def _autoscaler(obj: Obj, now: float) -> list[Any]:
    sp, st = spec(obj), status(obj)
    ref = sp.get("scaleTargetRef") or {}
    if "targetCPUUtilizationPercentage" in sp or "metrics" not in sp:
        metrics, current = _v1_metrics(obj)
    else:
        metrics, current = sp.get("metrics") or [], st.get("currentMetrics") or []
    shown = [_metric(m, current[i] if i < len(current) and current[i] else {}) for i, m in enumerate(metrics)]
    minimum = sp.get("minReplicas")
    return [
        name(obj),
        f"{ref.get('kind')}/{ref.get('name')}",
        some(shown, 2, separator=", ") if shown else NONE,
        UNSET if minimum is None else str(minimum),
        sp.get("maxReplicas", 0),
        st.get("currentReplicas", 0),
        age(obj, now),
    ]


def _v1_metrics(obj: Obj) -> tuple[list[Any], list[Any]]:
    """The metrics of an autoscaling/v1 object in the form of v2."""
    target = spec(obj).get("targetCPUUtilizationPercentage")
    if target is None:
        return [], []
    current = status(obj).get("currentCPUUtilizationPercentage")
    seen = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": current}}}]
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": target}}}
    return [metric], seen if current is not None else []


def scale(obj: Obj, now: float) -> list[Any]:
    """A row of autoscaling/v1 Scale."""
    return [name(obj), spec(obj).get("replicas", 0), status(obj).get("replicas", 0), age(obj, now)]


def _binding(obj: Obj, now: float) -> list[Any]:
    ref = obj.get("roleRef") or {}
    subjects = obj.get("subjects") or ()
    users = [s.get("name", "") for s in subjects if s.get("kind") == "User"]
    groups = [s.get("name", "") for s in subjects if s.get("kind") == "Group"]
    accounts = [f"{s.get('namespace', '')}/{s.get('name', '')}" for s in subjects if s.get("kind") == "ServiceAccount"]
    shown = [", ".join(values) for values in (users, groups, accounts)]
    return [name(obj), f"{ref.get('kind')}/{ref.get('name')}", age(obj, now), *shown]


def _signing_request(obj: Obj, now: float) -> list[Any]:
    sp = spec(obj)
    state = "Denied" if condition(obj, "Denied") else "Approved" if condition(obj, "Approved") else "Pending"
    if condition(obj, "Failed"):
        state += ",Failed"
    if status(obj).get("certificate"):
        state += ",Issued"
    seconds = sp.get("expirationSeconds")
    duration = NONE if seconds is None else human_duration(seconds)
    return [name(obj), age(obj, now), sp.get("signerName") or NONE, sp.get("username", ""), duration, state]


def _lease(obj: Obj, now: float) -> list[Any]:
    return [name(obj), spec(obj).get("holderIdentity") or "", age(obj, now)]


def _default_name(obj: Obj, *annotations: str) -> str:
    return name(obj) + (" (default)" if any(annotation(obj, a) == "true" for a in annotations) else "")


def _storage_class(obj: Obj, now: float) -> list[Any]:
    return [
        _default_name(obj, "storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"),
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy", "Delete"),
        obj.get("volumeBindingMode", "Immediate"),
        bool(obj.get("allowVolumeExpansion")),
        age(obj, now),
    ]


def _attributes_class(obj: Obj, now: float) -> list[Any]:
    shown = _default_name(obj, "volumeattributesclass.alpha.kubernetes.io/is-default-class")
    return [shown, obj.get("driverName", ""), age(obj, now)]


def _attachment(obj: Obj, now: float) -> list[Any]:
    sp = spec(obj)
    volume = (sp.get("source") or {}).get("persistentVolumeName") or ""
    return [name(obj), sp.get("attacher", ""), volume, sp.get("nodeName", ""), bool(status(obj).get("attached")), age(obj, now)]


def _csi_node(obj: Obj, now: float) -> list[Any]:
    return [name(obj), len(spec(obj).get("drivers") or ()), age(obj, now)]


def _csi_driver(obj: Obj, now: float) -> list[Any]:
    sp = spec(obj)
    tokens = sp.get("tokenRequests")
    return [
        name(obj),
        sp.get("attachRequired", True),
        sp.get("podInfoOnMount", False),
        sp.get("storageCapacity", False),
        UNSET if tokens is None else joined(t.get("audience", "") for t in tokens),
        sp.get("requiresRepublish", False),
        joined(sp.get("volumeLifecycleModes")) or NONE,
        age(obj, now),
    ]


def _priority_class(obj: Obj, now: float) -> list[Any]:
    return [name(obj), obj.get("value", 0), bool(obj.get("globalDefault")), age(obj, now), obj.get("preemptionPolicy") or ""]


def _runtime_class(obj: Obj, now: float) -> list[Any]:
    return [name(obj), obj.get("handler", ""), age(obj, now)]


def _webhooks(obj: Obj, now: float) -> list[Any]:
    return [name(obj), len(obj.get("webhooks") or ()), age(obj, now)]


def _policy(obj: Obj, now: float) -> list[Any]:
    sp = spec(obj)
    kind = sp.get("paramKind")
    shown = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind is not None else UNSET
    field = "mutations" if obj.get("kind") == "MutatingAdmissionPolicy" or "mutations" in sp else "validations"
    return [name(obj), len(sp.get(field) or ()), shown, age(obj, now)]


def _selector_in_go(selector: Obj) -> str:
    """LabelSelector.String."""
    labels = "".join(f"{k}: {v}," for k, v in sorted((selector.get("matchLabels") or {}).items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{e.get('key', '')},Operator:{e.get('operator', '')},Values:[{' '.join(e.get('values') or ())}],}},"
        for e in selector.get("matchExpressions") or ()
    )
    fields = f"MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},"
    return f"&LabelSelector{{{fields}}}"


def _policy_binding(obj: Obj, now: float) -> list[Any]:
    ref = spec(obj).get("paramRef") or {}
    shown = UNSET
    if ref.get("name"):
        shown = f"{ref.get('namespace') or '*'}/{ref['name']}"
    elif ref.get("selector") is not None:
        shown = _selector_in_go(ref["selector"])
    return [name(obj), spec(obj).get("policyName", ""), shown, age(obj, now)]


def _flow_schema(obj: Obj, now: float) -> list[Any]:
    sp = spec(obj)
    method = sp.get("distinguisherMethod")
    dangling = condition(obj, "Dangling")
    return [
        name(obj),
        (sp.get("priorityLevelConfiguration") or {}).get("name", ""),
        sp.get("matchingPrecedence", 0),
        NONE if method is None else method.get("type", ""),
        age(obj, now),
        "?" if dangling is None else dangling.get("status", ""),
    ]


def _priority_level(obj: Obj, now: float) -> list[Any]:
    sp = spec(obj)
    limited = sp.get("limited")
    queuing = ((limited or {}).get("limitResponse") or {}).get("queuing")
    shares = NONE if limited is None else limited.get("nominalConcurrencyShares", 0)
    queues = [NONE if queuing is None else queuing.get(f, 0) for f in ("queues", "handSize", "queueLengthLimit")]
    return [name(obj), sp.get("type", ""), shares, *queues, age(obj, now)]


def _plain(obj: Obj, now: float) -> list[Any]:
    return [name(obj), age(obj, now)]


def _resource_claim(obj: Obj, now: float) -> list[Any]:
    st = status(obj)
    states = ["deleted"] if deleting(obj) else []
    if st.get("allocation") is not None:
        states += ["allocated", "reserved"] if st.get("reservedFor") else ["allocated"]
    elif not states:
        states = ["pending"]
    return [name(obj), ",".join(states), age(obj, now)]


def _resource_slice(obj: Obj, now: float) -> list[Any]:
    sp = spec(obj)
    return [name(obj), sp.get("nodeName", ""), sp.get("driver", ""), (sp.get("pool") or {}).get("name", ""), age(obj, now)]


def _api_service(obj: Obj, now: float) -> list[Any]:
    service = spec(obj).get("service")
    shown = f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"
    available = condition(obj, "Available")
    state = "Unknown"
    if available is not None:
        state = available.get("status", "")
        if state != "True" and available.get("reason"):
            state = f"{state} ({available['reason']})"
    return [name(obj), shown, state, age(obj, now)]


_ADMISSION = "admissionregistration.k8s.io"
_STORAGE = "storage.k8s.io"

PRINTERS: dict[tuple[str, str], Printer] = {
    ("autoscaling", "horizontalpodautoscalers"): _autoscaler,
    ("rbac.authorization.k8s.io", "rolebindings"): _binding,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _binding,
    ("certificates.k8s.io", "certificatesigningrequests"): _signing_request,
    ("coordination.k8s.io", "leases"): _lease,
    (_STORAGE, "storageclasses"): _storage_class,
    (_STORAGE, "volumeattributesclasses"): _attributes_class,
    (_STORAGE, "volumeattachments"): _attachment,
    (_STORAGE, "csinodes"): _csi_node,
    (_STORAGE, "csidrivers"): _csi_driver,
    ("scheduling.k8s.io", "priorityclasses"): _priority_class,
    ("node.k8s.io", "runtimeclasses"): _runtime_class,
    (_ADMISSION, "mutatingwebhookconfigurations"): _webhooks,
    (_ADMISSION, "validatingwebhookconfigurations"): _webhooks,
    (_ADMISSION, "validatingadmissionpolicies"): _policy,
    (_ADMISSION, "validatingadmissionpolicybindings"): _policy_binding,
    (_ADMISSION, "mutatingadmissionpolicies"): _policy,
    (_ADMISSION, "mutatingadmissionpolicybindings"): _policy_binding,
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): _flow_schema,
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): _priority_level,
    ("resource.k8s.io", "deviceclasses"): _plain,
    ("resource.k8s.io", "resourceclaims"): _resource_claim,
    ("resource.k8s.io", "resourceclaimtemplates"): _plain,
    ("resource.k8s.io", "resourceslices"): _resource_slice,
    ("apiregistration.k8s.io", "apiservices"): _api_service,
}
