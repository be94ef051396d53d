"""Where a client's server and identity come from: kubeconfig files, $KUBECONFIG, or the pod's service account."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ConfigError(ValueError):
    """A kubeconfig that cannot be used; the message says which part."""


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A credential plugin of a kubeconfig user (client.authentication.k8s.io ExecCredential)."""

    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    api_version: str = "client.authentication.k8s.io/v1"
    provide_cluster_info: bool = False
    install_hint: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """One server and one identity; PEM blocks are bytes, never paths, except a token file, which is read again when it changes."""

    server: str
    ca: bytes | None = field(default=None, repr=False)
    insecure: bool = False
    tls_server_name: str | None = None
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    exec_plugin: ExecPlugin | None = None
    impersonate: tuple[tuple[str, str], ...] = ()
    proxy: str | None = None
    namespace: str = "default"
    context: str = ""


def load(kubeconfig: str | Path | None = None, *, context: str | None = None, env: Mapping[str, str] | None = None) -> Config:
    """The configuration of a kubeconfig file; without one, of $KUBECONFIG, ~/.kube/config, or the pod this runs in.

    Several files in $KUBECONFIG are merged, the first to name a thing wins (client-go tools/clientcmd).
    Raises ConfigError when nothing usable is found.
    """
    env = os.environ if env is None else env
    if kubeconfig is not None:
        return from_files([Path(kubeconfig)], context=context, required=True)
    listed = [Path(p) for p in env.get("KUBECONFIG", "").split(os.pathsep) if p]
    if listed:
        return from_files(listed, context=context)
    if env.get("KUBERNETES_SERVICE_HOST") and (SERVICE_ACCOUNT / "token").exists():
        return in_cluster(env)
    home = Path(env.get("HOME") or "~").expanduser() / ".kube" / "config"
    if home.exists():
        return from_files([home], context=context)
    raise ConfigError("no configuration has been provided: neither a kubeconfig nor a service account was found")


def in_cluster(env: Mapping[str, str], root: Path = SERVICE_ACCOUNT) -> Config:
    """The configuration of a pod: KUBERNETES_SERVICE_HOST/PORT and the mounted service account."""
    host, port = env["KUBERNETES_SERVICE_HOST"], env.get("KUBERNETES_SERVICE_PORT", "443")
    if ":" in host:
        host = f"[{host}]"
    namespace = root / "namespace"
    return Config(
        server=f"https://{host}:{port}",
        ca=(root / "ca.crt").read_bytes(),
        token_file=root / "token",
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
    )


def from_files(paths: list[Path], *, context: str | None = None, required: bool = False) -> Config:
    """The configuration of one context (the current one by default) of the merged files."""
    current = ""
    merged: dict[str, dict[str, tuple[dict[str, Any], Path]]] = {"clusters": {}, "users": {}, "contexts": {}}
    for path in paths:
        if not path.exists():
            if required:
                raise ConfigError(f"kubeconfig {path}: no such file")
            continue
        try:
            doc = yaml.safe_load(path.read_text()) or {}
        except yaml.YAMLError as e:
            raise ConfigError(f"kubeconfig {path}: {e}") from e
        if not isinstance(doc, dict):
            raise ConfigError(f"kubeconfig {path}: not a mapping")
        current = current or doc.get("current-context") or ""
        for section, entries in merged.items():
            for entry in doc.get(section) or []:
                entries.setdefault(entry["name"], (entry.get(section[:-1]) or {}, path.parent))
    name = context or current
    if not name and len(merged["contexts"]) == 1:
        name = next(iter(merged["contexts"]))
    if name not in merged["contexts"]:
        raise ConfigError(f'context "{name}" does not exist' if name else "the kubeconfig has no current-context")
    chosen = merged["contexts"][name][0]
    cluster, cluster_dir = _entry(merged, "clusters", chosen.get("cluster", ""))
    user, user_dir = _entry(merged, "users", chosen["user"]) if chosen.get("user") else ({}, cluster_dir)
    if not cluster.get("server"):
        raise ConfigError(f'cluster "{chosen.get("cluster", "")}" names no server')
    token_file = user.get("tokenFile")
    return Config(
        server=cluster["server"].rstrip("/"),
        ca=_pem(cluster, cluster_dir, "certificate-authority"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        tls_server_name=cluster.get("tls-server-name"),
        certificate=_pem(user, user_dir, "client-certificate"),
        key=_pem(user, user_dir, "client-key"),
        token=user.get("token"),
        token_file=user_dir / token_file if token_file else None,
        username=user.get("username"),
        password=user.get("password"),
        exec_plugin=_exec(user.get("exec")),
        impersonate=_impersonate(user),
        proxy=cluster.get("proxy-url"),
        namespace=chosen.get("namespace") or "default",
        context=name,
    )


def _entry(merged: dict[str, dict[str, tuple[dict[str, Any], Path]]], section: str, name: str) -> tuple[dict[str, Any], Path]:
    if name not in merged[section]:
        raise ConfigError(f'{section[:-1]} "{name}" does not exist')
    return merged[section][name]


def _pem(entry: dict[str, Any], directory: Path, what: str) -> bytes | None:
    """Inline data goes before a file, as in client-go; file paths are relative to the kubeconfig."""
    if data := entry.get(f"{what}-data"):
        return base64.b64decode(data)
    if path := entry.get(what):
        try:
            return Path(directory, path).read_bytes()
        except OSError as e:
            raise ConfigError(f"unable to read {what} {path}: {e.strerror}") from e
    return None


def _exec(spec: dict[str, Any] | None) -> ExecPlugin | None:
    if not spec:
        return None
    return ExecPlugin(
        command=spec["command"],
        args=tuple(spec.get("args") or ()),
        env=tuple((e["name"], e["value"]) for e in spec.get("env") or ()),
        api_version=spec.get("apiVersion", "client.authentication.k8s.io/v1"),
        provide_cluster_info=bool(spec.get("provideClusterInfo")),
        install_hint=spec.get("installHint") or "",
    )


def _impersonate(user: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    out: list[tuple[str, str]] = []
    if name := user.get("as"):
        out.append(("Impersonate-User", name))
    if uid := user.get("as-uid"):
        out.append(("Impersonate-Uid", uid))
    out += [("Impersonate-Group", g) for g in user.get("as-groups") or ()]
    out += [(f"Impersonate-Extra-{key}", v) for key, values in (user.get("as-user-extra") or {}).items() for v in values]
    return tuple(out)
