"""Field ownership: what a write does to metadata.managedFields, and server-side apply. Pure; the caller gives the time.

Upstream: apimachinery pkg/util/managedfields/internal/*.go over structured-merge-diff merge/update.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from kubepy.api.errors import BadRequest, Conflict, StatusError
from kubepy.api.patch import fieldset, managers, typed
from kubepy.api.patch.fieldset import EMPTY, FieldSet, difference, intersection, union
from kubepy.api.patch.managers import Entry, ManagerId, Managers, Owned
from kubepy.api.patch.shape import BadItem, Shape, shape_of
from kubepy.api.patch.zero import zero_object
from kubepy.api.recall import Recall

if TYPE_CHECKING:
    from kubepy.api.schema import Node

Obj = dict[str, Any]
Convert = Callable[[Obj, str], "tuple[Obj, Node] | None"]
"""(object, apiVersion) → the object in that version with its type, or None when the version is not served."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_MAX_ANNOTATIONS = 256 * 1024
_STRIPPED = fieldset.of(
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(("f:metadata", f"f:{name}") for name in (
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields", "resourceVersion",
    )),
)  # fmt: skip
_SELF = ManagerId("", "current-operation", "", "")


def _same_only(obj: Obj, api_version: str) -> None:
    """Without a converter other versions count as not served."""


class ManagedFields:
    """Ownership for one kind at one endpoint.

    `node` and `api_version` are those of the request. `reset_fields` are dotted paths that the endpoint ignores,
    `only_fields`, if any, the only ones it honours. `custom`: objects without a Go type, whose empty object is really empty.
    """

    def __init__(
        self,
        node: Node,
        api_version: str,
        kind: str,
        *,
        subresource: str = "",
        reset_fields: Sequence[str] = (),
        only_fields: Sequence[str] = (),
        custom: bool = False,
        convert: Convert = _same_only,
    ) -> None:
        self._node = node
        self._shape = shape_of(node)
        self._version = api_version
        self._kind = kind
        self._subresource = subresource
        self._reset = fieldset.of(*(tuple(f"f:{p}" for p in path.split(".")) for path in reset_fields))
        self._only = fieldset.of(*(tuple(f"f:{p}" for p in path.split(".")) for path in only_fields))
        self._custom = custom
        self._convert = convert
        self._creations: Recall[tuple[Any, ...], FieldSet] = Recall()

    # Updates: create, PUT, merge, JSON and strategic merge patches.

    def on_update(self, live: Obj | None, new: Obj, manager: str, now: str) -> list[Entry]:
        """The managedFields that `new` is to be stored with (empty: none) when it replaces `live` (None: a creation).

        `new` is the decoded and defaulted object of the request, before admission. `now` is RFC 3339 in seconds, UTC. Never
        raises: where ownership cannot be worked out, it is given up.
        """
        live_entries = live["metadata"].get("managedFields") if live is not None else None
        owned = self._of_request(live_entries, new)
        if live is not None and not owned:
            return []
        try:
            if live is None and not owned:
                return managers.write(self._claimed({}, self._created(new), manager, now))
            return managers.write(self._update(self._zero() if live is None else live, new, owned, manager, now))
        except (BadItem, typed.TypeErrors):
            return []

    def _of_request(self, live_entries: list[Entry] | None, new: Obj) -> Managers:
        """The managers to start from: those the request carries when they are valid, else the live ones."""
        entries = new["metadata"].get("managedFields")
        if not self._subresource and entries is not None and entries is not live_entries and entries != live_entries:
            if not entries or entries == [{}]:
                return {}
            sent = managers.read(entries, trusted=False)
            if sent:
                return sent
        return managers.read(live_entries, trusted=True) or {}

    def _update(self, live: Obj, new: Obj, owned: Managers, manager: str, now: str) -> Managers:
        owned = self._reconcile(live, owned)
        owned, changes = self._shift(live, new, owned, None, force=True)
        mine = difference(self._filter(union(changes.modified, changes.added)), _STRIPPED)
        return self._claimed(owned, mine, manager, now)

    def _claimed(self, owned: Managers, mine: FieldSet, manager: str, now: str) -> Managers:
        """`owned` with what an update by `manager` makes its own."""
        if mine:
            who = managers.manager_id(manager, "Update", self._version, self._subresource)
            previous = owned.get(who)
            owned[who] = Owned(union(mine, previous.fields) if previous else mine, self._version, now)
        managers.cap(owned)
        return owned

    def _zero(self) -> Obj:
        return EMPTY if self._custom else zero_object(self._node)

    def _created(self, new: Obj) -> FieldSet:
        """What the creator of an object owns: worked out once for objects that are made from one template."""
        key = tuple([_likeness(name, value) for name, value in new.items()])
        found = self._creations.find(key)
        if found is None:
            changes = typed.compare(self._zero(), new, self._shape)
            found = difference(self._filter(union(changes.modified, changes.added)), _STRIPPED)
            self._creations.keep(key, found, 256 + sum(len(text) for _, text in key if type(text) is bytes))
        return found

    # The core: how a change moves ownership.

    def _filter(self, fields: FieldSet) -> FieldSet:
        if self._reset:
            fields = fieldset.recursive_difference(fields, self._reset)
        return _include(fields, self._only) if self._only else fields

    def _in_version(self, obj: Obj, api_version: str) -> tuple[Obj, Shape] | None:
        if api_version == self._version:
            return obj, self._shape
        converted = self._convert(obj, api_version)
        if converted is None:
            return None
        shape = shape_of(converted[1])
        if self._custom:
            typed.validate(converted[0], shape)  # What its other version does not know, conversion does not take away.
        return converted[0], shape

    def _reconcile(self, live: Obj, owned: Managers) -> Managers:
        """Adjust what was owned below to types that have become atomic; drop versions that are no longer served."""
        shapes: dict[str, Shape | None] = {self._version: self._shape}
        out: Managers = {}
        for who, held in owned.items():
            if held.api_version not in shapes:
                found = self._in_version(live, held.api_version)
                shapes[held.api_version] = found and found[1]
            shape = shapes[held.api_version]
            if shape is not None:
                fields = held.fields if typed.settled(shape, orjson.dumps(held.fields)) else typed.reconcile(held.fields, shape)
                out[who] = held if fields is held.fields else held._replace(fields=fields, entry=None)
        return out

    def _shift(self, live: Obj, new: Obj, owned: Managers, applier: ManagerId | None, *, force: bool) -> tuple[Managers, typed.Comparison]:
        """Take from all managers but the applier what the change takes; raises Conflict unless forced."""
        own = self._filtered(typed.compare(live, new, self._shape))
        comparisons: dict[str, typed.Comparison | None] = {self._version: own}
        taken: dict[str, FieldSet] = {self._version: union(own.modified, own.added)}
        out: Managers = {}
        conflicts: list[tuple[ManagerId, FieldSet]] = []
        for who, held in owned.items():
            version = held.api_version
            if who == applier:
                if held.fields:
                    out[who] = held
                continue
            if version not in comparisons:
                comparisons[version] = self._compare_in(live, new, version)
                compared = comparisons[version]
                taken[version] = union(compared.modified, compared.added) if compared else EMPTY
            changes = comparisons[version]
            if changes is None:
                continue
            lost = intersection(held.fields, taken[version]) if taken[version] else EMPTY
            if lost:
                conflicts.append((who, lost))
            left = difference(difference(held.fields, lost), changes.removed)
            if left is held.fields:
                out[who] = held
            elif left:
                out[who] = held._replace(fields=left, entry=None)
        if conflicts and not force:
            raise _Conflicts(conflicts)
        return out, own

    def _filtered(self, changes: typed.Comparison) -> typed.Comparison:
        return typed.Comparison(*map(self._filter, changes)) if self._reset or self._only else changes

    def _compare_in(self, live: Obj, new: Obj, version: str) -> typed.Comparison | None:
        before = self._in_version(live, version) if live else (EMPTY, self._shape)
        try:
            after = self._in_version(new, version)
        except typed.TypeErrors as e:
            raise typed.TypeErrors([f"failed to convert new object: {e}"]) from None
        if before is None or after is None:
            return None
        return self._filtered(typed.compare(before[0], after[0], after[1]))

    # Apply.

    def on_apply(self, live: Obj | None, config: Obj, manager: str, now: str, *, force: bool = False) -> Obj:
        """The live object (None: a creation) with the applied configuration merged in and its managedFields set.

        The result is not yet decoded or defaulted, and shares parts with the arguments. Where nothing changed it equals
        `live`, ownership included. Raises Conflict with one cause per field, BadRequest, and a plain error (500) when the
        configuration does not conform to the type.
        """
        if (config.get("apiVersion"), config.get("kind")) != (self._version, self._kind):
            raise BadRequest(f"invalid object type: {group_version_kind(config)}")
        meta = config.get("metadata")
        if isinstance(meta, dict) and meta.get("managedFields") is not None:
            raise BadRequest("metadata.managedFields must be nil")
        owned = managers.read((live or EMPTY).get("metadata", EMPTY).get("managedFields"), trusted=True) or {}
        if live is not None and not owned:
            # Fields set before ownership was tracked belong to a manager of their own.
            base = EMPTY if self._custom else zero_object(self._node)
            owned = self._update(base, live, {}, "before-first-apply", now)
        try:
            typed.validate(config, self._shape)
        except typed.TypeErrors as e:
            raise _plain(f"failed to create typed patch object ({describe(config)}): {e}") from None
        try:
            merged, owned = self._apply_or_upgrade(live or EMPTY, config, owned, manager, now, force)
        except _Conflicts as e:
            raise e.status() from None
        except (BadItem, typed.TypeErrors) as e:
            raise _plain(f"failed to merge config: {e}" if isinstance(e, BadItem) else str(e)) from None
        if manager == "kubectl":
            _refresh_last_applied(merged, config)
        metadata = dict(merged.get("metadata") or EMPTY)
        metadata.pop("managedFields", None)
        entries = managers.write(owned)
        if entries:
            metadata["managedFields"] = entries
        return {**merged, "metadata": metadata}

    def _apply_or_upgrade(self, live: Obj, config: Obj, owned: Managers, manager: str, now: str, force: bool) -> tuple[Obj, Managers]:
        """Apply; kubectl may also take over what its own client-side apply has set (internal/lastappliedmanager.go)."""
        try:
            return self._apply(live, config, owned, manager, now, force)
        except _Conflicts as e:
            if manager != "kubectl":
                raise
            allowed = self._last_applied(live)
            if allowed is None:
                raise
            kept = [(who, difference(lost, allowed)) for who, lost in e.conflicts]
            if any(lost for _, lost in kept):
                raise _Conflicts([(who, lost) for who, lost in kept if lost]) from None
            return self._apply(live, config, owned, manager, now, True)

    def _apply(self, live: Obj, config: Obj, owned: Managers, manager: str, now: str, force: bool) -> tuple[Obj, Managers]:
        who = managers.manager_id(manager, "Apply", self._version, self._subresource)
        owned = self._reconcile(live, owned)
        merged = typed.merge(live, config, self._shape)
        last = owned.get(who)
        fields = self._filter(typed.to_set(config, self._shape))
        owned[who] = Owned(fields, self._version, last.time if last else "")
        merged = self._prune(merged, owned, last)
        owned, _ = self._shift(live, merged, owned, who, force=force)
        mine = owned.get(who)
        if mine is not None:
            fields = difference(mine.fields, _STRIPPED)
            time = now if merged != live else mine.time
            if not fields:
                del owned[who]
            elif last and last.fields == fields and last.time == time and last.api_version == self._version:
                owned[who] = last
            else:
                owned[who] = Owned(fields, self._version, time)
        return merged, owned

    def _prune(self, merged: Obj, owned: Managers, last: Owned | None) -> Obj:
        """Remove what the applier applied last time, does not apply now, and nobody else owns."""
        if last is None or not last.fields:
            return merged
        found = self._in_version(merged, last.api_version)
        if found is None:
            return merged
        base, shape = found
        named = typed.with_named_fields(last.fields, shape)
        pruned: Obj = typed.remove(base, named, shape) or {}
        by_version: dict[str, FieldSet] = {}
        for held in owned.values():
            by_version[held.api_version] = union(by_version.get(held.api_version, EMPTY), held.fields)
        order = sorted(by_version, key=lambda version: version != last.api_version)
        for version in order:
            pruned = self._add_back(base, pruned, last.api_version, version, by_version[version])
        present = typed.with_named_fields(typed.to_set(pruned, shape), shape)
        all_fields = typed.with_named_fields(typed.to_set(base, shape), shape)
        gone = intersection(difference(all_fields, present), named)
        pruned = typed.remove(base, gone, shape) or {}
        if last.api_version != self._version:
            back = self._convert(pruned, self._version)
            return back[0] if back else merged
        return pruned

    def _add_back(self, base: Obj, pruned: Obj, base_version: str, version: str, held: FieldSet) -> Obj:
        """Undo the pruning of what managers of this version own."""
        if version == base_version:
            whole, shape = base, self._shape_of(base_version)
            rest = pruned
        else:
            one, two = self._convert(base, version), self._convert(pruned, version)
            if one is None or two is None:
                return pruned
            whole, rest, shape = one[0], two[0], shape_of(one[1])
        everything = typed.with_named_fields(typed.to_set(whole, shape), shape)
        keep = union(typed.with_named_fields(typed.to_set(rest, shape), shape), typed.with_named_fields(held, shape))
        out: Obj = typed.remove(whole, difference(everything, keep), shape) or {}
        if version != base_version:
            back = self._convert(out, base_version)
            return back[0] if back else pruned
        return out

    def _shape_of(self, version: str) -> Shape:
        found = self._in_version({}, version) if version != self._version else None
        return found[1] if found else self._shape

    def _last_applied(self, live: Obj) -> FieldSet | None:
        """What client-side apply set and nobody has changed since; None when that cannot be told."""
        text = ((live.get("metadata") or EMPTY).get("annotations") or EMPTY).get(LAST_APPLIED)
        try:
            config = orjson.loads(text or "")
            if config.get("apiVersion") != self._version:
                return None
            typed.validate(config, self._shape)
        except (ValueError, AttributeError):
            return None
        changes = typed.compare(config, live, self._shape)
        fields = typed.to_set(config, self._shape)
        for changed in (changes.modified, changes.added, changes.removed):
            fields = difference(fields, changed)
        return fields


def _likeness(name: str, value: Any) -> tuple[str, Any]:
    """A member as far as ownership depends on it: of metadata, which names there are, not what they are given."""
    if name != "metadata" or type(value) is not dict:
        return name, orjson.dumps(value)
    named = (orjson.dumps(v) if type(v) is list else tuple(v) if type(v) is dict else not v for v in value.values())
    return name, tuple(zip(value, named, strict=True))


def _include(fields: FieldSet, only: FieldSet) -> FieldSet:
    """The members at or below the members of `only` (and their parents, where they are members themselves)."""
    out: FieldSet = {}
    for element, below in fields.items():
        rule = only.get(element)
        if rule is None:
            continue
        if not rule or not below:
            out[element] = below
        else:
            inner = _include(below, rule)
            if inner or fieldset.SELF in below:
                out[element] = {fieldset.SELF: EMPTY, **inner} if fieldset.SELF in below and inner else inner
    return out


class _Conflicts(Exception):
    """What an apply would take from others."""

    def __init__(self, conflicts: list[tuple[ManagerId, FieldSet]]) -> None:
        super().__init__()
        self.conflicts = sorted(conflicts, key=lambda c: c[0].text())

    def status(self) -> Conflict:
        found = [(who.describe(), fieldset.path_text(path)) for who, lost in self.conflicts for path in fieldset.paths(lost)]
        causes = [{"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": path} for who, path in found]
        if len(found) == 1:
            text = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
        else:
            lines: list[str] = []
            for who in dict.fromkeys(who for who, _ in found):
                lines.append(f"conflicts with {who}:")
                lines += [f"- {path}" for name, path in found if name == who]
            text = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
        return Conflict(text, details={"causes": causes})


def _plain(message: str) -> StatusError:
    """Upstream's errors without a status: answered with 500 and no reason."""
    return StatusError(message, reason="", code=500)


def describe(obj: Obj) -> str:
    """An object as the errors of apply name it: `ns/name; apps/v1, Kind=Deployment`."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        metadata = EMPTY
    namespace, name = (value if isinstance(value, str) else "" for value in (metadata.get("namespace"), metadata.get("name")))
    return f"{namespace}/{name}; {group_version_kind(obj)}"


def group_version_kind(obj: Obj) -> str:
    """schema.GroupVersionKind as Go prints it: `apps/v1, Kind=Deployment`, with an empty group `/v1, Kind=Pod`."""
    version, kind = (value if isinstance(value, str) else "" for value in (obj.get("apiVersion"), obj.get("kind")))
    if version.count("/") > 1:
        version = kind = ""
    return f"{version if '/' in version else '/' + version}, Kind={kind}"


def _refresh_last_applied(merged: Obj, config: Obj) -> None:
    """Keep the annotation of client-side apply in step, so that a user can go back to it (internal/lastappliedupdater.go)."""
    metadata = merged.get("metadata") or EMPTY
    annotations = metadata.get("annotations") or EMPTY
    if not annotations.get(LAST_APPLIED):
        return
    own = dict(config)
    if LAST_APPLIED in ((own.get("metadata") or EMPTY).get("annotations") or EMPTY):
        rest = {k: v for k, v in own["metadata"]["annotations"].items() if k != LAST_APPLIED}
        own["metadata"] = {**own["metadata"], "annotations": rest}
    text = orjson.dumps(own, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    new = {**annotations, LAST_APPLIED: text}
    if sum(len(k.encode()) + len(v.encode()) for k, v in new.items()) > _MAX_ANNOTATIONS:
        del new[LAST_APPLIED]
    merged["metadata"] = {**metadata, "annotations": new}


def ignore_times(new: Obj, old: Obj) -> None:
    """Give `new` the managedFields of `old` when the two differ in nothing but their times, so that nothing is written.

    Upstream: apiserver pkg/endpoints/handlers/fieldmanager/equality.go. `new` may be changed in place, at metadata only.
    """
    ours, theirs = new["metadata"].get("managedFields"), old["metadata"].get("managedFields")
    if ours == theirs or not ours or not theirs or len(ours) != len(theirs):
        return
    for a, b in zip(ours, theirs, strict=True):
        if a is not b and {**a, "time": ""} != {**b, "time": ""}:
            return
    if new["metadata"].get("resourceVersion") != old["metadata"].get("resourceVersion"):
        return
    for part in new.keys() | old.keys():
        if part != "metadata" and new.get(part) != old.get(part):
            return
    mine, other = dict(new["metadata"]), dict(old["metadata"])
    mine.pop("managedFields")
    other.pop("managedFields")
    if mine == other:
        new["metadata"]["managedFields"] = theirs
