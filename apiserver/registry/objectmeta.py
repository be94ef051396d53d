"""ObjectMeta as the server keeps it: what it sets, what it wipes, and the checks common to all kinds.

Upstream: apiserver pkg/registry/rest/meta.go, apimachinery pkg/api/validation/objectmeta.go.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.context import Context, Obj
from kubepy.api import errors, names
from kubepy.api.errors import FieldError

ANNOTATIONS_LIMIT = 256 * 1024
IMMUTABLE = "field is immutable"
_IMMUTABLE: tuple[tuple[str, str | None], ...] = (
    ("name", ""),
    ("namespace", ""),
    ("uid", ""),
    ("creationTimestamp", None),
    ("deletionTimestamp", None),
    ("deletionGracePeriodSeconds", None),
)
_OPERATIONS = ("Apply", "Update")
_SUBRESOURCE_LIMIT = 256


def timestamp(seconds: float | None = None) -> str:
    """A metav1.Time (whole seconds, UTC) of a Unix time, or of now."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def unix(text: str) -> float:
    """The Unix time of a metav1.Time."""
    return dt.datetime.fromisoformat(text).timestamp()


def new_uid() -> str:
    """A random (version 4) UUID; a third of the cost of uuid.uuid4()."""
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    h = raw.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def wipe_system_fields(meta: Obj) -> None:
    """Drop what only the server may set when an object is created."""
    for key in ("creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        meta.pop(key, None)


def fill_system_fields(meta: Obj) -> None:
    """Set creationTimestamp and uid; make a name from generateName where there is none."""
    meta["creationTimestamp"] = timestamp()
    meta["uid"] = new_uid()
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = names.generate(meta["generateName"], random.choice)


def match_namespace(obj: Obj, expected: str) -> None:
    """Fill in the request's namespace; raises BadRequest when the object names another one."""
    meta = obj.get("metadata")
    if meta is None:
        meta = obj["metadata"] = {}
    found = meta.get("namespace") or ""
    if found == expected:
        return
    if not found:
        meta["namespace"] = expected
    elif not expected:
        meta.pop("namespace", None)
    else:
        raise errors.BadRequest("the namespace of the provided object does not match the namespace sent on the request")


def dedup_owner_references(ctx: Context, meta: Obj, *, after_admission: bool) -> None:
    """Drop owner references that repeat another one exactly, with a warning."""
    refs = meta.get("ownerReferences")
    if not refs or len(refs) < 2:
        return
    kept: list[Any] = []
    repeated: list[str] = []
    for ref in refs:
        if ref in kept:
            repeated.append(ref.get("uid", ""))
        else:
            kept.append(ref)
    if not repeated:
        return
    meta["ownerReferences"] = kept
    uids = ", ".join(repeated)
    if after_admission:
        ctx.warn(
            ".metadata.ownerReferences contains duplicate entries after mutating admission happens; API server dedups owner references "
            "in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: " + uids
        )
    else:
        ctx.warn(
            ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such "
            "requests as early as 1.24; please fix your requests; duplicate UID(s) observed: " + uids
        )


def validate_create(meta: Mapping[str, Any], namespaced: bool, check: names.NameCheck, *, content: bool = True) -> list[FieldError]:
    """Everything about the metadata of an object about to be stored, its name by the kind's own rule `check`.

    Without `content` labels, annotations, owners and ownership are known to be right: no other rule about them differs.
    """
    out: list[FieldError] = []
    generate = meta.get("generateName")
    if generate:
        out += [errors.invalid("metadata.generateName", generate, m) for m in check(generate, True)]
    name = meta.get("name")
    if not name:
        out.append(errors.required("metadata.name", "name or generateName is required"))
    else:
        out += [errors.invalid("metadata.name", name, m) for m in check(name, False)]
    namespace = meta.get("namespace")
    if namespaced:
        if not namespace:
            out.append(errors.required("metadata.namespace"))
        else:
            out += [errors.invalid("metadata.namespace", namespace, m) for m in names.dns1123_label(namespace)]
    elif namespace:
        out.append(errors.forbidden_field("metadata.namespace", "not allowed on this type"))
    if (generation := meta.get("generation", 0)) < 0:
        out.append(errors.invalid("metadata.generation", generation, "must be greater than or equal to 0"))
    if content:
        out += label_errors(meta)
        out += annotation_errors(meta)
        out += _owners(meta)
        out += _finalizers(meta)
        out += _managed(meta)
    return out


def validate_update(new: Mapping[str, Any], old: Mapping[str, Any], *, content: bool = True) -> list[FieldError]:
    """What an update may not change (ValidateObjectMetaAccessorUpdate); `content` as above."""
    out: list[FieldError] = []
    if old.get("deletionTimestamp"):
        extra = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if extra:
            shown = ", ".join(errors.go_value(f) for f in extra)
            out.append(
                errors.forbidden_field(
                    "metadata.finalizers",
                    f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}",
                )
            )
    if not new.get("resourceVersion"):
        out.append(errors.invalid("metadata.resourceVersion", new.get("resourceVersion", ""), "must be specified for an update"))
    if new.get("generation", 0) < old.get("generation", 0):
        out.append(errors.invalid("metadata.generation", new.get("generation", 0), "must not be decremented"))
    for key, absent in _IMMUTABLE:
        if new.get(key) != old.get(key):
            out.append(errors.invalid(f"metadata.{key}", new.get(key, absent), IMMUTABLE))
    if content:
        out += label_errors(new)
        out += annotation_errors(new)
        out += _owners(new)
        out += _managed(new)
    return out


def label_errors(meta: Mapping[str, Any]) -> list[FieldError]:
    labels = meta.get("labels")
    if not labels:
        return []
    out: list[FieldError] = []
    for key, value in labels.items():
        out += [errors.invalid("metadata.labels", key, m) for m in names.qualified_name(key)]
        out += [errors.invalid("metadata.labels", value, m) for m in names.label_value(value)]
    return out


def annotation_errors(meta: Mapping[str, Any], field: str = "metadata.annotations") -> list[FieldError]:
    annotations = meta.get("annotations")
    if not annotations:
        return []
    out: list[FieldError] = []
    size = 0
    for key, value in annotations.items():
        size += len(key.encode()) + len(value.encode())
        out += [errors.invalid(field, key, m) for m in names.qualified_name(key.lower())]
    if size > ANNOTATIONS_LIMIT:
        out.append(errors.too_long(field, ANNOTATIONS_LIMIT))
    return out


_OWNER_FIELDS = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")


def _owners(meta: Mapping[str, Any]) -> list[FieldError]:
    refs: Sequence[Mapping[str, Any]] = meta.get("ownerReferences") or ()
    path = "metadata.ownerReferences"
    out: list[FieldError] = []
    controller = ""
    shown = [{k: ref[k] for k in _OWNER_FIELDS if ref.get(k) is not None} for ref in refs]
    for ref in shown:
        version = ref.get("apiVersion", "")
        if version.count("/") > 1 or not version.rpartition("/")[2]:
            out.append(errors.invalid(f"{path}.apiVersion", version, "version must not be empty"))
        out += [errors.invalid(f"{path}.{key}", "", "must not be empty") for key in ("kind", "name", "uid") if not ref.get(key)]
        if version == "v1" and ref.get("kind") == "Event":
            out.append(errors.invalid(path, ref, "/v1, Kind=Event is disallowed from being an owner"))
        if ref.get("controller"):
            this = f"{ref.get('kind', '')}/{ref.get('name', '')}"
            if controller:
                text = f'Only one reference can have Controller set to true. Found "true" in references for {controller} and {this}'
                out.append(errors.invalid(path, shown, text))
            else:
                controller = this
    return out


def _finalizers(meta: Mapping[str, Any]) -> list[FieldError]:
    finalizers: Sequence[str] = meta.get("finalizers") or ()
    out = [errors.invalid("metadata.finalizers", f, m) for f in finalizers for m in names.qualified_name(f)]
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        out.append(errors.invalid("metadata.finalizers", finalizers, "finalizer orphan and foregroundDeletion cannot be both set"))
    return out


_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\xa0\xad]")


def field_manager_errors(path: str, manager: str) -> list[FieldError]:
    """Length and characters of a field manager's name."""
    out: list[FieldError] = []
    if len(manager.encode()) > 128:
        out.append(errors.too_long(path, 128))
    for at, char in enumerate(manager):
        if not char.isprintable() or _UNPRINTABLE.match(char):
            shown = f"U+{ord(char):04X}" + (f" '{char}'" if char.isprintable() else "")
            out.append(errors.invalid(path, manager, f"invalid character {shown} (at position {len(manager[:at].encode())})"))
    return out


def _managed(meta: Mapping[str, Any]) -> list[FieldError]:
    out: list[FieldError] = []
    for i, entry in enumerate(meta.get("managedFields") or ()):
        path = f"metadata.managedFields[{i}]"
        operation = entry.get("operation")
        if not operation:
            out.append(errors.required(f"{path}.operation", "must not be empty"))
        elif operation not in _OPERATIONS:
            out.append(errors.not_supported(f"{path}.operation", operation, _OPERATIONS))
        if (kind := entry.get("fieldsType", "")) and kind != "FieldsV1":
            out.append(errors.invalid(f"{path}.fieldsType", kind, "must be `FieldsV1`"))
        out += field_manager_errors(f"{path}.manager", entry.get("manager", ""))
        if len(entry.get("subresource", "")) > _SUBRESOURCE_LIMIT:
            out.append(errors.too_long(f"{path}.subresource", _SUBRESOURCE_LIMIT))
    return out
