"""THE table of controllers: upstream's name → the module and function that register it. Modules load when first needed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from controllers.context import Context

Start = Callable[[Context], None]

CONTROLLERS: dict[str, str] = {
    "serviceaccount-controller": "controllers.serviceaccount:start_default",
    "root-ca-certificate-publisher-controller": "controllers.serviceaccount:start_root_ca",
    "namespace-controller": "controllers.namespace:start",
    "replicaset-controller": "controllers.replicaset:start_replicaset",
    "replicationcontroller-controller": "controllers.replicaset:start_replication",
    "deployment-controller": "controllers.deployment:start",
    "endpoints-controller": "controllers.endpoints:start",
    "endpointslice-controller": "controllers.endpointslice:start",
    "endpointslice-mirroring-controller": "controllers.endpointslice:start_mirroring",
    "node-ipam-controller": "controllers.nodes.ipam:start",
    "node-lifecycle-controller": "controllers.nodes.lifecycle:start",
    "taint-eviction-controller": "controllers.nodes.eviction:start",
    "ttl-controller": "controllers.nodes.ttl:start",
    "pod-garbage-collector-controller": "controllers.nodes.podgc:start",
    # Last: it follows what the others watch, without a second copy.
    "garbage-collector-controller": "controllers.garbage:start",
}

DISABLED_BY_DEFAULT = frozenset(("bootstrap-signer-controller", "token-cleaner-controller"))


def selected(spec: list[str]) -> list[str]:
    """The names that --controllers chooses: `*` for all that are on by default, `x` to add, `-x` to leave out.

    A name may come with or without its `-controller` ending. Raises ValueError for an unknown one.
    """
    wanted = {_canonical(s) for s in spec if s != "*" and not s.startswith("-")}
    unwanted = {_canonical(s[1:]) for s in spec if s.startswith("-")}
    if "*" in spec:
        wanted |= CONTROLLERS.keys() - DISABLED_BY_DEFAULT
    return [name for name in CONTROLLERS if name in wanted and name not in unwanted]


def _canonical(name: str) -> str:
    for candidate in (name, f"{name}-controller"):
        if candidate in CONTROLLERS:
            return candidate
    raise ValueError(f'"{name}" is not in the list of known controllers')


def load(name: str) -> Start:
    """The function that registers a controller."""
    module, _, function = CONTROLLERS[name].partition(":")
    found: Start = getattr(import_module(module), function)
    return found
