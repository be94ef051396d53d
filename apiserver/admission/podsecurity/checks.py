"""The Pod Security Standards: one function per check, and a table of which hold at which level since which version. Pure.

A check returns (reason, detail) for what it forbids, or None (pod-security-admission policy/check_*.go).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from apiserver.admission.podsecurity.policy import CURRENT, LevelVersion
from apiserver.context import Obj
from kubepy.api.errors import go_value

Finding = tuple[str, str]
Check = Callable[[Obj, Obj], "Finding | None"]
"""(pod metadata, pod spec) → finding."""


def _containers(spec: Obj) -> Iterator[Obj]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def _security(holder: Obj) -> Obj:
    return holder.get("securityContext") or {}


def _many(singular: str, count: int) -> str:
    return singular if count == 1 else singular + "s"


def _quoted(items: Sequence[str]) -> str:
    return ", ".join(f'"{item}"' for item in items)


def _named(containers: Sequence[str]) -> str:
    return f"{_many('container', len(containers))} {_quoted(containers)}"


def _setters(pod: bool, containers: Sequence[str]) -> str:
    return " and ".join([*(["pod"] if pod else []), *([_named(containers)] if containers else [])])


def _windows(spec: Obj) -> bool:
    return bool((spec.get("os") or {}).get("name") == "windows")


def _own_users(spec: Obj) -> bool:
    """Whether the pod has its own user namespace, which makes some settings harmless."""
    return spec.get("hostUsers") is False


def app_armor(meta: Obj, spec: Obj) -> Finding | None:
    """No profile but the runtime's default or a local one."""

    def bad(holder: Obj) -> str | None:
        profile = _security(holder).get("appArmorProfile")
        return profile.get("type", "") if profile and profile.get("type") not in ("RuntimeDefault", "Localhost") else None

    values = set()
    of_pod = bad(spec)
    if of_pod is not None:
        values.add(of_pod)
    names = []
    for container in _containers(spec):
        value = bad(container)
        if value is not None:
            names.append(container["name"])
            values.add(value)
    setters = [*(["pod"] if of_pod is not None else []), *([_named(names)] if names else [])]
    shown = sorted(values)
    prefix = "container.apparmor.security.beta.kubernetes.io/"
    annotations = sorted(
        f"{key}={go_value(value)}"
        for key, value in (meta.get("annotations") or {}).items()
        if key.startswith(prefix) and value and value != "runtime/default" and not value.startswith("localhost/")
    )
    if annotations:
        shown += annotations
        setters.append(_many("annotation", len(annotations)))
    if not setters:
        return None
    detail = f"{' and '.join(setters)} must not set AppArmor profile type to {_quoted(shown)}"
    return _many("forbidden AppArmor profile", len(shown)), detail


_DEFAULT_CAPABILITIES = frozenset(
    ("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP",
     "SETUID", "SYS_CHROOT")
)  # fmt: skip


def _added_capabilities(spec: Obj, allowed: frozenset[str]) -> tuple[list[str], list[str]]:
    names, values = [], set()
    for container in _containers(spec):
        bad = [c for c in (_security(container).get("capabilities") or {}).get("add") or () if c not in allowed]
        if bad:
            names.append(container["name"])
            values.update(bad)
    return names, sorted(values)


def _must_not_add(names: Sequence[str], values: Sequence[str]) -> str:
    return f"{_named(names)} must not include {_quoted(values)} in securityContext.capabilities.add"


def capabilities_baseline(meta: Obj, spec: Obj) -> Finding | None:
    """No capability beyond the default set."""
    names, values = _added_capabilities(spec, _DEFAULT_CAPABILITIES)
    return ("non-default capabilities", _must_not_add(names, values)) if names else None


def capabilities_restricted(meta: Obj, spec: Obj) -> Finding | None:
    """All dropped, at most NET_BIND_SERVICE added."""
    keeping = [c["name"] for c in _containers(spec) if "ALL" not in ((_security(c).get("capabilities") or {}).get("drop") or ())]
    details = [f'{_named(keeping)} must set securityContext.capabilities.drop=["ALL"]'] if keeping else []
    names, values = _added_capabilities(spec, frozenset(("NET_BIND_SERVICE",)))
    if names:
        details.append(_must_not_add(names, values))
    return ("unrestricted capabilities", "; ".join(details)) if details else None


def host_namespaces(meta: Obj, spec: Obj) -> Finding | None:
    """No namespace of the host."""
    used = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    return ("host namespaces", ", ".join(used)) if used else None


def host_path(meta: Obj, spec: Obj) -> Finding | None:
    """No host path volume."""
    names = [v["name"] for v in spec.get("volumes") or () if "hostPath" in v]
    return ("hostPath volumes", f"{_many('volume', len(names))} {_quoted(names)}") if names else None


def host_ports(meta: Obj, spec: Obj) -> Finding | None:
    """No port of the host."""
    names, ports = [], set()
    for container in _containers(spec):
        used = [str(p["hostPort"]) for p in container.get("ports") or () if p.get("hostPort")]
        if used:
            names.append(container["name"])
            ports.update(used)
    if not names:
        return None
    uses = "uses" if len(names) == 1 else "use"
    return "hostPort", f"{_named(names)} {uses} {_many('hostPort', len(ports))} {', '.join(sorted(ports))}"


def host_probes(meta: Obj, spec: Obj) -> Finding | None:
    """No probe or lifecycle hook that names another host."""
    names: set[str] = set()
    hosts: set[str] = set()
    for container in _containers(spec):
        lifecycle = container.get("lifecycle") or {}
        actions = [container.get(p) for p in ("livenessProbe", "readinessProbe", "startupProbe")]
        actions += [lifecycle.get("postStart"), lifecycle.get("preStop")]
        found = [(action.get(kind) or {}).get("host") for action in actions if action for kind in ("httpGet", "tcpSocket")]
        if any(found):
            names.add(container["name"])
            hosts.update(host for host in found if host)
    if not names:
        return None
    uses = "uses" if len(names) == 1 else "use"
    what = _many("probe or lifecycle host", len(hosts))
    return "probe or lifecycle host", f"{_named(sorted(names))} {uses} {what} {_quoted(sorted(hosts))}"


def privileged(meta: Obj, spec: Obj) -> Finding | None:
    """No privileged container."""
    names = [c["name"] for c in _containers(spec) if _security(c).get("privileged")]
    return ("privileged", f"{_named(names)} must not set securityContext.privileged=true") if names else None


def proc_mount(meta: Obj, spec: Obj) -> Finding | None:
    """Only the default mask over /proc."""
    bad = [(c["name"], _security(c)["procMount"]) for c in _containers(spec) if _security(c).get("procMount", "Default") != "Default"]
    if not bad:
        return None
    values = _quoted(sorted({value for _, value in bad}))
    return "procMount", f"{_named([name for name, _ in bad])} must not set securityContext.procMount to {values}"


def _selinux(allowed: frozenset[str]) -> Check:
    def check(meta: Obj, spec: Obj) -> Finding | None:
        types, fields = set(), set()

        def bad(holder: Obj) -> bool:
            options = _security(holder).get("seLinuxOptions")
            if not options:
                return False
            wrong_type = options.get("type", "") not in allowed
            if wrong_type:
                types.add(options["type"])
            set_fields = [field for field in ("user", "role") if options.get(field)]
            fields.update(set_fields)
            return wrong_type or bool(set_fields)

        pod = bad(spec)
        names = [c["name"] for c in _containers(spec) if bad(c)]
        if not pod and not names:
            return None
        data = [f"{_many('type', len(types))} {_quoted(sorted(types))}"] if types else []
        data += [f"{field} may not be set" for field in ("user", "role") if field in fields]
        return "seLinuxOptions", f"{_setters(pod, names)} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"

    return check


_SELINUX_0 = frozenset(("", "container_t", "container_init_t", "container_kvm_t"))
selinux_0 = _selinux(_SELINUX_0)
selinux_31 = _selinux(_SELINUX_0 | {"container_engine_t"})


def seccomp_annotations(meta: Obj, spec: Obj) -> Finding | None:
    """Before the fields existed: no unconfined profile by annotation."""
    annotations = meta.get("annotations") or {}
    prefix = "container.seccomp.security.alpha.kubernetes.io/"
    keys = ["seccomp.security.alpha.kubernetes.io/pod", *(prefix + c["name"] for c in _containers(spec))]
    bad = {
        f"{key}={go_value(annotations[key])}"
        for key in keys
        if key in annotations
        and annotations[key] not in ("runtime/default", "docker/default")
        and not annotations[key].startswith("localhost/")
    }
    return ("seccompProfile", f"forbidden {_many('annotation', len(bad))} {', '.join(sorted(bad))}") if bad else None


def _seccomp(spec: Obj) -> tuple[Finding | None, list[str]]:
    """What is set wrongly, and the containers for which nothing is set."""

    def kind(holder: Obj) -> str | None:
        profile = _security(holder).get("seccompProfile")
        return profile.get("type", "") if profile is not None else None

    good = ("RuntimeDefault", "Localhost")
    of_pod = kind(spec)
    kinds = [(c["name"], kind(c)) for c in _containers(spec)]
    names = [name for name, value in kinds if value is not None and value not in good]
    pod = of_pod is not None and of_pod not in good
    values = {value for _, value in kinds if value is not None and value not in good} | ({of_pod} if pod and of_pod is not None else set())
    unset = [name for name, value in kinds if value is None] if of_pod not in good else []
    if not pod and not names:
        return None, unset
    detail = f"{_setters(pod, names)} must not set securityContext.seccompProfile.type to {_quoted(sorted(values))}"
    return ("seccompProfile", detail), unset


def seccomp_baseline(meta: Obj, spec: Obj) -> Finding | None:
    """No unconfined profile."""
    return _seccomp(spec)[0]


def seccomp_restricted(meta: Obj, spec: Obj) -> Finding | None:
    """A profile for every container."""
    finding, unset = _seccomp(spec)
    if finding is None and unset:
        text = f'pod or {_named(unset)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
        return "seccompProfile", text
    return finding


def _sysctls(allowed: frozenset[str]) -> Check:
    def check(meta: Obj, spec: Obj) -> Finding | None:
        bad = [s["name"] for s in _security(spec).get("sysctls") or () if s["name"] not in allowed]
        return ("forbidden sysctls", ", ".join(bad)) if bad else None

    return check


_SYSCTLS_0 = frozenset(
    ("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
     "net.ipv4.ip_unprivileged_port_start")
)  # fmt: skip
_SYSCTLS_27 = _SYSCTLS_0 | {"net.ipv4.ip_local_reserved_ports"}
_SYSCTLS_29 = _SYSCTLS_27 | {f"net.ipv4.tcp_{n}" for n in ("keepalive_time", "fin_timeout", "keepalive_intvl", "keepalive_probes")}
_SYSCTLS_32 = _SYSCTLS_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
_SYSCTLS = {0: _SYSCTLS_0, 27: _SYSCTLS_27, 29: _SYSCTLS_29, 32: _SYSCTLS_32}


def host_process(meta: Obj, spec: Obj) -> Finding | None:
    """No Windows host process."""

    def uses(holder: Obj) -> bool:
        return bool((_security(holder).get("windowsOptions") or {}).get("hostProcess"))

    pod, names = uses(spec), [c["name"] for c in _containers(spec) if uses(c)]
    if not pod and not names:
        return None
    return "hostProcess", f"{_setters(pod, names)} must not set securityContext.windowsOptions.hostProcess=true"


def privilege_escalation(meta: Obj, spec: Obj) -> Finding | None:
    """Escalation ruled out for every container."""
    names = [c["name"] for c in _containers(spec) if _security(c).get("allowPrivilegeEscalation") is not False]
    if not names:
        return None
    return "allowPrivilegeEscalation != false", f"{_named(names)} must set securityContext.allowPrivilegeEscalation=false"


_HARMLESS_VOLUMES = frozenset(
    ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret")
)


def restricted_volumes(meta: Obj, spec: Obj) -> Finding | None:
    """Volumes of harmless kinds only."""
    names, types = [], set()
    for volume in spec.get("volumes") or ():
        sources = [key for key in volume if key != "name"]
        if not any(source in _HARMLESS_VOLUMES for source in sources):
            names.append(volume["name"])
            types.add(sources[0] if sources else "unknown")
    if not names:
        return None
    uses = "uses" if len(names) == 1 else "use"
    what = _many("restricted volume type", len(types))
    return "restricted volume types", f"{_many('volume', len(names))} {_quoted(names)} {uses} {what} {_quoted(sorted(types))}"


def run_as_non_root(meta: Obj, spec: Obj) -> Finding | None:
    """Every container says that it does not run as root."""
    of_pod = _security(spec).get("runAsNonRoot")
    said = [(c["name"], _security(c).get("runAsNonRoot")) for c in _containers(spec)]
    wrong = [name for name, value in said if value is False]
    if of_pod is False or wrong:
        return "runAsNonRoot != true", f"{_setters(of_pod is False, wrong)} must not set securityContext.runAsNonRoot=false"
    unset = [name for name, value in said if value is None] if not of_pod else []
    return ("runAsNonRoot != true", f"pod or {_named(unset)} must set securityContext.runAsNonRoot=true") if unset else None


def run_as_user(meta: Obj, spec: Obj) -> Finding | None:
    """Nobody runs as user 0."""
    pod = _security(spec).get("runAsUser") == 0
    names = [c["name"] for c in _containers(spec) if _security(c).get("runAsUser") == 0]
    return ("runAsUser=0", f"{_setters(pod, names)} must not set runAsUser=0") if pod or names else None


def _unless(excused: Callable[[Obj], bool], check: Check) -> Check:
    return lambda meta, spec: None if excused(spec) else check(meta, spec)


class _Entry(NamedTuple):
    level: str
    id: str
    versions: tuple[tuple[int, Check], ...]
    overrides: str = ""


_B, _R = "baseline", "restricted"
_TABLE: tuple[_Entry, ...] = (
    _Entry(_B, "appArmorProfile", ((0, app_armor),)),
    _Entry(_B, "capabilities_baseline", ((0, capabilities_baseline),)),
    _Entry(_B, "hostNamespaces", ((0, host_namespaces),)),
    _Entry(_B, "hostPathVolumes", ((0, host_path),)),
    _Entry(_B, "hostPorts", ((0, host_ports),)),
    _Entry(_B, "hostProbesAndHostLifecycle", ((34, host_probes),)),
    _Entry(_B, "privileged", ((0, privileged),)),
    _Entry(_B, "procMount", ((0, proc_mount), (35, _unless(_own_users, proc_mount)))),
    _Entry(_B, "seLinuxOptions", ((0, selinux_0), (31, selinux_31))),
    _Entry(_B, "seccompProfile_baseline", ((0, seccomp_annotations), (19, seccomp_baseline))),
    _Entry(_B, "sysctls", tuple((since, _sysctls(allowed)) for since, allowed in _SYSCTLS.items())),
    _Entry(_B, "windowsHostProcess", ((0, host_process),)),
    _Entry(_R, "allowPrivilegeEscalation", ((8, privilege_escalation), (25, _unless(_windows, privilege_escalation)))),
    _Entry(
        _R, "capabilities_restricted", ((22, capabilities_restricted), (25, _unless(_windows, capabilities_restricted))),
        "capabilities_baseline",
    ),
    _Entry(_R, "procMount_restricted", ((35, proc_mount),), "procMount"),
    _Entry(_R, "restrictedVolumes", ((0, restricted_volumes),), "hostPathVolumes"),
    _Entry(_R, "runAsNonRoot", ((0, run_as_non_root), (35, _unless(_own_users, run_as_non_root)))),
    _Entry(_R, "runAsUser", ((23, run_as_user), (35, _unless(_own_users, run_as_user)))),
    _Entry(
        _R, "seccompProfile_restricted", ((19, seccomp_restricted), (25, _unless(_windows, seccomp_restricted))),
        "seccompProfile_baseline",
    ),
)  # fmt: skip
"""Baseline first, then restricted, each by id: the order of findings."""


def _build(level: str, version: int) -> tuple[Check, ...]:
    chosen: dict[str, Check] = {}
    overridden = set()
    for entry in _TABLE:
        if entry.level == _R and level == _B:
            continue
        fitting = [check for since, check in entry.versions if since <= version]
        if fitting:
            chosen[entry.id] = fitting[-1]
            overridden.add(entry.overrides)
    return tuple(check for id_, check in chosen.items() if id_ not in overridden)


_CHECKS: dict[tuple[str, int], tuple[Check, ...]] = {}


def evaluate(wanted: LevelVersion, meta: Obj, spec: Obj) -> list[Finding]:
    """What the level forbids about a pod, in order."""
    if wanted.level == "privileged":
        return []
    key = (wanted.level, min(wanted.version, CURRENT))
    checks = _CHECKS.get(key)
    if checks is None:
        checks = _CHECKS[key] = _build(*key)
    findings: list[Any] = [check(meta, spec) for check in checks]
    return [finding for finding in findings if finding is not None]


def reasons(findings: Sequence[Finding]) -> str:
    """`host namespaces, privileged`."""
    return ", ".join(reason for reason, _ in findings)


def details(findings: Sequence[Finding]) -> str:
    """`host namespaces (hostNetwork=true), privileged (container "c" …)`."""
    return ", ".join(f"{reason} ({detail})" if detail else reason for reason, detail in findings)
