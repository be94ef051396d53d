"""Who owns the claims of a StatefulSet's pods."""

from typing import Any

import pytest

from controllers.statefulset import retention
from kubepy.api import meta
from tests.support.objects import owner, pod

Obj = dict[str, Any]


def statefulset(deleted: str, scaled: str) -> Obj:
    policy = {"whenDeleted": deleted, "whenScaled": scaled}
    return owner("StatefulSet", replicas=2, persistentVolumeClaimRetentionPolicy=policy)


def claim(*refs: Obj) -> Obj:
    return {"metadata": {"name": "data-web-0", "ownerReferences": list(refs)}}


@pytest.mark.parametrize(
    ("deleted", "scaled", "number", "wanted"),
    [
        ("Retain", "Retain", 0, None),
        ("Delete", "Retain", 0, "StatefulSet"),
        ("Delete", "Retain", 5, "StatefulSet"),
        ("Retain", "Delete", 0, None),
        ("Retain", "Delete", 5, "Pod"),
        ("Delete", "Delete", 0, "StatefulSet"),
        ("Delete", "Delete", 5, "Pod"),
    ],
)
def test_the_policy_names_one_controller(deleted: str, scaled: str, number: int, wanted: str | None) -> None:
    given, member = statefulset(deleted, scaled), pod(f"web-{number}")
    refs = retention.owners(given, member, claim())
    assert [(r["kind"], r["controller"]) for r in refs] == ([(wanted, True)] if wanted else [])
    assert retention.is_up_to_date(given, member, claim(*refs))
    assert retention.is_up_to_date(given, member, claim()) == (wanted is None)


def test_references_without_controller_are_renewed() -> None:
    given, member = statefulset("Delete", "Retain"), pod("web-0")
    plain = {k: v for k, v in meta.controller_ref(given).items() if k != "controller"}
    assert not retention.is_up_to_date(given, member, claim(plain))
    assert retention.owners(given, member, claim(plain)) == [meta.controller_ref(given)]


def test_a_claim_that_somebody_else_controls_is_left_to_them() -> None:
    given, member = statefulset("Delete", "Delete"), pod("web-0")
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "boss", "uid": "boss", "controller": True}
    assert retention.is_foreign(given, member, claim(other))
    assert retention.is_up_to_date(given, member, claim(other))
    both = claim(other, meta.controller_ref(given))
    assert not retention.is_up_to_date(given, member, both)
    assert retention.owners(given, member, both) == [other]
    assert not retention.is_foreign(statefulset("Retain", "Retain"), member, claim(other))


def test_a_claim_of_a_former_set_of_that_name_is_not_touched() -> None:
    given, member = statefulset("Delete", "Delete"), pod("web-0")
    former = {**meta.controller_ref(given), "uid": "former"}
    assert retention.is_stale(claim(former), given)
    assert retention.is_up_to_date(given, member, claim(former))
    earlier = {**meta.controller_ref(member), "uid": "earlier"}
    assert retention.is_stale(claim(earlier), {**member, "metadata": {"name": "web-0"}}), "a pod that is not made yet has no uid"
