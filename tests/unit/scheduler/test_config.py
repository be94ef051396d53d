"""The configuration file and the profiles that it makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scheduler.__main__ import configure, make_parser
from scheduler.config import ConfigurationError, parse
from scheduler.framework import changes
from scheduler.framework.changes import Change
from scheduler.plugins import PLUGINS
from scheduler.profile import build

HEAD = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}


def plugins(profile: dict[str, Any]) -> dict[str, list[str]]:
    found = parse({**HEAD, "profiles": [profile]}).profiles["default-scheduler"]
    return {"filter": [p.name for p in found.filters], "score": [f"{p.name}={w}" for p, w in found.scores]}


def test_the_default_profile_has_upstreams_plugins_and_weights() -> None:
    found = build()
    assert [f"{p.name}={w}" for p, w in found.scores] == [
        "TaintToleration=3", "NodeAffinity=2", "NodeResourcesFit=1", "PodTopologySpread=2", "InterPodAffinity=2",
        "NodeResourcesBalancedAllocation=1", "ImageLocality=1",
    ]  # fmt: skip
    assert found.preemption is not None and found.gates and list(PLUGINS)[:2] == ["SchedulingGates", "PrioritySort"]


def test_whoever_waits_for_nodes_waits_for_taints_too() -> None:
    found = build()
    tainted = Change((changes.NODE_TAINT,), {}, {})
    assert found.concerns(tainted, None, frozenset(["NodeResourcesFit"]))  # type: ignore[arg-type]
    assert not found.concerns(tainted, None, frozenset(["NodeVolumeLimits"]))  # type: ignore[arg-type]


def test_plugins_are_disabled_enabled_and_weighed_per_extension_point() -> None:
    change = {
        "score": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeAffinity", "weight": 7}]},
        "filter": {"disabled": [{"name": "NodePorts"}]},
        "postFilter": {"disabled": [{"name": "DefaultPreemption"}]},
    }
    found = parse({**HEAD, "profiles": [{"plugins": change}]}).profiles["default-scheduler"]
    assert [f"{p.name}={w}" for p, w in found.scores] == ["NodeAffinity=7"]
    names = [p.name for p in found.filters]
    assert "NodePorts" not in names and "NodeResourcesFit" in names and found.preemption is None


def test_multi_point_concerns_all_points() -> None:
    found = plugins(
        {"plugins": {"multiPoint": {"disabled": [{"name": "NodeAffinity"}], "enabled": [{"name": "ImageLocality", "weight": 5}]}}}
    )
    assert "NodeAffinity" not in found["filter"] and not any(s.startswith("NodeAffinity") for s in found["score"])
    assert "ImageLocality=5" in found["score"] and "TaintToleration=3" in found["score"]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({}, "no kind"),
        ({**HEAD, "apiVersion": "kubescheduler.config.k8s.io/v1beta1"}, "v1beta1"),
        ({**HEAD, "percentageOfNodesToScore": 101}, "not in valid range"),
        ({**HEAD, "profiles": [{"schedulerName": "a"}, {"schedulerName": "a"}]}, 'Duplicate value: "a"'),
        ({**HEAD, "profiles": [{"plugins": {"filter": {"enabled": [{"name": "Nope"}]}}}]}, 'plugin "Nope" does not exist'),
        (
            {**HEAD, "profiles": [{"pluginConfig": [{"name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": "X"}}}]}]},
            "Unsupported",
        ),
        ({**HEAD, "extenders": [{"filterVerb": "f"}]}, "urlPrefix"),
        ({**HEAD, "extenders": [{"urlPrefix": "http://x", "prioritizeVerb": "p"}]}, "positive weight"),
        ({**HEAD, "podInitialBackoffSeconds": 20}, "podMaxBackoffSeconds"),
    ],
)
def test_what_is_wrong_is_said(raw: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        parse(raw)


def test_the_file_wins_over_flags(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    election = "leaderElection: {leaderElect: true, leaseDuration: 20s, resourceName: mine}"
    path.write_text(f"apiVersion: {HEAD['apiVersion']}\nkind: {HEAD['kind']}\n{election}\nclientConnection: {{kubeconfig: /k, qps: 50}}\n")
    args = make_parser().parse_args([f"--config={path}", "--leader-elect-lease-duration=9s"])
    found = configure(args)
    assert args.leader_elect and args.leader_elect_lease_duration == 20.0 and args.leader_elect_resource_name == "mine"
    assert args.kubeconfig == "/k" and found.qps == 50
