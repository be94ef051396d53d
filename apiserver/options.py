"""Command line of the API server: flags named as kube-apiserver's, grouped, checked before anything starts. Does no I/O but argparse's."""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NODE_PORTS = (30000, 32767)


@dataclass(slots=True)
class Options:
    """The settings of one API server, after the flags' defaults."""

    bind_address: str = "0.0.0.0"
    secure_port: int = 6443
    advertise_address: str = ""
    data_dir: Path = Path("/var/lib/kubepy")
    tls_cert_file: Path | None = None
    tls_private_key_file: Path | None = None
    client_ca_file: Path | None = None
    requestheader_client_ca_file: Path | None = None
    tls_sans: tuple[str, ...] = ()
    component_health: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    etcd_servers: tuple[str, ...] = ()
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    etcd_compaction_interval: float = 300.0
    event_ttl: float = 3600.0
    token_auth_file: Path | None = None
    anonymous_auth: bool = True
    authorization_mode: tuple[str, ...] = ("Node", "RBAC")
    service_account_issuer: tuple[str, ...] = ("https://kubernetes.default.svc",)
    service_account_key_file: tuple[Path, ...] = ()
    service_account_signing_key_file: Path | None = None
    api_audiences: tuple[str, ...] = ()
    service_account_max_token_expiration: float = 0.0
    service_account_extend_token_expiration: bool = True
    service_account_jwks_uri: str = ""
    enable_bootstrap_token_auth: bool = True
    oidc_issuer_url: str = ""
    oidc_client_id: str = ""
    oidc_username_claim: str = "sub"
    oidc_username_prefix: str = ""
    oidc_groups_claim: str = ""
    oidc_groups_prefix: str = ""
    oidc_ca_file: str = ""
    enable_admission_plugins: tuple[str, ...] = ()
    disable_admission_plugins: tuple[str, ...] = ()
    admission_control_config_file: Path | None = None
    service_cluster_ip_range: tuple[str, ...] = ("10.96.0.0/16",)
    service_node_port_range: tuple[int, int] = NODE_PORTS
    kubelet_client_certificate: Path | None = None
    kubelet_client_key: Path | None = None
    kubelet_certificate_authority: Path | None = None
    kubelet_preferred_address_types: tuple[str, ...] = ("InternalIP", "ExternalIP", "Hostname")
    proxy_client_cert_file: Path | None = None
    proxy_client_key_file: Path | None = None
    max_requests_inflight: int = 400
    max_mutating_requests_inflight: int = 200
    min_request_timeout: float = 1800.0
    request_timeout: float = 60.0
    shutdown_delay_duration: float = 0.0
    audit_log_path: str = ""
    audit_policy_file: Path | None = None
    log_format: str = "text"
    v: int = 0
    runtime_config: dict[str, str] = field(default_factory=dict)
    feature_gates: dict[str, bool] = field(default_factory=dict)


def duration(text: str) -> float:
    """Seconds of a Go duration such as 1h30m, 500ms, 0."""
    if text == "0":
        return 0.0
    units = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
    total, number, unit = 0.0, "", ""
    seen = False
    for char in text + "0":
        if char.isdigit() or char == ".":
            if unit:
                if unit not in units or not number:
                    raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 90s, 5m or 1h30m")
                total += float(number) * units[unit]
                number, unit, seen = "", "", True
            number += char
        else:
            unit += char
    if not seen or number != "0":
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 90s, 5m or 1h30m")
    return total


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(Path(part) for part in _listed(text))


def _port(text: str) -> int:
    if text.isdigit() and 0 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port between 0 and 65535")


def _ports(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if first.isdigit() and last.isdigit() and 0 < int(first) <= int(last) <= 65535:
        return int(first), int(last)
    raise argparse.ArgumentTypeError(f"{text!r} is not a range of ports such as 30000-32767")


def _networks(text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(part, strict=False)) for part in _listed(text))
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"{text!r}: {e}") from None


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from None


def _truth(text: str) -> bool:
    if text.lower() in ("true", "1", "t"):
        return True
    if text.lower() in ("false", "0", "f"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def _pairs(text: str) -> dict[str, str]:
    out = {}
    for part in _listed(text):
        key, sep, value = part.partition("=")
        if not sep:
            raise argparse.ArgumentTypeError(f"{part!r} is not of the form key=value")
        out[key] = value
    return out


def _gates(text: str) -> dict[str, bool]:
    return {key: _truth(value) for key, value in _pairs(text).items()}


def parser() -> argparse.ArgumentParser:
    """The parser; its defaults are those of `Options`."""
    p = argparse.ArgumentParser(
        prog="python -m apiserver",
        description="Serve the Kubernetes API. Without --etcd-servers the state is kept in DATA_DIR, in an embedded store.",
        allow_abbrev=False,
    )
    defaults = Options()

    def group(title: str) -> Any:
        made = p.add_argument_group(title)

        def add(flag: str, kind: Any, meta: str, text: str) -> None:
            default = getattr(defaults, flag.replace("-", "_"))
            shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
            if flag == "service-node-port-range":
                shown = "-".join(map(str, NODE_PORTS))
            suffix = f" (default {shown})" if shown not in (None, "", 0, 0.0, {}) else ""
            extra: dict[str, Any] = {"nargs": "?", "const": True} if kind is _truth else {}
            made.add_argument(f"--{flag}", type=kind, metavar=meta, default=default, help=text.replace("%", "%%") + suffix, **extra)

        return add

    add = group("Generic")
    add("data-dir", Path, "DIR", "certificates, kubeconfigs and the embedded store live here")
    add("advertise-address", _address, "IP", "address that members of the cluster reach this server by; default: found by itself")
    add("max-requests-inflight", int, "N", "non-mutating requests served at once")
    add("max-mutating-requests-inflight", int, "N", "mutating requests served at once")
    add("min-request-timeout", _seconds, "SECONDS", "a watch lasts at least so long unless the client says otherwise")
    add("request-timeout", duration, "DURATION", "a request that is not long-running must be done by then")
    add("shutdown-delay-duration", duration, "DURATION", "keep serving so long after SIGTERM, with readyz failing")
    add("runtime-config", _pairs, "KEY=VALUE,...", "accepted for compatibility; the served APIs are fixed")
    add("feature-gates", _gates, "KEY=BOOL,...", "accepted for compatibility; unknown gates are ignored")
    add("component-health", _pairs, "NAME=URL,...", "where scheduler and controller-manager tell their health; default: upstream's ports")
    add("workers", int, "N", "processes that share the port; more than one needs --etcd-servers")
    add("v", int, "LEVEL", "verbosity of the log")
    add("log-format", str, "FORMAT", "text or json")

    add = group("Secure serving")
    add("bind-address", str, "IP", "listen on this address")
    add("secure-port", _port, "PORT", "listen on this port; 0: any free one, printed at start")
    add("tls-cert-file", Path, "FILE", "serving certificate; default: made under DATA_DIR/pki")
    add("tls-private-key-file", Path, "FILE", "its key")
    add("tls-sans", _listed, "NAMES", "further names and addresses for the certificate that is made")

    add = group("Storage")
    add("etcd-servers", _listed, "URLS", "keep the state in etcd instead of the embedded store")
    add("etcd-cafile", str, "FILE", "CA of etcd's certificates")
    add("etcd-certfile", str, "FILE", "client certificate for etcd")
    add("etcd-keyfile", str, "FILE", "its key")
    add("etcd-compaction-interval", duration, "DURATION", "history older than this is forgotten; 0: never")
    add("event-ttl", duration, "DURATION", "how long Events are kept")

    add = group("Authentication")
    add("anonymous-auth", _truth, "BOOL", "requests without credentials are those of system:anonymous")
    add("client-ca-file", Path, "FILE", "CAs of client certificates; default: DATA_DIR/pki/ca.crt")
    add("requestheader-client-ca-file", Path, "FILE", "CA of aggregating proxies; default: DATA_DIR/pki/front-proxy-ca.crt")
    add("token-auth-file", Path, "FILE", 'static tokens: lines of token,user,uid[,"group1,group2"]')
    add("enable-bootstrap-token-auth", _truth, "BOOL", "accept tokens of bootstrap.kubernetes.io/token secrets")
    add("service-account-issuer", _listed, "URLS", "issuer of service-account tokens; further ones are accepted as well")
    add("service-account-key-file", _paths, "FILES", "public keys that verify service-account tokens; default: DATA_DIR/pki/sa.pub")
    add("service-account-signing-key-file", Path, "FILE", "key that signs them; default: DATA_DIR/pki/sa.key")
    add("service-account-max-token-expiration", duration, "DURATION", "longest life of a requested token; 0: no limit")
    add("service-account-extend-token-expiration", _truth, "BOOL", "tokens injected into pods outlive their kubelet's renewal")
    add("service-account-jwks-uri", str, "URL", "overrides the URL of the key set in the discovery document")
    add("api-audiences", _listed, "NAMES", "audiences a token must name; default: the issuer")
    add("oidc-issuer-url", str, "URL", "accept ID tokens of this OpenID Connect issuer")
    add("oidc-client-id", str, "ID", "the audience of these tokens")
    add("oidc-username-claim", str, "CLAIM", "claim that names the user")
    add("oidc-username-prefix", str, "TEXT", "goes before user names; default: the issuer's URL and #, but for the claim email")
    add("oidc-groups-claim", str, "CLAIM", "claim that names the groups")
    add("oidc-groups-prefix", str, "TEXT", "goes before group names")
    add("oidc-ca-file", str, "FILE", "CA of the issuer's certificate")

    add = group("Authorization and admission")
    add("authorization-mode", _listed, "MODES", "any of AlwaysAllow, AlwaysDeny, Node, RBAC, in the order to ask")
    add("enable-admission-plugins", _listed, "NAMES", "plugins to enable besides the default ones")
    add("disable-admission-plugins", _listed, "NAMES", "plugins to disable")
    add("admission-control-config-file", Path, "FILE", "configuration of plugins")
    add("audit-log-path", str, "FILE", "write audit events there; -: to standard output")
    add("audit-policy-file", Path, "FILE", "what to audit")

    add = group("Cluster")
    add("service-cluster-ip-range", _networks, "CIDR", "range of ClusterIPs; one of each family for dual stack")
    add("service-node-port-range", _ports, "RANGE", "range of NodePorts")
    add("kubelet-client-certificate", Path, "FILE", "certificate towards kubelets; default: DATA_DIR/pki/kubelet-client.crt")
    add("kubelet-client-key", Path, "FILE", "its key")
    add("kubelet-certificate-authority", Path, "FILE", "CA of kubelets' serving certificates; default: they are not checked")
    add("kubelet-preferred-address-types", _listed, "TYPES", "which of a node's addresses to use")
    add("proxy-client-cert-file", Path, "FILE", "certificate towards aggregated API servers; default: DATA_DIR/pki/front-proxy-client.crt")
    add("proxy-client-key-file", Path, "FILE", "its key")
    return p


def _seconds(text: str) -> float:
    return float(text) if text.replace(".", "", 1).isdigit() else duration(text)


def parse(argv: Sequence[str] | None = None) -> Options:
    """Options from the command line; exits with a message when they are wrong."""
    p = parser()
    found = Options(**vars(p.parse_args(argv)))
    problem = _check(found)
    if problem:
        p.error(problem)
    return found


def _check(o: Options) -> str:
    if (o.tls_cert_file is None) != (o.tls_private_key_file is None):
        return "--tls-cert-file and --tls-private-key-file go together"
    if not o.authorization_mode:
        return "--authorization-mode needs at least one mode"
    for mode in o.authorization_mode:
        if mode not in ("AlwaysAllow", "AlwaysDeny", "Node", "RBAC"):
            return f"--authorization-mode: {mode!r} is not one of AlwaysAllow, AlwaysDeny, Node, RBAC"
    if not 1 <= len(o.service_cluster_ip_range) <= 2:
        return "--service-cluster-ip-range takes one range, or one of each family"
    families = {ipaddress.ip_network(n).version for n in o.service_cluster_ip_range}
    if len(families) != len(o.service_cluster_ip_range):
        return "--service-cluster-ip-range: two ranges must be of different families"
    if o.workers < 1:
        return "--workers must be at least 1"
    if o.workers > 1 and not o.secure_port:
        return "--workers above 1 needs a fixed --secure-port"
    if o.workers > 1 and not o.etcd_servers:
        return "--workers above 1 needs --etcd-servers: the embedded store belongs to one process"
    if o.token_auth_file is not None and not o.token_auth_file.is_file():
        return f"--token-auth-file: {o.token_auth_file} is not a file"
    if o.log_format not in ("text", "json"):
        return "--log-format is text or json"
    if o.enable_admission_plugins or o.disable_admission_plugins:
        from apiserver.admission.chain import problem_with

        if problem := problem_with(o.enable_admission_plugins, o.disable_admission_plugins):
            return problem
    if bool(o.oidc_issuer_url) != bool(o.oidc_client_id):
        return "--oidc-issuer-url and --oidc-client-id go together"
    return ""
