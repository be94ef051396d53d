"""AdmissionReview: the question put to a webhook, and the checks on its answer (webhook/request/admissionreview.go)."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass, field
from typing import Any

import orjson

from apiserver.admission.expressions import request_value
from apiserver.admission.interface import Attributes
from apiserver.admission.webhook.response import kind_of
from apiserver.context import Obj
from apiserver.rest.gojson import problem
from kubepy.api.errors import StatusError
from kubepy.api.patch.errors import go_kind

API = "admission.k8s.io"
_VERSIONS = ("v1", "v1beta1")


class ReviewError(Exception):
    """The answer is not one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook says; `patch` is a list of JSON patch operations, or None."""

    allowed: bool
    result: Obj | None = None
    patch: Any = None
    patch_text: str = ""
    audit: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def question(a: Attributes, versions: list[str]) -> Obj:
    """The review in the first version that both sides know. Raises ReviewError."""
    version = next((v for v in versions if v in _VERSIONS), None)
    if version is None:
        raise ReviewError("webhook does not accept known AdmissionReview versions (v1, v1beta1)")
    value = request_value(a)
    request: Obj = {"uid": str(uuid.uuid4()), "kind": value["kind"], "resource": value["resource"]}
    if a.subresource:
        request["subResource"] = a.subresource
    request["requestKind"], request["requestResource"] = value["requestKind"], value["requestResource"]
    if a.subresource:
        request["requestSubResource"] = a.subresource
    for key in ("name", "namespace"):
        if value[key]:
            request[key] = value[key]
    request["operation"] = a.operation
    user = value["userInfo"]
    request["userInfo"] = {key: user[key] for key in user if user[key]}
    kind = value["kind"]
    request["object"] = _with_kind(a.obj, kind) if a.operation != "DELETE" else None
    request["oldObject"] = _with_kind(a.old, kind)
    request["dryRun"] = a.ctx.dry_run
    request["options"] = _options(a)
    return {"kind": "AdmissionReview", "apiVersion": f"{API}/{version}", "request": request}


_OPTION_KINDS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


def _options(a: Attributes) -> Obj | None:
    kind = _OPTION_KINDS.get(a.operation)
    return {"kind": kind, "apiVersion": "meta.k8s.io/v1", **a.options} if kind else None


def _with_kind(obj: Obj | None, kind: dict[str, str]) -> Obj | None:
    if obj is None or ("kind" in obj and "apiVersion" in obj):
        return obj
    version = f"{kind['group']}/{kind['version']}" if kind["group"] else kind["version"]
    return {"kind": kind["kind"], "apiVersion": version, **obj}


def answer(review: Obj, sent: Obj, *, mutating: bool) -> Answer:
    """The answer, checked. Raises ReviewError."""
    response = review.get("response")
    if not isinstance(response, dict):
        raise _invalid("webhook response was absent")
    if sent["apiVersion"] == f"{API}/v1":
        if response.get("uid") != sent["request"]["uid"]:
            raise _invalid(f'expected response.uid="{sent["request"]["uid"]}", got "{response.get("uid", "")}"')
        if kind_of(review) != kind_of(sent):
            raise _invalid(f"expected webhook response of {kind_of(sent)}, got {kind_of(review)}")
        _check_patch_type(response, mutating)
    operations, text = None, ""
    if mutating and response.get("patch"):
        raw = base64.b64decode(response["patch"])
        operations, text = _operations(raw), raw.decode("utf-8", "replace")
    return Answer(
        bool(response.get("allowed")),
        response.get("status"),
        operations,
        text,
        dict(response.get("auditAnnotations") or {}),
        tuple(str(w) for w in response.get("warnings") or ()),
    )


def _invalid(text: str) -> ReviewError:
    return ReviewError(f"received invalid webhook response: {text}")


def _operations(raw: bytes) -> Any:
    try:
        operations: Any = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ReviewError(f"received undecodable patch in webhook response: {problem(raw) or error}") from None
    if not isinstance(operations, list):
        text = f"json: cannot unmarshal {go_kind(operations)} into Go value of type jsonpatch.Patch"
        raise ReviewError(f"received undecodable patch in webhook response: {text}")
    return operations


def _check_patch_type(response: Obj, mutating: bool) -> None:
    patch, kind = response.get("patch"), response.get("patchType")
    if not mutating:
        if patch:
            raise _invalid("validating webhook may not return response.patch")
        if kind is not None:
            raise _invalid("validating webhook may not return response.patchType")
    elif patch and kind is None:
        raise _invalid("webhook returned response.patch but not response.patchType")
    elif kind is not None and not patch:
        raise _invalid("webhook returned response.patchType but not response.patch")
    elif kind not in (None, "JSONPatch"):
        raise ReviewError(f'unsupported patch type "{kind}"')


def refusal(name: str, result: Obj | None) -> StatusError:
    """The error that a webhook's `allowed: false` becomes (webhook/errors/statuserror.go)."""
    result = result or {}
    denied = f'admission webhook "{name}" denied the request'
    if result.get("message"):
        text = f"{denied}: {result['message']}"
    elif result.get("reason"):
        text = f"{denied}: {result['reason']}"
    else:
        text = f"{denied} without explanation"
    code = int(result.get("code") or 0)
    return StatusError(text, details=result.get("details"), reason=result.get("reason") or "", code=code if code >= 400 else 400)
