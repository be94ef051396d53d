"""The admission chain: which plugins there are, in which order, and how a request passes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from apiserver.admission.alwayspullimages import AlwaysPullImages
from apiserver.admission.antiaffinity import LimitPodHardAntiAffinityTopology
from apiserver.admission.certificates import CertificateApproval, CertificateSigning, CertificateSubjectRestriction
from apiserver.admission.declaredfeatures import NodeDeclaredFeatureValidator
from apiserver.admission.extendedtoleration import ExtendedResourceToleration
from apiserver.admission.externalips import DenyServiceExternalIPs
from apiserver.admission.ingressclass import DefaultIngressClass
from apiserver.admission.interface import Attributes, Tools
from apiserver.admission.limitranger import LimitRanger
from apiserver.admission.namespacelifecycle import NamespaceLifecycle
from apiserver.admission.noderestriction import NodeRestriction
from apiserver.admission.nodetaint import TaintNodesByCondition
from apiserver.admission.ownerreferences import OwnerReferencesPermissionEnforcement
from apiserver.admission.plugin import BasePlugin
from apiserver.admission.podsecurity import PodSecurity
from apiserver.admission.podtopologylabels import PodTopologyLabels
from apiserver.admission.policy.mutating import MutatingAdmissionPolicy
from apiserver.admission.policy.validating import ValidatingAdmissionPolicy
from apiserver.admission.priority import Priority
from apiserver.admission.pvcresize import PersistentVolumeClaimResize
from apiserver.admission.rbacescalation import RBACEscalation
from apiserver.admission.resourcequota import ResourceQuota
from apiserver.admission.runtimeclass import RuntimeClass
from apiserver.admission.serviceaccount import ServiceAccount
from apiserver.admission.storageclass import DefaultStorageClass
from apiserver.admission.storageprotection import StorageObjectInUseProtection
from apiserver.admission.tolerationseconds import DefaultTolerationSeconds
from apiserver.admission.webhook.plugins import MutatingAdmissionWebhook, ValidatingAdmissionWebhook
from kubepy.api.kinds import Resource

PLUGINS: tuple[type[BasePlugin], ...] = (
    NamespaceLifecycle,
    LimitPodHardAntiAffinityTopology,
    LimitRanger,
    ServiceAccount,
    NodeRestriction,
    TaintNodesByCondition,
    AlwaysPullImages,
    PodSecurity,
    Priority,
    DefaultTolerationSeconds,
    ExtendedResourceToleration,
    DefaultStorageClass,
    StorageObjectInUseProtection,
    OwnerReferencesPermissionEnforcement,
    PersistentVolumeClaimResize,
    RuntimeClass,
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
    DefaultIngressClass,
    DenyServiceExternalIPs,
    PodTopologyLabels,
    NodeDeclaredFeatureValidator,
    MutatingAdmissionPolicy,
    MutatingAdmissionWebhook,
    RBACEscalation,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionWebhook,
    ResourceQuota,
)
"""In upstream's order (pkg/kubeapiserver/options/plugins.go)."""

ABSENT = frozenset(("ClusterTrustBundleAttest", "JobValidation", "PodGroupProtection", "PodGroupWorkloadExists", "PodResizeValidator"))
"""Upstream's plugins that are on by default and do not exist here: flags may name them, and it changes nothing."""

_Stage = tuple[tuple[BasePlugin, ...], tuple[BasePlugin, ...]]


class Chain:
    """All plugins of a server; per kind of request it keeps who covers it."""

    def __init__(self, plugins: Sequence[BasePlugin]) -> None:
        self.plugins = tuple(plugins)
        self._stages: dict[tuple[str, str, str, str], _Stage] = {}

    def wants(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Whether any plugin may concern itself with such a request."""
        mutating, validating = self._stage(operation, resource, subresource)
        return bool(mutating or validating)

    async def admit(self, a: Attributes) -> None:
        """Let the mutating plugins change a.obj. Raises StatusError."""
        plugins = self._stage(a.operation, a.resource, a.subresource)[0]
        for plugin in plugins:
            if plugin.handles(a):
                await plugin.admit(a)
        state = a.mutation
        if state is not None and state.due:
            # Somebody changed what another one had already seen, who wants to see it again: a second, last round.
            state.round = 1
            for plugin in plugins:
                if plugin.handles(a):
                    await plugin.admit(a)

    async def validate(self, a: Attributes) -> None:
        """Let the validating plugins refuse. Raises StatusError."""
        for plugin in self._stage(a.operation, a.resource, a.subresource)[1]:
            if plugin.handles(a):
                await plugin.validate(a)

    async def close(self) -> None:
        """Close what plugins hold open."""
        for plugin in self.plugins:
            await plugin.close()

    def _stage(self, operation: str, resource: Resource, subresource: str) -> _Stage:
        key = (operation, resource.group, resource.plural, subresource)
        stage = self._stages.get(key)
        if stage is None:
            covering = [p for p in self.plugins if p.covers(operation, resource, subresource)]
            mutating = tuple(p for p in covering if type(p).admit is not BasePlugin.admit)
            validating = tuple(p for p in covering if type(p).validate is not BasePlugin.validate)
            stage = self._stages[key] = (mutating, validating)
        return stage


def problem_with(enabled: Iterable[str], disabled: Iterable[str]) -> str:
    """What is wrong with the names of --enable- and --disable-admission-plugins, empty if nothing is."""
    known = ABSENT | {plugin.name for plugin in PLUGINS}
    for flag, names in (("enable", enabled), ("disable", disabled)):
        for name in names:
            if name not in known:
                return f'{flag}-admission-plugins plugin "{name}" is unknown; there are: {", ".join(sorted(known))}'
    if both := sorted(set(enabled) & set(disabled)):
        return f"[{' '.join(both)}] in enable-admission-plugins and disable-admission-plugins overlapped"
    return ""


def build(tools: Tools) -> Chain:
    """The chain of the plugins that are on by default or by flag, without those that a flag turns off."""
    enabled = frozenset(getattr(tools.flags, "enable_admission_plugins", ()))
    disabled = frozenset(getattr(tools.flags, "disable_admission_plugins", ()))
    return Chain([make(tools) for make in PLUGINS if (make.default_on or make.name in enabled) and make.name not in disabled])
