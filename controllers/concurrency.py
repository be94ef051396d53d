"""The flags that say how many objects a controller works on at once; names as kube-controller-manager's. Defaults are the controllers'."""

from __future__ import annotations

FLAGS: dict[str, tuple[str, ...]] = {
    "concurrent-cron-job-syncs": ("cronjob",),
    "concurrent-daemonset-syncs": ("daemonset",),
    "concurrent-deployment-syncs": ("deployment",),
    "concurrent-endpoint-syncs": ("endpoint",),
    "concurrent-ephemeralvolume-syncs": ("ephemeral-volume",),
    "concurrent-gc-syncs": ("garbage-collector", "garbage-collector-orphans"),
    "concurrent-horizontal-pod-autoscaler-syncs": ("horizontal-pod-autoscaler",),
    "concurrent-job-syncs": ("job",),
    "concurrent-namespace-syncs": ("namespace",),
    "concurrent-rc-syncs": ("replicationcontroller",),
    "concurrent-replicaset-syncs": ("replicaset",),
    "concurrent-resource-quota-syncs": ("resource-quota",),
    "concurrent-service-endpoint-syncs": ("endpointslice",),
    "concurrent-serviceaccount-token-syncs": ("token",),
    "concurrent-statefulset-syncs": ("statefulset",),
    "concurrent-ttl-after-finished-syncs": ("ttl-after-finished",),
    "concurrent-validating-admission-policy-status-syncs": ("validatingadmissionpolicy-status",),
    "mirroring-concurrent-service-endpoint-syncs": ("endpointslicemirroring",),
}
"""Flag → the names under which controllers register their loops."""
