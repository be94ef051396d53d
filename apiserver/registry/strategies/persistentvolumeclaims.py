"""PersistentVolumeClaims, and the claims that pods and StatefulSets bring with them.

Upstream: ValidatePersistentVolumeClaim*, pkg/registry/core/persistentvolumeclaim, pkg/api/persistentvolumeclaim.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.context import Obj
from apiserver.registry.strategies import goform, resources
from apiserver.registry.strategies.checks import Errors, annotation_set, label_selector, labels, named
from apiserver.registry.strategies.common import STATUS_RESET, both, checked, copy, keep_status, with_status
from kubepy.api import names
from kubepy.api.errors import forbidden_field, invalid, not_supported, required
from kubepy.api.quantity import Quantity, parse
from kubepy.api.usage import is_native

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_RESIZE = ("ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending")
_NO_METADATA = "cannot be set"
_IMMUTABLE = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def access_modes(out: Errors, modes: Sequence[str], path: str) -> None:
    """Known modes; ReadWriteOncePod only alone."""
    for mode in modes:
        if mode not in ACCESS_MODES:
            out.append(not_supported(f"{path}.accessModes", mode, ACCESS_MODES))
    if "ReadWriteOncePod" in modes and any(m != "ReadWriteOncePod" and m in ACCESS_MODES for m in modes):
        out.append(forbidden_field(f"{path}.accessModes", "may not use ReadWriteOncePod with other access modes"))


def template(out: Errors, value: Obj, path: str) -> None:
    """A PersistentVolumeClaimTemplate: metadata may hold labels and annotations only."""
    meta = value.get("metadata") or {}
    annotation_set(out, meta.get("annotations"), f"{path}.metadata.annotations")
    labels(out, meta.get("labels"), f"{path}.metadata.labels")
    out.extend(forbidden_field(f"{path}.metadata.{k}", _NO_METADATA) for k, v in meta.items() if v and k not in ("labels", "annotations"))
    spec(out, value.get("spec") or {}, f"{path}.spec")


def spec(out: Errors, value: Obj, path: str, any_group: bool = False, any_selector: bool = False) -> None:
    """A PersistentVolumeClaimSpec; the flags tolerate what the stored object has wrong already."""
    modes = value.get("accessModes") or ()
    if not modes:
        out.append(required(f"{path}.accessModes", "at least 1 access mode is required"))
    label_selector(out, value.get("selector"), f"{path}.selector", any_selector)
    access_modes(out, modes, path)
    at = f"{path}.resources[storage]"
    size = ((value.get("resources") or {}).get("requests") or {}).get("storage")
    if size is None:
        out.append(required(at))
    elif parse(size).nanos <= 0:
        out.append(invalid(at, str(parse(size)), "must be greater than zero"))
    else:
        resources.quantity_value(out, "storage", size, at)
    if name := value.get("storageClassName"):
        named(out, name, f"{path}.storageClassName", names.dns1123_subdomain)
    if (mode := value.get("volumeMode")) is not None and mode not in VOLUME_MODES:
        out.append(not_supported(f"{path}.volumeMode", mode, VOLUME_MODES))
    source, ref = value.get("dataSource"), value.get("dataSourceRef")
    for key, found in (("dataSource", source), ("dataSourceRef", ref)):
        if found is not None:
            _data_source(out, found, f"{path}.{key}", any_group)
    if ref is not None and ref.get("namespace"):
        if source is not None:
            out.append(invalid(path, {}, "may not be specified when dataSourceRef.namespace is specified"))
    elif source is not None and ref is not None and any(source.get(k) != ref.get(k) for k in ("apiGroup", "kind", "name")):
        out.append(invalid(path, {}, "must match dataSourceRef"))
    if name := value.get("volumeAttributesClassName"):
        named(out, name, f"{path}.volumeAttributesClassName", names.dns1123_subdomain)


def _data_source(out: Errors, source: Obj, path: str, any_group: bool) -> None:
    group, kind = source.get("apiGroup") or "", source.get("kind") or ""
    out.extend(required(f"{path}.{k}") for k in ("name", "kind") if not source.get(k))
    if not group and kind != "PersistentVolumeClaim":
        out.append(invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup"))
    if group and not any_group:
        named(out, group, f"{path}.apiGroup", names.dns1123_subdomain)
    if namespace := source.get("namespace"):
        named(out, namespace, f"{path}.namespace", names.dns1123_label)


def _same_sources(value: Obj) -> None:
    """dataSource and dataSourceRef mirror each other where either alone is given (NormalizeDataSources)."""
    source, ref = value.get("dataSource"), value.get("dataSourceRef")
    if ref is not None and ref.get("namespace"):
        return
    if source is not None and ref is None:
        value["dataSourceRef"] = dict(source)
    elif ref is not None and source is None:
        value["dataSource"] = {k: v for k, v in ref.items() if k != "namespace"}


def _prepare(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending"}
    value = obj.get("spec") or {}
    _drop_sources(value, {})
    _same_sources(value)


def _drop_sources(value: Obj, old: Obj) -> None:
    """References to other namespaces are behind a gate that is off; old clients' dataSource may be of two kinds only."""
    if (value.get("dataSourceRef") or {}).get("namespace") and old.get("dataSourceRef") is None:
        del value["dataSourceRef"]
    source = value.get("dataSource")
    if source is not None and value.get("dataSourceRef") is None and old.get("dataSource") is None and not _known_source(source):
        del value["dataSource"]


def _known_source(source: Obj) -> bool:
    """Old clients' dataSource may only be a claim or a snapshot; others are dropped."""
    group, kind = source.get("apiGroup") or "", source.get("kind")
    return (not group and kind == "PersistentVolumeClaim") or (group == "snapshot.storage.k8s.io" and kind == "VolumeSnapshot")


def _prepare_update(new: Obj, old: Obj) -> None:
    keep_status(new, old)
    _drop_sources(new.get("spec") or {}, old.get("spec") or {})
    _same_sources(new.get("spec") or {})


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    any_group = any_selector = False
    if old is not None:
        before = old["spec"]
        any_group = any((before.get(k) or {}).get("apiGroup") is not None for k in ("dataSource", "dataSourceRef"))
        wrong: Errors = []
        label_selector(wrong, before.get("selector"), "")
        any_selector = bool(wrong)
    spec(out, new.get("spec") or {}, "spec", any_group, any_selector)
    if old is not None:
        _changes(out, new, old)


def _storage(obj: Obj) -> Quantity:
    text = ((obj["spec"].get("resources") or {}).get("requests") or {}).get("storage")
    return parse(text) if text is not None else resources.ZERO


def _changes(out: Errors, new: Obj, old: Obj) -> None:
    ours, theirs = {**new["spec"]}, {**old["spec"]}
    if not theirs.get("volumeName"):
        copy(theirs, ours, "volumeName")
    notes, old_notes = new["metadata"].get("annotations") or {}, old["metadata"].get("annotations") or {}
    name, old_name = ours.get("storageClassName"), theirs.get("storageClassName")
    by_note = BETA_CLASS in old_notes and old_name is None and name == old_notes[BETA_CLASS]
    if by_note and notes.get(BETA_CLASS, name) == name:
        ours.pop("storageClassName", None)
    else:
        if notes.get(BETA_CLASS, "") != old_notes.get(BETA_CLASS, ""):
            at = f"metadata.annotations.{BETA_CLASS}"
            out.append(invalid(at, notes.get(BETA_CLASS, ""), "field is immutable"))
        if name is not None and old_name is None and old_notes.get(BETA_CLASS, name) == name:
            ours.pop("storageClassName", None)
    if (new.get("status") or {}).get("phase") == "Bound":
        requests = (ours.get("resources") or {}).get("requests")
        if requests is not None:
            size = ((theirs.get("resources") or {}).get("requests") or {}).get("storage")
            ours["resources"] = {**ours["resources"], "requests": {**requests, "storage": size}}
        if ours.get("volumeAttributesClassName") is not None:
            copy(ours, theirs, "volumeAttributesClassName")
    if ours != theirs:
        text = f"{_IMMUTABLE}\n{goform.diff('PersistentVolumeClaimSpec', theirs, ours)}"
        out.append(forbidden_field("spec", text))
    if (size_now := _storage(new)) < _storage(old):
        bound = ((old.get("status") or {}).get("capacity") or {}).get("storage")
        if size_now <= (parse(bound) if bound is not None else resources.ZERO):
            out.append(forbidden_field("spec.resources.requests.storage", "field can not be less than status.capacity"))
    if new["spec"].get("volumeMode") != old["spec"].get("volumeMode"):
        out.append(invalid("volumeMode", new["spec"].get("volumeMode"), "field is immutable"))
    before, after = old["spec"].get("volumeAttributesClassName"), new["spec"].get("volumeAttributesClassName")
    if before is not None and before != after:
        at = "spec.volumeAttributesClassName"
        if after is None:
            out.append(forbidden_field(at, "update from non-nil value to nil is forbidden"))
        elif not after:
            out.append(forbidden_field(at, "update from non-nil value to an empty string is forbidden"))


def _validate_status(out: Errors, new: Obj, _old: Obj) -> None:
    if not new["spec"].get("accessModes"):
        out.append(required("Spec.accessModes"))
    status = new.get("status") or {}
    for name, text in (status.get("capacity") or {}).items():
        basic_amount(out, text, f"status.capacity[{name}]")
    for name, value in (status.get("allocatedResourceStatuses") or {}).items():
        _resource_key(out, name, "status.allocatedResourceStatuses")
        if value not in _RESIZE:
            out.append(not_supported("status.allocatedResourceStatuses", name, sorted(_RESIZE)))
    for name, text in (status.get("allocatedResources") or {}).items():
        before = len(out)
        _resource_key(out, name, "status.allocatedResources")
        if len(out) == before:
            basic_amount(out, text, f"status.allocatedResources[{name}]")


def basic_amount(out: Errors, text: str, path: str) -> None:
    """An amount whose whole units are not negative (validateBasicResource)."""
    if (units := parse(text).value()) < 0:
        out.append(invalid(path, units, "must be a valid resource quantity"))


def _resource_key(out: Errors, name: str, path: str) -> None:
    before = len(out)
    named(out, name, path, names.qualified_name)
    if len(out) == before and is_native(name) and name != "storage":
        out.append(not_supported(path, name, ("storage",)))


def spec_warnings(value: Obj, path: str) -> list[str]:
    """Sizes that are no whole number of bytes."""
    out = []
    for key in ("requests", "limits"):
        text = ((value.get("resources") or {}).get(key) or {}).get("storage")
        if text is not None and parse(text).milli_value() % 1000:
            out.append(f'{path}.resources.{key}[storage]: fractional byte value "{parse(text)}" is invalid, must be an integer')
    return out


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    out: list[str] = []
    if old is None and BETA_CLASS in (new["metadata"].get("annotations") or {}):
        out.append(f'metadata.annotations[{BETA_CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead')
    return out + spec_warnings(new.get("spec") or {}, "spec")


STRATEGY = with_status(
    prepare=_prepare,
    prepare_update=_prepare_update,
    warnings=_warnings,
    has_generation=False,
    status_meta=tuple(k for k in STATUS_RESET if k not in ("labels", "annotations", "finalizers", "ownerReferences")),
    status_validate_update=checked(_validate_status),
    **both(_validate),
)
