"""KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1): profiles, extenders and the settings of the queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from kubepy.runtime.daemon import duration
from scheduler.extender import Extender
from scheduler.framework.podinfo import DEFAULT_SCHEDULER
from scheduler.profile import Profile, build
from scheduler.queue import INITIAL_BACKOFF, MAX_BACKOFF

Obj = dict[str, Any]
GROUP = "kubescheduler.config.k8s.io"


class ConfigurationError(ValueError):
    """The file is no configuration of a scheduler; str() says where."""


def _default_profiles() -> dict[str, Profile]:
    return {DEFAULT_SCHEDULER: build()}


@dataclass(frozen=True)
class Configuration:
    """What a scheduler is told by its file; back-offs in seconds, `qps` requests a second (None: no bound)."""

    profiles: Mapping[str, Profile] = field(default_factory=_default_profiles)
    initial_backoff: float = INITIAL_BACKOFF
    max_backoff: float = MAX_BACKOFF
    kubeconfig: str | None = None
    qps: float | None = None
    burst: int | None = None
    election: Mapping[str, Any] = field(default_factory=dict)


def load(path: str | Path) -> Configuration:
    """Read a configuration file. Raises ConfigurationError, OSError."""
    try:
        raw = yaml.safe_load(Path(path).read_text())
    except yaml.YAMLError as e:
        raise ConfigurationError(f"{path}: {e}") from e
    return parse(raw)


def parse(raw: Any) -> Configuration:
    """A configuration from its parsed file. Raises ConfigurationError.

    percentageOfNodesToScore and parallelism are accepted: all nodes are always looked at, as arrays.
    """
    if not isinstance(raw, dict) or raw.get("kind") != "KubeSchedulerConfiguration":
        raise ConfigurationError('no kind "KubeSchedulerConfiguration" is registered in the file')
    group, _, version = str(raw.get("apiVersion", "")).partition("/")
    if group != GROUP or version != "v1":
        raise ConfigurationError(f'no kind "KubeSchedulerConfiguration" is registered for version "{raw.get("apiVersion", "")}"')
    percentage = raw.get("percentageOfNodesToScore")
    if percentage is not None and not 0 <= percentage <= 100:
        raise ConfigurationError(f"percentageOfNodesToScore: Invalid value: {percentage}: not in valid range [0-100]")
    extenders = tuple(_extender(e) for e in raw.get("extenders") or ())
    if sum(e.binds for e in extenders) > 1:
        raise ConfigurationError("extenders: Invalid value: only one extender can implement bind")
    profiles: dict[str, Profile] = {}
    for i, p in enumerate(raw.get("profiles") or [{}]):
        name = p.get("schedulerName") or DEFAULT_SCHEDULER
        if name in profiles:
            raise ConfigurationError(f'profiles[{i}].schedulerName: Duplicate value: "{name}"')
        args = {c["name"]: c.get("args") or {} for c in p.get("pluginConfig") or ()}
        try:
            profiles[name] = replace(build(name, p.get("plugins"), args), extenders=extenders)
        except ValueError as e:
            raise ConfigurationError(f"profiles[{i}]: {e}") from e
    initial, most = raw.get("podInitialBackoffSeconds") or INITIAL_BACKOFF, raw.get("podMaxBackoffSeconds") or MAX_BACKOFF
    if most < initial:
        raise ConfigurationError(f"podMaxBackoffSeconds: Invalid value: {most}: must be greater than or equal to PodInitialBackoffSeconds")
    connection = raw.get("clientConnection") or {}
    return Configuration(
        profiles, float(initial), float(most), connection.get("kubeconfig") or None,
        connection.get("qps") or None, connection.get("burst") or None, raw.get("leaderElection") or {},
    )  # fmt: skip


def _extender(raw: Obj) -> Extender:
    if not raw.get("urlPrefix"):
        raise ConfigurationError("extenders: urlPrefix: Required value")
    tls = raw.get("tlsConfig") or {}
    if raw.get("prioritizeVerb") and int(raw.get("weight") or 0) <= 0:
        raise ConfigurationError(f"extenders: weight: Invalid value: {raw.get('weight')}: must have a positive weight applied to it")
    return Extender(
        url=raw["urlPrefix"],
        filter_verb=raw.get("filterVerb") or "",
        prioritize_verb=raw.get("prioritizeVerb") or "",
        bind_verb=raw.get("bindVerb") or "",
        weight=int(raw.get("weight") or 1),
        timeout=duration(raw["httpTimeout"]) if raw.get("httpTimeout") else 30.0,
        node_names_only=bool(raw.get("nodeCacheCapable")),
        ignorable=bool(raw.get("ignorable")),
        resources=frozenset(r["name"] for r in raw.get("managedResources") or ()),
        insecure=bool(tls.get("insecure")),
        ca=tls.get("caFile") or None,
    )
