"""The behaviour of every built-in kind: one strategy per (group, plural), shared by all versions of the kind. No I/O."""

from __future__ import annotations

from dataclasses import replace

from apiserver.registry.strategies import (
    admissionpolicies,
    apiservices,
    autoscalers,
    certificates,
    configdata,
    cronjobs,
    daemonsets,
    deployments,
    deviceallocations,
    deviceclaims,
    deviceslices,
    disruptionbudgets,
    endpoints,
    endpointslices,
    events,
    flowcontrol,
    ingresses,
    jobs,
    namespaces,
    networkpolicies,
    nodes,
    persistentvolumeclaims,
    persistentvolumes,
    pods,
    quotas,
    rbac,
    replicationcontrollers,
    serviceaccounts,
    serviceranges,
    services,
    smallkinds,
    statefulsets,
    storageclasses,
    storagenodes,
    webhookconfigurations,
)
from apiserver.registry.strategies.finalizers import checked_finalizers
from apiserver.registry.strategy import Strategy

_ADMISSION = "admissionregistration.k8s.io"
_FLOW = "flowcontrol.apiserver.k8s.io"
_NETWORKING = "networking.k8s.io"
_RBAC = "rbac.authorization.k8s.io"
_RESOURCE = "resource.k8s.io"
_STORAGE = "storage.k8s.io"

_KINDS: dict[tuple[str, str], Strategy] = {
    ("", "configmaps"): configdata.CONFIG_MAP,
    ("", "endpoints"): endpoints.STRATEGY,
    ("", "events"): events.STRATEGY,
    ("", "limitranges"): quotas.LIMIT_RANGE,
    ("", "namespaces"): namespaces.STRATEGY,
    ("", "nodes"): nodes.STRATEGY,
    ("", "persistentvolumeclaims"): persistentvolumeclaims.STRATEGY,
    ("", "persistentvolumes"): persistentvolumes.STRATEGY,
    ("", "pods"): pods.STRATEGY,
    ("", "podtemplates"): replicationcontrollers.POD_TEMPLATE,
    ("", "replicationcontrollers"): replicationcontrollers.STRATEGY,
    ("", "resourcequotas"): quotas.QUOTA,
    ("", "secrets"): configdata.SECRET,
    ("", "serviceaccounts"): serviceaccounts.STRATEGY,
    ("", "services"): services.STRATEGY,
    (_ADMISSION, "mutatingadmissionpolicies"): admissionpolicies.MUTATING,
    (_ADMISSION, "mutatingadmissionpolicybindings"): admissionpolicies.MUTATING_BINDING,
    (_ADMISSION, "mutatingwebhookconfigurations"): webhookconfigurations.MUTATING,
    (_ADMISSION, "validatingadmissionpolicies"): admissionpolicies.VALIDATING,
    (_ADMISSION, "validatingadmissionpolicybindings"): admissionpolicies.VALIDATING_BINDING,
    (_ADMISSION, "validatingwebhookconfigurations"): webhookconfigurations.VALIDATING,
    ("apiregistration.k8s.io", "apiservices"): apiservices.STRATEGY,
    ("apps", "controllerrevisions"): daemonsets.REVISION,
    ("apps", "daemonsets"): daemonsets.STRATEGY,
    ("apps", "deployments"): deployments.STRATEGY,
    ("apps", "replicasets"): deployments.REPLICA_SET,
    ("apps", "statefulsets"): statefulsets.STRATEGY,
    ("autoscaling", "horizontalpodautoscalers"): autoscalers.STRATEGY,
    ("batch", "cronjobs"): cronjobs.STRATEGY,
    ("batch", "jobs"): jobs.STRATEGY,
    ("certificates.k8s.io", "certificatesigningrequests"): certificates.STRATEGY,
    ("coordination.k8s.io", "leases"): smallkinds.LEASE,
    ("discovery.k8s.io", "endpointslices"): endpointslices.STRATEGY,
    ("events.k8s.io", "events"): events.STRICT,
    (_FLOW, "flowschemas"): flowcontrol.SCHEMA,
    (_FLOW, "prioritylevelconfigurations"): flowcontrol.LEVEL,
    (_NETWORKING, "ingressclasses"): ingresses.CLASS,
    (_NETWORKING, "ingresses"): ingresses.STRATEGY,
    (_NETWORKING, "ipaddresses"): serviceranges.ADDRESS,
    (_NETWORKING, "networkpolicies"): networkpolicies.STRATEGY,
    (_NETWORKING, "servicecidrs"): serviceranges.RANGE,
    ("node.k8s.io", "runtimeclasses"): smallkinds.RUNTIME,
    ("policy", "poddisruptionbudgets"): disruptionbudgets.STRATEGY,
    (_RBAC, "clusterrolebindings"): rbac.CLUSTER_BINDING,
    (_RBAC, "clusterroles"): rbac.CLUSTER_ROLE,
    (_RBAC, "rolebindings"): rbac.BINDING,
    (_RBAC, "roles"): rbac.ROLE,
    (_RESOURCE, "deviceclasses"): deviceclaims.CLASS,
    (_RESOURCE, "resourceclaims"): deviceallocations.STRATEGY,
    (_RESOURCE, "resourceclaimtemplates"): deviceclaims.TEMPLATE,
    (_RESOURCE, "resourceslices"): deviceslices.STRATEGY,
    ("scheduling.k8s.io", "priorityclasses"): smallkinds.PRIORITY,
    (_STORAGE, "csidrivers"): storagenodes.DRIVER,
    (_STORAGE, "csinodes"): storagenodes.NODE,
    (_STORAGE, "csistoragecapacities"): storagenodes.CAPACITY,
    (_STORAGE, "storageclasses"): storageclasses.STRATEGY,
    (_STORAGE, "volumeattachments"): storagenodes.ATTACHMENT,
    (_STORAGE, "volumeattributesclasses"): storageclasses.ATTRIBUTES,
}

_ANY_FINALIZER = {
    ("", "events"),
    ("apiregistration.k8s.io", "apiservices"),
    ("coordination.k8s.io", "leases"),
    ("node.k8s.io", "runtimeclasses"),
}
"""Kinds that leave finalizers to the rule of all objects, as all of admissionregistration.k8s.io and those without `own_metadata` do."""

_CHECKS: dict[tuple[str, str], tuple[int, int]] = {
    **dict.fromkeys(
        (
            ("", "configmaps"),
            ("", "endpoints"),
            ("", "namespaces"),
            ("", "nodes"),
            ("", "persistentvolumeclaims"),
            ("", "pods"),
            ("", "secrets"),
            ("", "serviceaccounts"),
            ("apps", "controllerrevisions"),
            ("apiregistration.k8s.io", "apiservices"),
            ("batch", "jobs"),
            ("certificates.k8s.io", "certificatesigningrequests"),
            (_NETWORKING, "ingressclasses"),
            (_NETWORKING, "ingresses"),
            (_NETWORKING, "ipaddresses"),
            ("node.k8s.io", "runtimeclasses"),
            (_RBAC, "clusterrolebindings"),
            (_RBAC, "clusterroles"),
            (_RBAC, "rolebindings"),
            (_RBAC, "roles"),
            (_RESOURCE, "deviceclasses"),
            (_RESOURCE, "resourceclaims"),
            (_RESOURCE, "resourceclaimtemplates"),
            (_STORAGE, "csistoragecapacities"),
            (_STORAGE, "storageclasses"),
            (_STORAGE, "volumeattributesclasses"),
        ),
        (1, 1),
    ),
    **dict.fromkeys(
        (
            ("", "limitranges"),
            ("discovery.k8s.io", "endpointslices"),
            (_FLOW, "flowschemas"),
            (_FLOW, "prioritylevelconfigurations"),
            (_STORAGE, "csinodes"),
            (_STORAGE, "volumeattachments"),
        ),
        (1, 0),
    ),
    ("", "persistentvolumes"): (2, 0),
}
"""Strategy.metadata_checks of kinds that differ from most; all of admissionregistration.k8s.io look at the whole, once."""


def _finished(key: tuple[str, str], strategy: Strategy) -> Strategy:
    checks = _CHECKS.get(key, (1, 0) if key[0] == _ADMISSION else None)
    if checks is not None:
        strategy = strategy.with_(metadata_checks=checks)
    if not strategy.allow_unconditional_update:
        parts = {name: replace(part, allow_unconditional_update=False) for name, part in strategy.subresources.items()}
        strategy = replace(strategy, subresources=parts)
    if key[0] == _ADMISSION or key in _ANY_FINALIZER or not strategy.own_metadata:
        return strategy
    return checked_finalizers(strategy)


STRATEGIES: dict[tuple[str, str], Strategy] = {key: _finished(key, strategy) for key, strategy in _KINDS.items()}
"""By (group, plural). What is not here (custom resources, reviews) has upstream's generic behaviour or its own owner."""
