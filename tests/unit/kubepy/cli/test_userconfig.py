"""The user's kubeconfig: our context comes and goes, the rest stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kubepy.cli import userconfig
from kubepy.cli.cluster import Cluster, ClusterError

OTHER: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "other", "cluster": {"server": "https://other.example"}}],
    "users": [{"name": "me", "user": {"token": "t"}}],
    "contexts": [{"name": "other", "context": {"cluster": "other", "user": "me"}}],
    "current-context": "other",
    "preferences": {"colors": True},
}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    made = Cluster(name="kubepy", dir=tmp_path / "cluster", nodes=0)
    made.write_credentials()
    return made


def read() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(userconfig.path().read_text())
    return found


def test_a_context_is_added_beside_others_and_made_current(cluster: Cluster) -> None:
    userconfig.path().write_text(yaml.safe_dump(OTHER))
    userconfig.merge(cluster)
    userconfig.merge(cluster)
    assert [c["name"] for c in read()["contexts"]] == ["other", "kubepy"]
    assert read()["current-context"] == "kubepy" and read()["preferences"] == {"colors": True}
    assert userconfig.path().stat().st_mode & 0o777 == 0o600


def test_removal_leaves_the_rest(cluster: Cluster) -> None:
    userconfig.path().write_text(yaml.safe_dump(OTHER))
    userconfig.merge(cluster)
    userconfig.remove(cluster)
    assert read() == {**OTHER, "current-context": ""}


def test_a_file_that_is_no_kubeconfig_is_left_alone(cluster: Cluster) -> None:
    for text in ("- a list", "{"):
        userconfig.path().write_text(text)
        with pytest.raises(ClusterError):
            userconfig.merge(cluster)
        assert userconfig.path().read_text() == text
