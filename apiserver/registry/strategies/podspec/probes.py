"""Probes and lifecycle hooks: exactly one handler, sensible numbers.

Upstream: validateProbe, validateLifecycle, validateHandler.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors, non_negative, port, port_or_name
from kubepy.api import names
from kubepy.api.errors import forbidden_field, invalid, not_supported, required

_SCHEMES = ("HTTP", "HTTPS")
_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def container_probes(out: Errors, container: Obj, grace: int | None, path: str) -> None:
    """livenessProbe, readinessProbe and startupProbe of one container."""
    if (probe := container.get("livenessProbe")) is not None:
        _probe(out, probe, f"{path}.livenessProbe", once=True)
    if (probe := container.get("readinessProbe")) is not None:
        at = f"{path}.readinessProbe"
        _probe(out, probe, at, once=False)
        if (seconds := probe.get("terminationGracePeriodSeconds")) is not None:
            out.append(invalid(f"{at}.terminationGracePeriodSeconds", seconds, "must not be set for readinessProbes"))
    if (probe := container.get("startupProbe")) is not None:
        _probe(out, probe, f"{path}.startupProbe", once=True)


def _probe(out: Errors, probe: Obj, path: str, *, once: bool) -> None:
    _handler(out, probe, None, path, ("exec", "httpGet", "tcpSocket", "grpc"))
    for key in _NUMBERS:
        non_negative(out, probe, key, path)
    seconds = probe.get("terminationGracePeriodSeconds")
    if seconds is not None and seconds <= 0:
        out.append(invalid(f"{path}.terminationGracePeriodSeconds", seconds, "must be greater than 0"))
    if once and (threshold := probe.get("successThreshold", 0)) != 1:
        out.append(invalid(f"{path}.successThreshold", threshold, "must be 1"))


def lifecycle(out: Errors, value: Obj, grace: int | None, path: str) -> None:
    """postStart and preStop of one container; `grace` is the pod's terminationGracePeriodSeconds."""
    for key in ("postStart", "preStop"):
        if (hook := value.get(key)) is not None:
            _handler(out, hook, grace, f"{path}.{key}", ("exec", "httpGet", "tcpSocket", "sleep"))
    if (signal := value.get("stopSignal")) is not None and signal not in SIGNALS:
        out.append(not_supported(f"{path}.stopSignal", signal, sorted(SIGNALS)))


def _handler(out: Errors, handler: Obj, grace: int | None, path: str, kinds: tuple[str, ...]) -> None:
    count = 0
    for kind in kinds:
        action = handler.get(kind)
        if action is None:
            continue
        count += 1
        at = f"{path}.{kind}"
        if count > 1:
            out.append(forbidden_field(at, "may not specify more than 1 handler type"))
        elif kind == "exec":
            if not action.get("command"):
                out.append(required(f"{at}.command"))
        elif kind == "httpGet":
            _http(out, action, at)
        elif kind == "tcpSocket":
            port_or_name(out, action.get("port"), f"{at}.port")
        elif kind == "grpc":
            port(out, action.get("port"), f"{at}.port")
        else:
            _sleep(out, action.get("seconds", 0), grace, at)
    if not count:
        out.append(required(path, "must specify a handler type"))


def _http(out: Errors, action: Obj, path: str) -> None:
    if not action.get("path"):
        out.append(required(f"{path}.path"))
    port_or_name(out, action.get("port"), f"{path}.port")
    if (scheme := action.get("scheme") or "") not in _SCHEMES:
        out.append(not_supported(f"{path}.scheme", scheme, _SCHEMES))
    for header in action.get("httpHeaders") or ():
        name = header.get("name") or ""
        for m in names.http_header_name(name):
            out.append(invalid(f"{path}.httpHeaders", name, m))


def _sleep(out: Errors, seconds: int, grace: int | None, path: str) -> None:
    if grace is not None and not 0 <= seconds <= grace:
        out.append(invalid(path, seconds, f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"))


WINDOWS_SIGNALS = ("SIGKILL", "SIGTERM")
SIGNALS = (
    frozenset(
        f"SIG{s}"
        for s in [
            "ABRT",
            "ALRM",
            "BUS",
            "CHLD",
            "CLD",
            "CONT",
            "FPE",
            "HUP",
            "ILL",
            "INT",
            "IO",
            "IOT",
            "KILL",
            "PIPE",
            "POLL",
            "PROF",
            "PWR",
            "QUIT",
            "SEGV",
            "STKFLT",
            "STOP",
            "SYS",
            "TERM",
            "TRAP",
            "TSTP",
            "TTIN",
            "TTOU",
            "URG",
            "USR1",
            "USR2",
            "VTALRM",
            "WINCH",
            "XCPU",
            "XFSZ",
            "RTMIN",
            "RTMAX",
        ]
    )
    | {f"SIGRTMIN+{i}" for i in range(1, 16)}
    | {f"SIGRTMAX-{i}" for i in range(1, 15)}
)
"""Stop signals that a container may ask for (core/v1 Signal)."""
