"""The behaviour of every built-in kind: one strategy per (group, plural), shared by all versions of the kind. No I/O."""

from __future__ import annotations

from apiserver.registry.strategies import (
    configdata,
    cronjobs,
    daemonsets,
    deployments,
    endpoints,
    events,
    jobs,
    namespaces,
    nodes,
    persistentvolumeclaims,
    persistentvolumes,
    pods,
    quotas,
    replicationcontrollers,
    serviceaccounts,
    services,
    statefulsets,
)
from apiserver.registry.strategy import Strategy

STRATEGIES: dict[tuple[str, str], Strategy] = {
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
    ("apps", "controllerrevisions"): daemonsets.REVISION,
    ("apps", "daemonsets"): daemonsets.STRATEGY,
    ("apps", "deployments"): deployments.STRATEGY,
    ("apps", "replicasets"): deployments.REPLICA_SET,
    ("apps", "statefulsets"): statefulsets.STRATEGY,
    ("batch", "cronjobs"): cronjobs.STRATEGY,
    ("batch", "jobs"): jobs.STRATEGY,
    ("events.k8s.io", "events"): events.STRICT,
}
"""What is not here has upstream's generic behaviour and no checks of its own."""
