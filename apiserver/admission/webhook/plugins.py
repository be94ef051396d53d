"""MutatingAdmissionWebhook and ValidatingAdmissionWebhook: who is asked, in which order, and what failures mean."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from apiserver.admission.expressions import Scope
from apiserver.admission.interface import Attributes, Tools
from apiserver.admission.matching import is_exempt
from apiserver.admission.plugin import BasePlugin, deny
from apiserver.admission.reinvocation import replace_object, state_of
from apiserver.admission.webhook.client import WebhookClient
from apiserver.admission.webhook.definitions import Webhook, Webhooks
from apiserver.admission.webhook.response import CallError
from apiserver.admission.webhook.review import Answer, ReviewError, answer, question, refusal
from kubepy.api.cel.values import CelError
from kubepy.api.errors import BadRequest, InternalError, StatusError
from kubepy.api.kinds import Resource
from kubepy.api.patch.errors import PatchError
from kubepy.api.patch.json import apply_json_patch

_HARMLESS = ("None", "NoneOnDryRun")


class _Failure(Exception):
    """A webhook gave no usable answer; failurePolicy decides what that means."""


class _WebhookPlugin(BasePlugin):
    plural = ""
    mutating = False
    audit_prefix = ""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._webhooks = Webhooks(tools.lister, self.plural)
        self.client = WebhookClient(tools.lister)

    async def close(self) -> None:
        """Close connections."""
        await self.client.close()

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Everything but the configuration of admission itself."""
        return not is_exempt(resource)

    def handles(self, a: Attributes) -> bool:
        """Only where a webhook's rules name such a request."""
        return any(w.covers(a.operation, a.resource, a.subresource) for w in self._webhooks.all())

    def _relevant(self, a: Attributes) -> list[tuple[int, Webhook]]:
        """Webhooks that mean the request. Raises StatusError."""
        return [(n, w) for n, w in enumerate(self._webhooks.all()) if w.match(a, self.lister)]

    def _conditions_hold(self, a: Attributes, webhook: Webhook) -> bool:
        if not webhook.conditions:
            return True
        try:
            scope, budget = Scope(self.tools, a).bind()
            return webhook.conditions.match(scope, budget)
        except CelError as error:
            if not webhook.fails_closed:
                return False
            raise deny(a, str(error)) from None

    async def _ask(self, a: Attributes, webhook: Webhook) -> Answer:
        """The webhook's answer. Raises StatusError when it refuses, _Failure when it cannot be asked."""
        if a.ctx.dry_run and webhook.spec.get("sideEffects") not in _HARMLESS:
            raise BadRequest(f'admission webhook "{webhook.name}" does not support dry run')
        try:
            sent = question(a, webhook.spec.get("admissionReviewVersions") or [])
        except ReviewError as error:
            raise _Failure(f"could not create admission objects: {error}") from error
        try:
            received = await self.client.post(webhook.spec.get("clientConfig") or {}, sent, webhook.timeout)
        except CallError as error:
            raise _Failure(f"failed to call webhook: {error}") from error
        try:
            found = answer(received, sent, mutating=self.mutating)
        except ReviewError as error:
            raise _Failure(str(error)) from error
        for key, value in found.audit.items():
            a.ctx.audit[f"{webhook.name}/{key}"] = str(value)
        for warning in found.warnings:
            a.ctx.warn(warning)
        if not found.allowed:
            raise refusal(webhook.name, found.result)
        return found

    def _failed(self, a: Attributes, webhook: Webhook, key: str, error: _Failure) -> StatusError | None:
        """The error to answer with, or None where the webhook fails open."""
        if webhook.fails_closed:
            return InternalError.of(f'failed calling webhook "{webhook.name}": {error}')
        a.ctx.audit[f"failed-open.{self.audit_prefix}{key}"] = webhook.name
        return None


class MutatingAdmissionWebhook(_WebhookPlugin):
    """Upstream: pkg/admission/plugin/webhook/mutating."""

    name = "MutatingAdmissionWebhook"
    plural = "mutatingwebhookconfigurations"
    mutating = True
    audit_prefix = "mutation.webhook.admission.k8s.io/"

    async def admit(self, a: Attributes) -> None:
        """Ask one after the other, each seeing what the one before it did. Raises StatusError."""
        state = state_of(a)
        for number, webhook in self._relevant(a):
            reinvoke = webhook.spec.get("reinvocationPolicy") == "IfNeeded"
            key = (self.name, webhook.uid)
            if not state.should_run(key, reinvoke) or not self._conditions_hold(a, webhook):
                continue
            place = f"round_{state.round}_index_{number}"
            try:
                changed = await self._call(a, webhook, place)
            except _Failure as failure:
                error = self._failed(a, webhook, place, failure)
                if error is not None:
                    raise error from failure
                continue
            state.ran(key, changed, reinvoke=reinvoke)

    async def _call(self, a: Attributes, webhook: Webhook, place: str) -> bool:
        found = await self._ask(a, webhook)
        changed = False
        if found.patch:
            if a.obj is None or a.operation == "DELETE":
                text = f'admission webhook "{webhook.name}" attempted to modify the object, which is not supported for this operation'
                raise InternalError.of(text)
            try:
                patched: Any = apply_json_patch(a.obj, found.patch)
            except PatchError as error:
                raise InternalError.of(error.detail) from error
            changed = replace_object(self.tools, a, patched)
        configuration = webhook.uid.partition("/")[0]
        note = {"configuration": configuration, "webhook": webhook.name, "mutated": changed}
        a.ctx.audit[f"{self.audit_prefix}{place}"] = json.dumps(note, separators=(",", ":"))
        return changed


class ValidatingAdmissionWebhook(_WebhookPlugin):
    """Upstream: pkg/admission/plugin/webhook/validating."""

    name = "ValidatingAdmissionWebhook"
    plural = "validatingwebhookconfigurations"
    audit_prefix = "validating.webhook.admission.k8s.io/"

    async def validate(self, a: Attributes) -> None:
        """Ask all at once; the first refusal counts. Raises StatusError."""
        asked = [(n, w) for n, w in self._relevant(a) if self._conditions_hold(a, w)]
        if not asked:
            return
        results = await asyncio.gather(*(self._ask(a, w) for _, w in asked), return_exceptions=True)
        for (number, webhook), result in zip(asked, results, strict=True):
            if isinstance(result, _Failure):
                error = self._failed(a, webhook, f"round_0_index_{number}", result)
                if error is not None:
                    raise error from result
            elif isinstance(result, BaseException):
                raise result
