"""Custom resources from one version to another: by renaming alone, or by the definition's webhook.

Upstream: apiextensions-apiserver pkg/apiserver/conversion.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Protocol

from apiserver.context import Obj
from kubepy.api.errors import StatusError

TIMEOUT = 30
"""Seconds a conversion webhook has."""
_KEPT = ("name", "namespace", "uid")
"""Metadata that a webhook may not change; of the rest only labels and annotations may."""


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
        kind = objs[0].get("kind", "")
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
        if answer.get("kind") != "ConversionReview" or not isinstance(response, dict):
            raise _failed(objs[0], "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview")
        if self._review == "v1" and response.get("uid") != uid:
            raise _failed(objs[0], f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
        result = response.get("result") or {}
        if result.get("status") != "Success":
            raise _failed(objs[0], result.get("message") or "response.result.status was not Success")
        converted = response.get("convertedObjects")
        if not isinstance(converted, list) or len(converted) != len(objs):
            raise _failed(objs[0], f"webhook returned {len(converted or ())} objects, expected {len(objs)}")
        out = []
        for i, (new, old) in enumerate(zip(converted, objs, strict=True)):
            if new.get("apiVersion") != api_version or new.get("kind") != kind:
                raise _failed(old, f"webhook returned invalid converted object at index {i}: invalid groupVersion or kind")
            out.append(_restored(new, old, i))
        return out


def _failed(obj: Obj, detail: str) -> StatusError:
    kind = f"{obj.get('apiVersion')}, Kind={obj.get('kind')}"
    return StatusError(f"conversion webhook for {kind} failed: {detail}", reason="", code=500)


def _restored(new: Obj, old: Obj, index: int) -> Obj:
    """The converted object with the metadata that webhooks may not touch."""
    meta, before = new.get("metadata"), old.get("metadata") or {}
    if not isinstance(meta, dict):
        raise _failed(old, f"webhook returned invalid metadata at index {index}: missing metadata in converted object")
    for key in _KEPT:
        if meta.get(key) != before.get(key):
            raise _failed(
                old, f"webhook returned invalid metadata at index {index}: must have the same {key}: {meta.get(key)} != {before.get(key)}"
            )
    kept = dict(before)
    for key in ("labels", "annotations"):
        kept.pop(key, None)
        if meta.get(key):
            kept[key] = meta[key]
    return {**new, "metadata": kept}
