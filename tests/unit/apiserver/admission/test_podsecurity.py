"""Pod Security Standards: each check's words, levels and versions from labels, warnings and audit."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission.podsecurity.checks import details, evaluate
from apiserver.admission.podsecurity.policy import LevelVersion, policy_of
from kubepy.api.errors import Forbidden, Invalid
from tests.support.admission import Bench, named, pod

BASELINE, RESTRICTED = LevelVersion("baseline"), LevelVersion("restricted")
HARDENED = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"}}  # fmt: skip


def found(level: LevelVersion, **spec: Any) -> str:
    return details(evaluate(level, {}, pod(**spec)["spec"]))


def container(**security: Any) -> list[dict[str, Any]]:
    return [{"name": "c", "image": "i", "securityContext": security}]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ""),
        ({"hostNetwork": True, "hostPID": True, "volumes": [{"name": "v", "hostPath": {}}]},
         'host namespaces (hostNetwork=true, hostPID=true), hostPath volumes (volume "v")'),
        ({"containers": container(privileged=True)}, 'privileged (container "c" must not set securityContext.privileged=true)'),
        ({"containers": container(capabilities={"add": ["SYS_ADMIN", "CHOWN"]})},
         'non-default capabilities (container "c" must not include "SYS_ADMIN" in securityContext.capabilities.add)'),
        ({"containers": [{"name": "c", "ports": [{"hostPort": 80}, {"hostPort": 8080}]}]},
         'hostPort (container "c" uses hostPorts 80, 8080)'),
        ({"securityContext": {"sysctls": [{"name": "kernel.msgmax"}]}}, "forbidden sysctls (kernel.msgmax)"),
        ({"securityContext": {"seLinuxOptions": {"type": "spc_t", "user": "u"}}},
         'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set)'),
        ({"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
         'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'),
        ({"securityContext": {"windowsOptions": {"hostProcess": True}}},
         "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)"),
        ({"containers": container(procMount="Unmasked")}, 'procMount (container "c" must not set securityContext.procMount to "Unmasked")'),
        ({"containers": container(procMount="Unmasked"), "hostUsers": False}, ""),
        ({"containers": container(appArmorProfile={"type": "Unconfined"})},
         'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")'),
        ({"containers": [{"name": "c", "livenessProbe": {"httpGet": {"host": "10.0.0.1"}}}]},
         'probe or lifecycle host (container "c" uses probe or lifecycle host "10.0.0.1")'),
    ],
)  # fmt: skip
def test_baseline(spec: dict[str, Any], expected: str) -> None:
    assert found(BASELINE, **spec) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": container(**HARDENED)}, ""),
        ({"containers": container(**HARDENED), "securityContext": {"runAsUser": 0}}, "runAsUser=0 (pod must not set runAsUser=0)"),
        ({"containers": container(**HARDENED), "volumes": [{"name": "v", "hostPath": {}}, {"name": "e", "emptyDir": {}}]},
         'restricted volume types (volume "v" uses restricted volume type "hostPath")'),
        ({"containers": container(**{**HARDENED, "runAsNonRoot": False})},
         'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)'),
        ({"containers": container(**{**HARDENED, "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}})},
         'unrestricted capabilities (container "c" must not include "CHOWN" in securityContext.capabilities.add)'),
    ],
)  # fmt: skip
def test_restricted(spec: dict[str, Any], expected: str) -> None:
    assert found(RESTRICTED, **spec) == expected


def test_versions_bring_their_own_rules() -> None:
    probe = [{"name": "c", "livenessProbe": {"tcpSocket": {"host": "h"}}}]
    assert found(LevelVersion("baseline", 33), containers=probe) == ""
    assert found(LevelVersion("baseline", 34), containers=probe) != ""
    windows = {"os": {"name": "windows"}}
    assert "allowPrivilegeEscalation" in found(LevelVersion("restricted", 24), **windows)
    assert "allowPrivilegeEscalation" not in found(LevelVersion("restricted", 25), **windows)


def test_labels() -> None:
    prefix = "pod-security.kubernetes.io/"
    policy, errors = policy_of({f"{prefix}enforce": "baseline", f"{prefix}enforce-version": "v1.25"})
    assert not errors
    assert str(policy.enforce) == str(policy.warn) == "baseline:v1.25"
    assert policy.audit.level == "privileged"
    policy, errors = policy_of({f"{prefix}enforce": "tight", f"{prefix}warn-version": "1.5"})
    assert [e.field for e in errors] == [f"metadata.labels[{prefix}enforce]", f"metadata.labels[{prefix}warn-version]"]
    assert policy.enforce.level == "restricted"


def namespace(**labels: str) -> dict[str, Any]:
    return {"metadata": {"name": "ns", "labels": {f"pod-security.kubernetes.io/{k}": v for k, v in labels.items()}}}


async def test_enforcement_warnings_and_audit() -> None:
    bench = Bench(("", "namespaces", namespace(enforce="baseline", warn="restricted", audit="restricted")))
    with pytest.raises(Forbidden, match='violates PodSecurity "baseline:latest": host namespaces'):
        await bench.create("pods", pod(hostNetwork=True))
    _, ctx = await bench.create("pods", pod())
    assert ctx.warnings[0].startswith('would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false')
    assert ctx.audit["pod-security.kubernetes.io/enforce-policy"] == "baseline:latest"
    assert "pod-security.kubernetes.io/audit-violations" in ctx.audit
    deployment = named("d", "ns", spec={"template": {"spec": pod(hostNetwork=True)["spec"]}})
    _, ctx = await bench.create("deployments.apps", deployment)
    assert "host namespaces" in ctx.warnings[0]


async def test_a_stricter_label_warns_of_pods_that_are_there() -> None:
    bench = Bench(("", "pods", pod("a", hostNetwork=True)), ("", "pods", pod("b", hostNetwork=True)), ("", "pods", pod("c")))
    _, ctx = await bench.update("namespaces", namespace(enforce="baseline"), namespace())
    assert ctx.warnings == [
        'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 1 other pod): host namespaces",
    ]
    with pytest.raises(Invalid, match="must be one of privileged, baseline, restricted"):
        await bench.create("namespaces", namespace(enforce="tight"))
