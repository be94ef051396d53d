"""The default roles and bindings for people and for the parts of the system (bootstrappolicy/policy.go, namespace_policy.go)."""

from __future__ import annotations

from apiserver.bootstrap.controllers import CONTROLLERS, EVENTS
from apiserver.bootstrap.grammar import binding, role
from apiserver.context import Obj

_READ = "get,list,watch"
_WRITE = "create,update,patch,delete,deletecollection"
_ALL = f"{_READ},{_WRITE}"
_EXTENSIONS_APPS = "deployments,deployments/scale,daemonsets,replicasets,replicasets/scale"
_REVIEWS = ("create authentication.k8s.io tokenreviews", "create authorization.k8s.io subjectaccessreviews")
_CSR = "certificates.k8s.io"
_DRA = "resource.k8s.io"

NODE_RULES = (
    "create authentication.k8s.io tokenreviews",
    "create authorization.k8s.io subjectaccessreviews,localsubjectaccessreviews",
    f"{_READ} - services",
    f"create,{_READ} - nodes",
    "update,patch - nodes/status",
    "update,patch - nodes",
    EVENTS,
    f"{_READ} - pods",
    "create,delete - pods",
    "update,patch - pods/status",
    "create - pods/eviction",
    f"{_READ} - secrets,configmaps",
    "get - persistentvolumeclaims,persistentvolumes",
    "get - endpoints",
    f"create,{_READ} {_CSR} certificatesigningrequests",
    "get,create,update,patch,delete coordination.k8s.io leases",
    "get storage.k8s.io volumeattachments",
    "create - serviceaccounts/token",
    "get,update,patch - persistentvolumeclaims/status",
    f"{_READ} storage.k8s.io csidrivers",
    "get,create,update,patch,delete storage.k8s.io csinodes",
    f"{_READ} node.k8s.io runtimeclasses",
    f"get {_DRA} resourceclaims",
    f"deletecollection {_DRA} resourceslices",
    "get - serviceaccounts",
)
"""What every node may do; the node authorizer and the NodeRestriction plugin narrow it."""

_VIEW = (
    f"{_READ} - pods,replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/status,endpoints,"
    "persistentvolumeclaims,persistentvolumeclaims/status,configmaps",
    f"{_READ} - limitranges,resourcequotas,bindings,pods/status,resourcequotas/status,namespaces/status,replicationcontrollers/status,"
    "pods/log",
    f"{_READ} - namespaces",
    f"{_READ} -,events.k8s.io events",
    f"{_READ} discovery.k8s.io endpointslices",
    f"{_READ} apps controllerrevisions,statefulsets,statefulsets/status,statefulsets/scale,daemonsets,daemonsets/status,deployments,"
    "deployments/status,deployments/scale,replicasets,replicasets/status,replicasets/scale",
    f"{_READ} autoscaling horizontalpodautoscalers,horizontalpodautoscalers/status",
    f"{_READ} batch jobs,cronjobs,cronjobs/status,jobs/status",
    f"{_READ} extensions {_EXTENSIONS_APPS},daemonsets/status,deployments/status,ingresses,ingresses/status,replicasets/status,"
    "replicationcontrollers/scale,networkpolicies",
    f"{_READ} policy poddisruptionbudgets,poddisruptionbudgets/status",
    f"{_READ} networking.k8s.io networkpolicies,ingresses,ingresses/status",
    f"{_READ} {_DRA} resourceclaims,resourceclaims/status,resourceclaimtemplates",
)
_EDIT = (
    f"{_READ} - pods/attach,pods/proxy,pods/exec,pods/portforward,secrets,services/proxy",
    "impersonate - serviceaccounts",
    f"{_WRITE} - pods,pods/attach,pods/proxy,pods/exec,pods/portforward",
    "create - pods/eviction",
    f"{_WRITE} - replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/proxy,persistentvolumeclaims,"
    "configmaps,secrets",
    "create - serviceaccounts/token",
    f"{_WRITE} -,events.k8s.io events",
    f"{_WRITE} apps {_EXTENSIONS_APPS},statefulsets,statefulsets/scale,deployments/rollback",
    f"{_WRITE} autoscaling horizontalpodautoscalers",
    f"{_WRITE} batch jobs,cronjobs",
    f"{_WRITE} extensions {_EXTENSIONS_APPS},deployments/rollback,ingresses,replicationcontrollers/scale,networkpolicies",
    f"{_WRITE} policy poddisruptionbudgets",
    f"{_WRITE} networking.k8s.io networkpolicies,ingresses",
    f"{_ALL} coordination.k8s.io leases",
    f"{_WRITE} {_DRA} resourceclaims,resourceclaimtemplates",
)
_ADMIN = (
    "create authorization.k8s.io localsubjectaccessreviews",
    f"{_ALL} rbac.authorization.k8s.io roles,rolebindings",
)

_SCHEDULER = (
    EVENTS,
    "create coordination.k8s.io leases",
    f"{_READ},update coordination.k8s.io leases kube-scheduler",
    f"{_ALL} coordination.k8s.io leasecandidates",
    f"{_READ} - nodes",
    f"{_READ},delete - pods",
    "create - pods/binding,bindings",
    "patch,update - pods/status",
    f"{_READ} - services,replicationcontrollers",
    f"{_READ} apps,extensions replicasets",
    f"{_READ} apps statefulsets",
    f"{_READ} policy poddisruptionbudgets",
    f"{_READ} - persistentvolumeclaims,persistentvolumes",
    *_REVIEWS,
    f"{_READ} storage.k8s.io csinodes",
    f"{_READ} storage.k8s.io volumeattachments",
    f"{_READ} - namespaces",
    f"{_READ} storage.k8s.io csidrivers",
    f"{_READ} storage.k8s.io csistoragecapacities",
    f"{_READ} {_DRA} deviceclasses",
    f"{_READ},update,patch {_DRA} resourceclaims",
    f"{_READ},update,patch {_DRA} resourceclaims/status",
    "update - pods/finalizers",
    f"{_READ} {_DRA} resourceslices",
    f"create,delete {_DRA} resourceclaims",
    f"update,patch {_DRA} resourceclaims/binding",
)

CLUSTER_ROLES: dict[str, tuple[str, ...]] = {
    "cluster-admin": ("* * *", "* *"),
    "system:discovery": ("get /livez,/readyz,/healthz,/version,/version/,/openapi,/openapi/*,/api,/api/*,/apis,/apis/*",),
    "system:monitoring": (
        "get /metrics,/metrics/slis,/livez,/readyz,/healthz,/livez/*,/readyz/*,/healthz/*,/flagz,/statusz",
        "get - nodes/metrics",
    ),
    "system:basic-user": (
        "create authorization.k8s.io selfsubjectaccessreviews,selfsubjectrulesreviews",
        "create authentication.k8s.io selfsubjectreviews",
    ),
    "system:public-info-viewer": ("get /livez,/readyz,/healthz,/version,/version/",),
    "system:heapster": (f"{_READ} - events,pods,nodes,namespaces", f"{_READ} extensions deployments"),
    "system:node": NODE_RULES,
    "system:node-problem-detector": ("get - nodes", "patch - nodes/status", EVENTS),
    "system:kubelet-api-admin": (
        f"{_READ} - nodes",
        "proxy - nodes",
        "* - nodes/proxy,nodes/metrics,nodes/stats,nodes/log,nodes/configz,nodes/healthz,nodes/pods",
    ),
    "system:node-bootstrapper": (f"create,{_READ} {_CSR} certificatesigningrequests",),
    "system:auth-delegator": _REVIEWS,
    "system:kube-aggregator": (f"{_READ} - services,endpoints",),
    "system:kube-controller-manager": (
        EVENTS,
        "create coordination.k8s.io leases",
        "get,update coordination.k8s.io leases kube-controller-manager",
        "create - secrets,serviceaccounts",
        "delete - secrets",
        "get - namespaces,secrets,serviceaccounts,configmaps",
        "update - secrets,serviceaccounts",
        *_REVIEWS,
        "list,watch * *",
        "create - serviceaccounts/token",
    ),
    "system:kube-dns": ("list,watch - endpoints,services",),
    "system:persistent-volume-provisioner": (
        f"{_READ},create,delete - persistentvolumes",
        f"{_READ},update - persistentvolumeclaims",
        f"{_READ} storage.k8s.io storageclasses",
        "watch - events",
        EVENTS,
    ),
    f"system:{_CSR}:certificatesigningrequests:nodeclient": (f"create {_CSR} certificatesigningrequests/nodeclient",),
    f"system:{_CSR}:certificatesigningrequests:selfnodeclient": (f"create {_CSR} certificatesigningrequests/selfnodeclient",),
    "system:volume-scheduler": (
        f"{_READ},update,patch - persistentvolumes",
        f"{_READ} storage.k8s.io storageclasses",
        f"{_READ},update,patch - persistentvolumeclaims",
    ),
    f"system:{_CSR}:legacy-unknown-approver": (f"approve {_CSR} signers kubernetes.io/legacy-unknown",),
    f"system:{_CSR}:kubelet-serving-approver": (f"approve {_CSR} signers kubernetes.io/kubelet-serving",),
    f"system:{_CSR}:kube-apiserver-client-approver": (f"approve {_CSR} signers kubernetes.io/kube-apiserver-client",),
    f"system:{_CSR}:kube-apiserver-client-kubelet-approver": (f"approve {_CSR} signers kubernetes.io/kube-apiserver-client-kubelet",),
    "system:service-account-issuer-discovery": (
        "get /.well-known/openid-configuration,/.well-known/openid-configuration/,/openid/v1/jwks,/openid/v1/jwks/",
    ),
    "system:node-proxier": (
        "list,watch - services,endpoints",
        f"{_READ} - nodes",
        EVENTS,
        "list,watch networking.k8s.io servicecidrs",
        "list,watch discovery.k8s.io endpointslices",
    ),
    "system:kube-scheduler": _SCHEDULER,
}

CLUSTER_BINDINGS: dict[str, tuple[str, ...]] = {
    "cluster-admin": ("group:system:masters",),
    "system:monitoring": ("group:system:monitoring",),
    "system:discovery": ("group:system:authenticated",),
    "system:basic-user": ("group:system:authenticated",),
    "system:public-info-viewer": ("group:system:authenticated", "group:system:unauthenticated"),
    "system:node-proxier": ("user:system:kube-proxy",),
    "system:kube-controller-manager": ("user:system:kube-controller-manager",),
    "system:kube-dns": ("account:kube-system/kube-dns",),
    "system:kube-scheduler": ("user:system:kube-scheduler",),
    "system:volume-scheduler": ("user:system:kube-scheduler",),
    # The node authorizer has taken this role's place: nobody is bound to it.
    "system:node": (),
    "system:service-account-issuer-discovery": ("group:system:serviceaccounts",),
}

_LEASES = f"{_READ},create,update coordination.k8s.io leases"
_CANDIDATES = f"{_READ},create,update coordination.k8s.io leasecandidates"

NAMESPACE_ROLES: dict[tuple[str, str], tuple[str, ...]] = {
    ("kube-system", "extension-apiserver-authentication-reader"): (f"{_READ} - configmaps extension-apiserver-authentication",),
    ("kube-system", "system:controller:bootstrap-signer"): (f"{_READ} - secrets",),
    ("kube-system", "system:controller:cloud-provider"): (f"create,{_READ} - configmaps",),
    ("kube-system", "system:controller:token-cleaner"): (f"{_READ},delete - secrets", EVENTS),
    ("kube-system", "system::leader-locking-kube-controller-manager"): (_LEASES, _CANDIDATES),
    ("kube-system", "system::leader-locking-kube-scheduler"): (_LEASES, _CANDIDATES),
    ("kube-public", "system:controller:bootstrap-signer"): (f"{_READ} - configmaps", "update - configmaps cluster-info", EVENTS),
}

NAMESPACE_BINDINGS: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("kube-system", "system::extension-apiserver-authentication-reader"): (
        "extension-apiserver-authentication-reader",
        ("user:system:kube-controller-manager", "user:system:kube-scheduler"),
    ),
    ("kube-system", "system::leader-locking-kube-controller-manager"): (
        "",
        ("user:system:kube-controller-manager", "account:kube-system/kube-controller-manager"),
    ),
    ("kube-system", "system::leader-locking-kube-scheduler"): (
        "",
        ("user:system:kube-scheduler", "account:kube-system/kube-scheduler"),
    ),
    ("kube-system", "system:controller:bootstrap-signer"): ("", ("account:kube-system/bootstrap-signer",)),
    ("kube-system", "system:controller:cloud-provider"): ("", ("account:kube-system/cloud-provider",)),
    ("kube-system", "system:controller:token-cleaner"): ("", ("account:kube-system/token-cleaner",)),
    ("kube-public", "system:controller:bootstrap-signer"): ("", ("account:kube-system/bootstrap-signer",)),
}


def cluster_roles() -> list[Obj]:
    """Every default ClusterRole."""
    aggregated = [
        role("admin", (), aggregates="admin"),
        role("edit", (), aggregate_to="admin", aggregates="edit"),
        role("view", (), aggregate_to="edit", aggregates="view"),
        role("system:aggregate-to-admin", _ADMIN, aggregate_to="admin"),
        role("system:aggregate-to-edit", _EDIT, aggregate_to="edit"),
        role("system:aggregate-to-view", _VIEW, aggregate_to="view"),
    ]
    plain = [role(name, lines) for name, lines in CLUSTER_ROLES.items()]
    return [*plain, *aggregated, *(role(f"system:controller:{name}", lines) for name, lines in CONTROLLERS.items())]


def cluster_role_bindings() -> list[Obj]:
    """Every default ClusterRoleBinding."""
    plain = [binding(name, subjects) for name, subjects in CLUSTER_BINDINGS.items()]
    return [*plain, *(binding(f"system:controller:{name}", (f"account:kube-system/{name}",)) for name in CONTROLLERS)]


def roles() -> list[Obj]:
    """The default Roles of kube-system and kube-public."""
    return [role(name, lines, namespace) for (namespace, name), lines in NAMESPACE_ROLES.items()]


def role_bindings() -> list[Obj]:
    """The default RoleBindings of kube-system and kube-public."""
    return [binding(name, subjects, target, ns) for (ns, name), (target, subjects) in NAMESPACE_BINDINGS.items()]
