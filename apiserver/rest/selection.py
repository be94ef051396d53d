"""Which objects of a collection a request means: namespace, name, label and field selectors, as one test on cache entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from apiserver.context import Obj
from apiserver.registry.catalog import Served
from apiserver.rest import output
from apiserver.storage.cacher import CacheEvent, Entry
from kubepy.api import errors, fields
from kubepy.api.selectors import FieldRequirement, LabelSelector, SelectorError, parse_label_selector


@dataclass(frozen=True, slots=True)
class Selection:
    """`matches` is None when everything matches. `name` is set when a field selector names one object; `text` identifies the selectors.

    `late` is the part that can be judged only on the object as the requested version shows it, which takes a conversion.
    """

    matches: Callable[[Entry], bool] | None = None
    name: str | None = None
    text: str = ""
    index: tuple[str, str] | None = None
    late: Callable[[Obj], bool] | None = None


EVERYTHING = Selection()


def select(served: Served, label_selector: str, field_selector: str, name: str = "", namespace: str = "") -> Selection:
    """Parse the selectors of a request on the collection; `name` comes from a path that names one object. Raises BadRequest."""
    if not label_selector and not field_selector and not name:
        return EVERYTHING
    labels: LabelSelector | None = None
    if label_selector:
        try:
            labels = parse_label_selector(label_selector)
        except SelectorError as e:
            raise errors.BadRequest(str(e)) from None
        if labels.empty:
            labels = None
    resource = served.resource
    work = served.work.resource
    terms = fields.requirements(resource, field_selector) if field_selector else []
    wanted: str | None = name or None
    index: tuple[str, str] | None = None
    rest = []
    for term in terms:
        exact = term.op in ("=", "==")
        if term.field == "metadata.name" and exact:
            if name and term.value != name:
                raise errors.BadRequest("fieldSelector metadata.name doesn't match requested name")
            if wanted is not None and wanted != term.value:
                return Selection(lambda _: False, None, f"{label_selector}&{field_selector}")
            wanted = term.value
            continue
        if exact and (work.group, work.plural, term.field) in INDEXED and term.value:
            index = (term.field, term.value)
        rest.append(term)

    late = None
    if rest and served.hub is None and served.from_storage is not None:
        foreign = [term for term in rest if not term.field.startswith("metadata.")]
        rest = [term for term in rest if term.field.startswith("metadata.")]
        late = _shown(served, foreign) if foreign else None

    def matches(entry: Entry) -> bool:
        if wanted is not None and entry.name != wanted:
            return False
        if labels is not None and not labels.matches(entry.labels):
            return False
        if not rest:
            return True
        for term in rest:
            if term.field == "metadata.name":
                value = entry.name
            elif term.field == "metadata.namespace":
                value = entry.namespace
            else:
                value = fields.value_of(work, entry.obj, term.field)
            if not term.matches(value):
                return False
        return True

    if wanted is None and labels is None and not rest and late is None:
        return EVERYTHING
    text = f"{label_selector}&{field_selector}&{name}"
    # What is left to judge here depends on the version: its watchers are a group of their own.
    return Selection(matches, wanted, text if late is None else f"{text}&{served.resource.version}", index, late)


def _shown(served: Served, terms: Sequence[FieldRequirement]) -> Callable[[Obj], bool]:
    return lambda obj: fields.matches(served.resource, terms, obj)


async def lately(served: Served, chosen: Selection, entries: Sequence[Entry]) -> list[Entry]:
    """Those of `entries` that match in the requested version as well."""
    if chosen.late is None or not entries:
        return list(entries)
    return [e for e, obj in zip(entries, await output.objects(served, entries), strict=True) if chosen.late(obj)]


async def seen_lately(served: Served, chosen: Selection, events: Iterable[CacheEvent]) -> list[CacheEvent]:
    """Events as a watcher sees them whose selector is judged in the requested version."""
    out: list[CacheEvent] = []
    for event in events:
        if event.entry is None:
            out.append(event)
            continue
        now, before = [bool(e and await lately(served, chosen, [e])) for e in (event.entry, event.previous)]
        if (seen := event.seen(now, before)) is not None:
            out.append(seen)
    return out


INDEXED = frozenset((("", "pods", "spec.nodeName"),))
"""(group, plural, field) that the cache keeps an index of: every kubelet asks for these."""


def index_key(served: Served, field: str) -> Callable[[Entry], str]:
    """The index function of an indexed field."""
    resource = served.work.resource
    return lambda entry: fields.value_of(resource, entry.obj, field)
