"""The PodSecurity plugin: which pods and pod templates are looked at, and what is said of them."""

from __future__ import annotations

from apiserver.admission.interface import Attributes, Tools
from apiserver.admission.plugin import CREATE, UPDATE, BasePlugin, deny
from apiserver.admission.podsecurity.checks import details, evaluate, reasons
from apiserver.admission.podsecurity.policy import LevelVersion, Policy, policy_of, stricter
from apiserver.context import Obj
from kubepy.api import meta
from kubepy.api.errors import InternalError, Invalid
from kubepy.api.kinds import Resource

_TEMPLATES: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "replicationcontrollers"): ("spec", "template"),
    ("", "podtemplates"): ("template",),
    ("apps", "replicasets"): ("spec", "template"),
    ("apps", "deployments"): ("spec", "template"),
    ("apps", "statefulsets"): ("spec", "template"),
    ("apps", "daemonsets"): ("spec", "template"),
    ("batch", "jobs"): ("spec", "template"),
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
}
"""Where kinds that make pods hold their template."""
_IGNORED = frozenset(("exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"))
_MAX_PODS = 3000
"""Pods of a namespace that are looked at when its level changes."""


class PodSecurity(BasePlugin):
    """Upstream: plugin/pkg/admission/security/podsecurity over k8s.io/pod-security-admission."""

    name = "PodSecurity"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._generation: int | None = None
        self._policies: dict[str, Policy] = {}

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Pods, kinds with pod templates, and namespaces, when written."""
        if operation not in (CREATE, UPDATE):
            return False
        key = (resource.group, resource.plural)
        if key == ("", "pods"):
            return subresource not in _IGNORED
        return subresource == "" and (key == ("", "namespaces") or key in _TEMPLATES)

    def handles(self, a: Attributes) -> bool:
        """Nothing to do where a namespace sets no level."""
        return a.resource.plural == "namespaces" or not self._policy(a.namespace).fully_privileged

    async def validate(self, a: Attributes) -> None:
        """Raises Forbidden, Invalid; warns and annotates the audit event."""
        assert a.obj is not None
        if a.resource.plural == "namespaces":
            self._namespace(a)
            return
        policy = self._policy(a.namespace)
        if a.resource.plural == "pods":
            if self.lister.get("", "namespaces", None, a.namespace) is None:
                raise InternalError.of(f'failed to lookup namespace "{a.namespace}"')
            if a.operation == UPDATE and a.old is not None and not _significant(a.obj, a.old):
                return
            self._evaluate(a, policy, a.obj["metadata"], a.obj["spec"], enforce=True)
            return
        template: Obj | None = a.obj
        for part in _TEMPLATES[a.resource.group, a.resource.plural]:
            template = (template or {}).get(part)
        if template and (policy.warn.level != "privileged" or policy.audit.level != "privileged"):
            self._evaluate(a, policy, template.get("metadata") or {}, template.get("spec") or {}, enforce=False)

    def _policy(self, namespace: str) -> Policy:
        generation = self.lister.generation("", "namespaces")
        if generation != self._generation:
            self._policies.clear()
            self._generation = generation
        policy = self._policies.get(namespace)
        if policy is None:
            found = self.lister.get("", "namespaces", None, namespace)
            policy = self._policies[namespace] = policy_of(meta.labels(found) if found else {})[0]
        return policy

    def _evaluate(self, a: Attributes, policy: Policy, metadata: Obj, spec: Obj, *, enforce: bool) -> None:
        known = {}
        if enforce:
            a.ctx.audit["pod-security.kubernetes.io/enforce-policy"] = str(policy.enforce)
            known[policy.enforce] = evaluate(policy.enforce, metadata, spec)
        if policy.audit not in known:
            known[policy.audit] = evaluate(policy.audit, metadata, spec)
        if known[policy.audit]:
            text = f'would violate PodSecurity "{policy.audit}": {details(known[policy.audit])}'
            a.ctx.audit["pod-security.kubernetes.io/audit-violations"] = text
        if enforce and known[policy.enforce]:
            raise deny(a, f'violates PodSecurity "{policy.enforce}": {details(known[policy.enforce])}')
        if policy.warn not in known:
            known[policy.warn] = evaluate(policy.warn, metadata, spec)
        if known[policy.warn]:
            a.ctx.warn(f'would violate PodSecurity "{policy.warn}": {details(known[policy.warn])}')

    def _namespace(self, a: Attributes) -> None:
        assert a.obj is not None
        new, errors = policy_of(meta.labels(a.obj))
        old, old_errors = policy_of(meta.labels(a.old)) if a.old is not None else (Policy(), [])
        if errors and errors != old_errors:
            raise Invalid.of("", "Namespace", meta.name(a.obj), errors)
        if a.operation == CREATE or new.enforce in (old.enforce, LevelVersion("privileged", new.enforce.version)):
            return
        if new.enforce.version == old.enforce.version and not stricter(new.enforce.level, old.enforce.level):
            return
        self._existing_pods(a, meta.name(a.obj), new.enforce)

    def _existing_pods(self, a: Attributes, namespace: str, level: LevelVersion) -> None:
        """Warn of pods that are there already and would not be let in any more."""
        pods = _one_per_controller(list(self.lister.list("", "pods", namespace)))
        if len(pods) > _MAX_PODS:
            a.ctx.warn(f"new PodSecurity enforce level only checked against the first {_MAX_PODS} of {len(pods)} existing pods")
        seen: dict[str, list[str]] = {}
        for pod in pods[:_MAX_PODS]:
            findings = evaluate(level, pod["metadata"], pod["spec"])
            if findings:
                seen.setdefault(reasons(findings), []).append(meta.name(pod))
        if not seen:
            return
        a.ctx.warn(f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{level}"')
        for text in sorted(_summary(names, reason) for reason, names in seen.items()):
            a.ctx.warn(text)


def _summary(names: list[str], reason: str) -> str:
    others = len(names) - 1
    more = "" if not others else " (and 1 other pod)" if others == 1 else f" (and {others} other pods)"
    return f"{min(names)}{more}: {reason}"


def _one_per_controller(pods: list[Obj]) -> list[Obj]:
    """All pods, those first that are alone or the first of their controller: replicas look alike."""
    first, rest, seen = [], [], set()
    for pod in pods:
        owner = meta.controller_of(pod)
        if owner is None or owner.get("uid") not in seen:
            first.append(pod)
        else:
            rest.append(pod)
        if owner is not None:
            seen.add(owner.get("uid"))
    return first + rest


def _significant(new: Obj, old: Obj) -> bool:
    """Whether an update brings a container or an image that was not looked at yet."""
    for field in ("containers", "initContainers"):
        ours, theirs = new["spec"].get(field) or [], old["spec"].get(field) or []
        if len(ours) != len(theirs) or any(a.get("image") != b.get("image") for a, b in zip(ours, theirs, strict=True)):
            return True
    before = {c["name"]: c for c in old["spec"].get("ephemeralContainers") or ()}
    return any(
        c["name"] not in before or c.get("image") != before[c["name"]].get("image") for c in new["spec"].get("ephemeralContainers") or ()
    )
