"""ValidatingWebhookConfigurations and MutatingWebhookConfigurations.

Upstream: pkg/apis/admissionregistration/validation, apiserver pkg/util/webhook/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable

from apiserver.context import Obj
from apiserver.registry.strategies import admissionrules as rules
from apiserver.registry.strategies.checks import Errors, label_selector, named
from apiserver.registry.strategies.common import both
from apiserver.registry.strategy import Strategy
from apiserver.registry.webhookclient import check_service, check_url
from kubepy.api import names
from kubepy.api.errors import duplicate, invalid, not_supported, required

_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_REINVOCATION = ("IfNeeded", "Never")
_REVIEWS = ("v1", "v1beta1")
_MAX_TIMEOUT = 30


def _client(out: Errors, client: Obj, path: str) -> None:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        out.append(required(path, "exactly one of url or service is required"))
    elif url is not None:
        out.extend(check_url(f"{path}.url", url))
    else:
        out.extend(check_service(f"{path}.service", service or {}))


def _webhook(out: Errors, hook: Obj, path: str, mutating: bool) -> None:
    name = hook.get("name") or ""
    at = f"{path}.name"
    if not name:
        out.append(required(at))
    elif problems := names.dns1123_subdomain(name):
        out.extend(invalid(at, name, m) for m in problems)
    elif name.count(".") < 2:
        out.append(invalid(at, name, "should be a domain with at least three segments separated by dots"))
    for i, rule in enumerate(hook.get("rules") or ()):
        rules.rule(out, rule, f"{path}.rules[{i}]")
    for key, supported in (("failurePolicy", rules.FAILURE_POLICIES), ("matchPolicy", rules.MATCH_POLICIES)):
        value = hook.get(key)
        if value is not None and value not in supported:
            out.append(not_supported(f"{path}.{key}", value, supported))
    effects = hook.get("sideEffects")
    if effects is None:
        out.append(required(f"{path}.sideEffects", f"must specify one of {', '.join(_SIDE_EFFECTS)}"))
    elif effects not in _SIDE_EFFECTS:
        out.append(not_supported(f"{path}.sideEffects", effects, _SIDE_EFFECTS))
    timeout = hook.get("timeoutSeconds")
    if timeout is not None and not 1 <= timeout <= _MAX_TIMEOUT:
        out.append(invalid(f"{path}.timeoutSeconds", timeout, f"the timeout value must be between 1 and {_MAX_TIMEOUT} seconds"))
    for key in ("namespaceSelector", "objectSelector"):
        label_selector(out, hook.get(key), f"{path}.{key}")
    if mutating:
        again = hook.get("reinvocationPolicy")
        if again is not None and again not in _REINVOCATION:
            out.append(not_supported(f"{path}.reinvocationPolicy", again, _REINVOCATION))
    _client(out, hook.get("clientConfig") or {}, f"{path}.clientConfig")
    rules.match_conditions(out, hook.get("matchConditions") or [], rules.WEBHOOK_ENVIRONMENT, f"{path}.matchConditions")
    _reviews(out, hook.get("admissionReviewVersions") or [], f"{path}.admissionReviewVersions")


def _reviews(out: Errors, versions: list[str], path: str) -> None:
    if not versions:
        out.append(required(path, f"must specify one of {', '.join(_REVIEWS)}"))
        return
    for i, version in enumerate(versions):
        if version in versions[:i]:
            out.append(invalid(f"{path}[{i}]", version, "duplicate version"))
            continue
        named(out, version, f"{path}[{i}]", names.dns1035_label)
    if not any(v in _REVIEWS for v in versions):
        out.append(invalid(path, versions, f"must include at least one of {', '.join(_REVIEWS)}"))


def _configuration(mutating: bool) -> Callable[[Errors, Obj, Obj | None], None]:
    def validate(out: Errors, new: Obj, _old: Obj | None) -> None:
        seen: set[str] = set()
        for i, hook in enumerate(new.get("webhooks") or ()):
            path = f"webhooks[{i}]"
            _webhook(out, hook, path, mutating)
            if (name := hook.get("name", "")) in seen:
                out.append(duplicate(f"{path}.name", name))
            seen.add(name)

    return validate


VALIDATING = Strategy(allow_unconditional_update=False, **both(_configuration(False)))
MUTATING = Strategy(allow_unconditional_update=False, **both(_configuration(True)))
