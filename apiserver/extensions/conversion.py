"""Custom resources from one version to another: by renaming alone, or by the definition's webhook.

Upstream: apiextensions-apiserver pkg/apiserver/conversion.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Protocol

from apiserver.admission.webhook.response import kind_of
from apiserver.context import Obj
from apiserver.registry import objectmeta
from kubepy.api.errors import StatusError
from kubepy.api.patch.errors import go_kind

TIMEOUT = 30
"""Seconds a conversion webhook has."""
_KEPT = {"name": "name", "namespace": "namespace", "uid": "UID"}
"""Metadata that a webhook may not change, and what it is called."""
_CHANGEABLE = ("labels", "annotations")
"""All that it may; the rest is put back."""


class Poster(Protocol):
    """Sends ConversionReviews (apiserver.admission.webhook.client.WebhookClient)."""

    async def post(self, config: Obj, review: Obj, seconds: int) -> Obj:
        """The answer's body; raises an exception whose text says what went wrong."""


class Converter:
    """Converts the objects of one definition."""

    def __init__(self, crd: Obj, poster: Poster | None) -> None:
        conversion = (crd.get("spec") or {}).get("conversion") or {}
        webhook = conversion.get("webhook") or {}
        self._config: Obj | None = webhook.get("clientConfig") if conversion.get("strategy") == "Webhook" else None
        reviewed: Sequence[str] = webhook.get("conversionReviewVersions") or ()
        self._review = next((v for v in reviewed if v in ("v1", "v1beta1")), "v1")
        self._poster = poster
        self._name = crd["metadata"]["name"]
        self._group = (crd.get("spec") or {}).get("group", "")

    @property
    def renames(self) -> bool:
        """Whether conversion only changes apiVersion."""
        return self._config is None

    async def convert(self, objs: Sequence[Obj], api_version: str) -> list[Obj]:
        """The objects in that version, in order; those in it already are returned as they are. Raises StatusError (500)."""
        if self._config is None:
            return [o if o.get("apiVersion") == api_version else {**o, "apiVersion": api_version} for o in objs]
        foreign = [o for o in objs if o.get("apiVersion") != api_version]
        if not foreign:
            return list(objs)
        done = iter(await self._ask(self._config, foreign, api_version))
        return [o if o.get("apiVersion") == api_version else next(done) for o in objs]

    async def _ask(self, config: Obj, objs: list[Obj], api_version: str) -> list[Obj]:
        uid = str(uuid.uuid4())
        review = {
            "kind": "ConversionReview",
            "apiVersion": f"apiextensions.k8s.io/{self._review}",
            "request": {"uid": uid, "desiredAPIVersion": api_version, "objects": objs},
        }
        if self._poster is None:
            raise _failed(objs[0], "no webhook client")
        try:
            answer = await self._poster.post(config, review, TIMEOUT)
        except StatusError:
            raise
        except Exception as e:
            raise _failed(objs[0], str(e)) from e
        response: Any = answer.get("response")
        # The older reviews never said what they are.
        if self._review == "v1" and kind_of(answer) != kind_of(review):
            raise _failed(objs[0], f"expected webhook response of {kind_of(review)}, got {kind_of(answer)}")
        if not isinstance(response, dict):
            raise _failed(objs[0], "no response provided")
        if self._review == "v1" and response.get("uid") != uid:
            raise _failed(objs[0], f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
        result = response.get("result") or {}
        if result.get("status") != "Success":
            raise _failed(objs[0], result.get("message") or f"response.result.status was '{result.get('status', '')}', not 'Success'")
        converted = response.get("convertedObjects") or []
        if len(converted) != len(objs):
            raise _wrong(objs[0], f"{len(converted)} objects, expected {len(objs)}")
        return [_checked(new, old, api_version) for new, old in zip(converted, objs, strict=True)]


def _failed(obj: Obj, detail: str) -> StatusError:
    kind = f"{obj.get('apiVersion')}, Kind={obj.get('kind')}"
    return StatusError(f"conversion webhook for {kind} failed: {detail}", reason="", code=500)


def _wrong(obj: Obj, detail: str) -> StatusError:
    kind = f"{obj.get('apiVersion')}, Kind={obj.get('kind')}"
    return StatusError(f"conversion webhook for {kind} returned {detail}", reason="", code=500)


def _checked(new: Any, old: Obj, api_version: str) -> Obj:
    """The converted object with the metadata that webhooks may not touch. Raises StatusError."""
    if not isinstance(new, dict):
        text = f"json: cannot unmarshal {go_kind(new)} into Go value of type map[string]interface {{}}"
        raise StatusError(text, reason="", code=500)
    if new.get("apiVersion") != api_version:
        detail = f"invalid groupVersion (expected {api_version}, received {new.get('apiVersion', '')})"
        raise _wrong(old, f"invalid object at index 0: {detail}")
    if new.get("kind") != old.get("kind"):
        raise _wrong(old, f"invalid object at index 0: invalid kind (expected {old.get('kind')}, received {new.get('kind', '')})")
    meta, before = new.get("metadata"), old.get("metadata") or {}
    for key, shown in _KEPT.items():
        then, now = before.get(key, ""), meta.get(key, "") if isinstance(meta, dict) else ""
        if then != now:
            raise _wrong(old, f"invalid object: must have the same {shown}: {then} != {now}")
    if not isinstance(meta, dict):
        raise _wrong(old, "invalid metadata: missing metadata in converted object")
    kept = {key: value for key, value in before.items() if key not in _CHANGEABLE}
    for key in _CHANGEABLE:
        if meta.get(key) is not None:
            kept[key] = _marks(key, meta[key], before.get(key), old)
    return {**new, "metadata": kept}


def _marks(field: str, found: Any, before: Any, old: Obj) -> Any:
    """Labels or annotations as converted, which must be right where they are new."""
    if not isinstance(found, dict):
        raise _wrong(old, f"invalid metadata: invalid metadata.{field} of type {_GO_TYPES[go_kind(found)]} in converted object")
    for key, value in found.items():
        if not isinstance(value, str):
            kind = _GO_TYPES[go_kind(value)]
            raise _wrong(old, f"invalid metadata: metadata.{field}[{key}] must be a string, but is {kind} in converted object")
    if found != (before or {}):
        wrong = (
            objectmeta.label_errors({field: found})
            if field == "labels"
            else objectmeta.annotation_errors({field: found}, "metadata.annotation")
        )
        if wrong:
            texts = list(dict.fromkeys(map(str, wrong)))
            raise _wrong(old, f"invalid metadata: {texts[0] if len(texts) == 1 else '[' + ', '.join(texts) + ']'}")
    return found


_GO_TYPES = {
    "bool": "bool", "null": "<nil>", "string": "string", "number": "int64", "array": "[]interface {}", "object": "map[string]interface {}",
}  # fmt: skip
