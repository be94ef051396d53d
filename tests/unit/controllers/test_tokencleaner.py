"""Which legacy tokens are marked and deleted, as a table; and the Secrets that pods name."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from controllers import tokencleaner as cleaner

Obj = dict[str, Any]
NOW = dt.datetime(2024, 6, 15, 12, tzinfo=dt.UTC).timestamp()
PERIOD = 30 * cleaner.DAY
OLD, LAST_DAY, DAY_BEFORE = "2024-01-01", "2024-05-16", "2024-05-15"
ACCOUNT = {"metadata": {"name": "sa", "uid": "u"}, "secrets": [{"name": "token"}]}


def secret(created: str = OLD, deleting: bool = False, uid: str = "u", used: str | None = None, invalid: str | None = None) -> Obj:
    labels = {cleaner.LAST_USED: used, cleaner.INVALID_SINCE: invalid}
    metadata: Obj = {
        "name": "token", "namespace": "ns", "creationTimestamp": f"{created}T00:00:00Z",
        "annotations": {cleaner.ACCOUNT_NAME: "sa", cleaner.ACCOUNT_UID: uid}, "labels": {k: v for k, v in labels.items() if v is not None},
    }  # fmt: skip
    if deleting:
        metadata["deletionTimestamp"] = "2024-06-15T00:00:00Z"
    return {"metadata": metadata}


@pytest.mark.parametrize(
    ("subject", "account", "in_use", "expected"),
    [
        (secret(), ACCOUNT, False, "mark"),
        (secret("2024-06-01"), ACCOUNT, False, "keep"),
        (secret(deleting=True), ACCOUNT, False, "keep"),
        (secret(used=LAST_DAY), ACCOUNT, False, "keep"),
        (secret(used=DAY_BEFORE), ACCOUNT, False, "mark"),
        (secret(used="yesterday"), ACCOUNT, False, "keep"),
        (secret(), None, False, "keep"),
        (secret(uid="other"), ACCOUNT, False, "keep"),
        (secret(uid=""), ACCOUNT, False, "mark"),
        (secret(), {**ACCOUNT, "secrets": [{"name": "another"}]}, False, "keep"),
        (secret(), ACCOUNT, True, "keep"),
        (secret(invalid=LAST_DAY), ACCOUNT, False, "keep"),
        (secret(invalid=DAY_BEFORE), ACCOUNT, False, "delete"),
        (secret(invalid=DAY_BEFORE, used=LAST_DAY), ACCOUNT, False, "keep"),
        (secret(invalid="nonsense"), ACCOUNT, False, "mark"),
    ],
)
def test_verdict(subject: Obj, account: Obj | None, in_use: bool, expected: str) -> None:
    assert cleaner.verdict(subject, account, in_use, NOW, PERIOD) == expected


def test_tracking_begins_the_day_after() -> None:
    assert cleaner.tracked_since({"data": {"since": "2024-06-15"}}) == dt.datetime(2024, 6, 16, tzinfo=dt.UTC).timestamp()
    assert cleaner.tracked_since({"data": {"since": "now"}}) is None
    assert cleaner.tracked_since({}) is None


def test_secrets_of_a_pod() -> None:
    container = {"envFrom": [{"secretRef": {"name": "a"}}], "env": [{"name": "X"}, {"valueFrom": {"secretKeyRef": {"name": "b"}}}]}
    volumes = [
        {"name": "v", "secret": {"secretName": "c"}}, {"name": "w", "projected": {"sources": [{"secret": {"name": "d"}}, {}]}},
        {"name": "x", "csi": {"nodePublishSecretRef": {"name": "e"}}}, {"name": "y", "cephfs": {"secretRef": {"name": "f"}}},
        {"name": "z", "azureFile": {"secretName": "g"}}, {"name": "0", "emptyDir": {}},
    ]  # fmt: skip
    spec = {"imagePullSecrets": [{"name": "h"}], "initContainers": [container], "containers": [{}], "volumes": volumes}
    assert sorted(name for name in cleaner.secret_names({"spec": spec}) if name) == list("abcdefgh")
