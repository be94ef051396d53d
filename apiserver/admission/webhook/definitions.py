"""Webhooks of all configurations of one kind, compiled when a configuration changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apiserver.admission.expressions import Conditions
from apiserver.admission.interface import Attributes
from apiserver.admission.matching import Selectors, rule_matches
from apiserver.context import Lister, Obj
from kubepy.api.kinds import Resource

GROUP = "admissionregistration.k8s.io"


@dataclass(frozen=True, slots=True, eq=False)
class Webhook:
    """One webhook of one configuration."""

    uid: str
    """Configuration, name and place: what tells webhooks apart."""
    name: str
    spec: Obj
    selectors: Selectors
    conditions: Conditions

    @property
    def fails_closed(self) -> bool:
        """failurePolicy Fail, the default."""
        return bool(self.spec.get("failurePolicy", "Fail") != "Ignore")

    @property
    def timeout(self) -> int:
        """Seconds to wait for an answer."""
        return int(self.spec.get("timeoutSeconds") or 10)

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Whether a rule names such requests."""
        any_version = self.spec.get("matchPolicy", "Equivalent") == "Equivalent"
        return any(rule_matches(r, operation, resource, subresource, any_version=any_version) for r in self.spec.get("rules") or ())

    def match(self, a: Attributes, lister: Lister) -> bool:
        """Whether rules and selectors mean the request. Raises NotFound for a missing namespace."""
        return self.covers(a.operation, a.resource, a.subresource) and self.selectors.match(a, lister)


class Webhooks:
    """The webhooks of MutatingWebhookConfigurations or ValidatingWebhookConfigurations, configurations in order of their names."""

    def __init__(self, lister: Lister, plural: str) -> None:
        self._lister = lister
        self._plural = plural
        self._generation: int | None = None
        self._webhooks: Sequence[Webhook] = ()

    def all(self) -> Sequence[Webhook]:
        """Those in force now."""
        generation = self._lister.generation(GROUP, self._plural)
        if generation != self._generation:
            self._webhooks = [w for configuration in self._lister.list(GROUP, self._plural) for w in _of(configuration)]
            self._generation = generation
        return self._webhooks


def _of(configuration: Obj) -> list[Webhook]:
    own = configuration["metadata"]["name"]
    out = []
    for number, spec in enumerate(configuration.get("webhooks") or ()):
        name = spec.get("name", "")
        selectors = Selectors(spec.get("namespaceSelector"), spec.get("objectSelector"))
        out.append(Webhook(f"{own}/{name}/{number}", name, spec, selectors, Conditions(spec.get("matchConditions"))))
    return out
