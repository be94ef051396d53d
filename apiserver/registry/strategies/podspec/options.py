"""What validation tolerates because the stored object has it already, and where the spec stands. Data only.

Upstream: PodValidationOptions, pkg/api/pod/util.go GetValidationOptionsFromPodSpecAndMeta.
"""

from __future__ import annotations

from dataclasses import dataclass

from apiserver.context import Obj
from apiserver.registry.strategies import checks


@dataclass(frozen=True, slots=True)
class Options:
    """Upstream's defaults at v1.36; an old spec may loosen some of them."""

    is_pod: bool = False
    """A pod itself, not a template within another object."""
    any_selector_value: bool = False
    indivisible_huge_pages: bool = False
    any_spread_selector: bool = False
    old_spread_keys: bool = False
    """The stored spread constraints were admitted by the rule before MatchLabelKeysInPodTopologySpreadSelectorMerge."""
    any_deletion_cost: bool = False
    any_required_affinity_value: bool = False
    host_sysctls: bool = False
    any_token_path: bool = False
    any_selinux_change: bool = False
    old_ips: frozenset[str] = frozenset()


POD = Options(is_pod=True)
TEMPLATE = Options()


def for_update(old_spec: Obj, is_pod: bool) -> Options:
    """Options for replacing `old_spec`: what it does wrong may stay wrong."""
    ips = {a.get("ip", "") for a in old_spec.get("hostAliases") or ()} | set((old_spec.get("dnsConfig") or {}).get("nameservers") or ())
    security = old_spec.get("securityContext") or {}
    return Options(
        is_pod=is_pod,
        any_selector_value=_affinity_values_wrong(old_spec),
        any_spread_selector=_spread_selectors_wrong(old_spec),
        old_spread_keys=_spread_keys_wrong(old_spec),
        host_sysctls=bool(security.get("sysctls")) and bool(old_spec.get("hostNetwork") or old_spec.get("hostIPC")),
        any_token_path=_token_paths_wrong(old_spec),
        any_selinux_change=security.get("seLinuxChangePolicy") is not None,
        old_ips=frozenset(ips),
    )


def _selectors_wrong(selectors: list[Obj | None]) -> bool:
    out: checks.Errors = []
    for selector in selectors:
        checks.label_selector(out, selector, "")
    return bool(out)


def _affinity_values_wrong(spec: Obj) -> bool:
    affinity = spec.get("affinity")
    if not affinity:
        return False
    found: list[Obj | None] = []
    for kind in ("podAffinity", "podAntiAffinity"):
        side = affinity.get(kind) or {}
        terms = list(side.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        terms += [t.get("podAffinityTerm") or {} for t in side.get("preferredDuringSchedulingIgnoredDuringExecution") or ()]
        for term in terms:
            found += [term.get("labelSelector"), term.get("namespaceSelector")]
    return _selectors_wrong(found)


def _spread_selectors_wrong(spec: Obj) -> bool:
    return _selectors_wrong([c.get("labelSelector") for c in spec.get("topologySpreadConstraints") or ()])


def _spread_keys_wrong(spec: Obj) -> bool:
    from apiserver.registry.strategies.podspec.affinity import spread_keys_wrong

    return spread_keys_wrong(spec.get("topologySpreadConstraints") or ())


def _token_paths_wrong(spec: Obj) -> bool:
    from apiserver.registry.strategies.podspec.paths import local_non_reserved

    out: checks.Errors = []
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            token = source.get("serviceAccountToken")
            if token:
                local_non_reserved(out, token.get("path") or "", "")
    return bool(out)
