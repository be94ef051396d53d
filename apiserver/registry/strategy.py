"""The behaviour of one kind: how it is prepared, validated and compared on writes. Strategies are pure; allocation and
other I/O belongs to hooks of the registry (see `Hooks`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from apiserver.context import Context, Obj
from kubepy.api.errors import FieldError

Prepare = Callable[[Obj], None]
PrepareUpdate = Callable[[Obj, Obj], None]
Validate = Callable[[Obj], list[FieldError]]
ValidateUpdate = Callable[[Obj, Obj], list[FieldError]]
NameCheck = Callable[[str, bool], list[str]]


def _no_prepare(_new: Obj) -> None:
    return None


def _no_prepare_update(_new: Obj, _old: Obj) -> None:
    return None


def _no_errors(_new: Obj) -> list[FieldError]:
    return []


def _no_update_errors(_new: Obj, _old: Obj) -> list[FieldError]:
    return []


def _no_warnings(_new: Obj, _old: Obj | None) -> list[str]:
    return []


class Hooks(Protocol):
    """What a kind must do beyond its own object (allocate an IP, say). Awaited by the registry around the write."""

    async def before_create(self, ctx: Context, obj: Obj) -> Callable[[], None] | None:
        """May change `obj`; returns what undoes it when the write fails or is a dry run."""

    async def before_update(self, ctx: Context, obj: Obj, old: Obj) -> Callable[[], None] | None:
        """As before_create."""

    async def after_delete(self, ctx: Context, obj: Obj) -> None:
        """Release what the object held."""


@dataclass(frozen=True)
class Strategy:
    """The functions that make a kind what it is (registry rest strategies upstream).

    The registry calls, on create: decode → default (schema, then `default`) → `prepare` → metadata → admission →
    `validate` → `canonicalize` → `warnings` → store; on update the same with the stored object beside it. `validate` checks
    everything but ObjectMeta, whose checks are common (`name_check` says what a valid name is). Strategies of
    subresources (`status`) are made with `for_status`.
    """

    default: Prepare = _no_prepare
    """Defaults that the schema cannot express (those that depend on other fields). Runs on every decode."""
    prepare: Prepare = _no_prepare
    """PrepareForCreate: drop status, set generation-like fields."""
    prepare_update: PrepareUpdate = _no_prepare_update
    """PrepareForUpdate(new, old): keep status, drop what this endpoint must not change."""
    validate: Validate = _no_errors
    validate_update: ValidateUpdate = _no_update_errors
    canonicalize: Prepare = _no_prepare
    warnings: Callable[[Obj, Obj | None], list[str]] = _no_warnings
    name_check: NameCheck | None = None
    """(name, is_prefix) -> messages; None means the DNS-1123 subdomain rule."""
    own_metadata: bool = True
    """Whether the kind's own validation looks at metadata; where not, only the rule of all objects holds, after all else."""
    metadata_checks: tuple[int, int] = (0, 1)
    """How often the kind's own validation of an update repeats the rules of a new object's metadata, and those of a changed one's:
    clients see each cause as many times more."""
    status_checks: tuple[int, int] = (0, 1)
    """The same of the status endpoint."""
    allow_create_on_update: bool = False
    allow_unconditional_update: bool = True
    has_generation: bool = True
    """metadata.generation starts at 1 and grows when anything outside metadata and status changes."""
    field_annotations: Sequence[str] = ()
    """Annotations that upstream's internal objects have as fields: served with objects, not with their bare metadata."""
    reset_fields: Sequence[str] = ()
    """Top-level fields this endpoint ignores, dropped from managedFields (`status`, or `spec` on /status)."""
    status_prepare_update: PrepareUpdate | None = None
    """PrepareForUpdate of the status endpoint; None: everything but status (and metadata's managedFields) is kept from old."""
    status_validate_update: ValidateUpdate | None = None
    graceful: Callable[[Obj, dict[str, object]], int | None] | None = None
    """(object, DeleteOptions) → grace period in seconds when the object is deleted gracefully (pods), else None."""
    terminate: Callable[[Obj, str], Obj] | None = None
    """(object, time) → the object with its deletion begun, for kinds that are cleaned up before they may go (definitions)."""
    hooks: Hooks | None = None
    ttl: Callable[[Obj], int] | None = None
    """Seconds the object lives in the store (events)."""
    subresources: dict[str, Strategy] = field(default_factory=dict)

    def with_(self, **changes: object) -> Strategy:
        """A copy with some functions replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]


DEFAULT = Strategy()
