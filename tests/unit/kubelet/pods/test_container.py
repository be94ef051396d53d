"""From pod specs to what the runtime is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubelet.env import ConfigError
from kubelet.pods import container as making
from kubelet.pods import files
from kubelet.runtime.interface import Image, PortMapping
from kubelet.volumes.manager import Volume
from tests.unit.kubelet.harness import pod

Obj = dict[str, Any]
IMAGE = Image("sha256:1", "docker://sha256:1", user="")


@pytest.mark.parametrize(("milli", "shares"), [(0, 2), (1, 2), (100, 102), (1000, 1024), (10**9, 262144)])
def test_cpu_shares(milli: int, shares: int) -> None:
    assert making.shares(milli) == shares


@pytest.mark.parametrize(("milli", "quota"), [(0, 0), (5, 1000), (200, 20_000), (1500, 150_000)])
def test_cpu_quota(milli: int, quota: int) -> None:
    assert making.quota(milli) == quota


@pytest.mark.parametrize(
    ("resources", "score"),
    [
        ({}, 1000), ({"requests": {"memory": "256Mi"}}, 750), ({"requests": {"memory": "1"}}, 999), ({"requests": {"memory": "1Gi"}}, 3),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, -997),
    ],
)  # fmt: skip
def test_oom_scores(resources: Obj, score: int) -> None:
    container = {"name": "a", "image": "i", "resources": resources}
    assert making.oom_score(pod(containers=[container]), container, 1 << 30) == score


def test_the_containers_security_wins_over_the_pods(tmp_path: Path) -> None:
    capabilities = {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}
    own = {"runAsUser": 7, "capabilities": capabilities, "allowPrivilegeEscalation": False}
    container = {"name": "a", "image": "i", "securityContext": own}
    of_pod = {"runAsUser": 1, "runAsGroup": 9, "fsGroup": 5, "supplementalGroups": [4], "seccompProfile": {"type": "RuntimeDefault"}}
    found = making.security(pod(containers=[container], securityContext=of_pod), container, IMAGE, tmp_path)
    assert (found.user, found.groups, found.no_new_privileges, found.seccomp) == ("7:9", ("4", "5"), True, "runtime/default")
    assert (found.cap_drop, found.cap_add) == (("ALL",), ("NET_BIND_SERVICE",))


@pytest.mark.parametrize(
    ("context", "user", "message"),
    [
        ({}, "", "container has runAsNonRoot and image will run as root"),
        ({}, "nobody", "container has runAsNonRoot and image has non-numeric user (nobody), cannot verify user is non-root"),
        ({"runAsUser": 0}, "", "container's runAsUser breaks non-root policy"),
        ({"runAsUser": 1}, "", ""),
        ({}, "1000:1000", ""),
    ],
)
def test_run_as_non_root(context: Obj, user: str, message: str, tmp_path: Path) -> None:
    container = {"name": "a", "image": "i", "securityContext": {"runAsNonRoot": True, **context}}
    image = Image("sha256:1", "r", user=user)
    if not message:
        making.security(pod(containers=[container]), container, image, tmp_path)
        return
    with pytest.raises(ConfigError) as raised:
        making.security(pod(containers=[container]), container, image, tmp_path)
    assert str(raised.value) == f'{message} (pod: "p_default(uid-p)", container: a)'


def test_sub_paths_are_made_and_stay_inside(tmp_path: Path) -> None:
    inside, outside = tmp_path / "volume", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    volumes = {"v": Volume(inside)}

    def source(**mount: str) -> str:
        container = {"name": "a", "volumeMounts": [{"name": "v", "mountPath": "/m", **mount}]}
        return making.mounts(container, volumes, {"NAME": "x"})[0].source

    assert source() == str(inside)
    assert source(subPath="d/e") == str(inside / "d" / "e") and (inside / "d" / "e").is_dir()
    assert source(subPathExpr="logs-$(NAME)") == str(inside / "logs-x")
    for bad in ({"subPath": "link"}, {"subPath": "link/new"}, {"subPath": "../x"}, {"subPathExpr": "$(NONE)"}):
        with pytest.raises(ConfigError):
            source(**bad)
    assert list(outside.iterdir()) == []


def test_host_ports_are_published_unless_the_network_is_the_hosts() -> None:
    ports = [{"containerPort": 80, "hostPort": 8080, "protocol": "UDP", "hostIP": "127.0.0.1"}, {"containerPort": 81}]
    wanted = pod(containers=[{"name": "a", "image": "i", "ports": ports}])
    assert making.sandbox_spec(wanted, 0, "p", "").ports == (PortMapping(80, 8080, "udp", "127.0.0.1"),)
    wanted["spec"]["hostNetwork"] = True
    assert making.sandbox_spec(wanted, 0, "p", "").ports == ()


def test_hosts_and_names() -> None:
    wanted = pod(hostname="web", subdomain="svc", hostAliases=[{"ip": "192.0.2.1", "hostnames": ["a", "b"]}])
    text = files.hosts(wanted, "10.0.0.2", "cluster.local", "")
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert "10.0.0.2\tweb.svc.default.svc.cluster.local\tweb\n" in text and text.endswith("192.0.2.1\ta\tb\n")
    assert files.hostname(pod(name="x" * 70)) == "x" * 63
    assert "(host network)" in files.hosts(pod(hostNetwork=True), "", "cluster.local", "127.0.0.1 localhost\n")


@pytest.mark.parametrize(
    ("spec", "resolver"),
    [
        ({}, "search default.svc.c svc.c c host.example\nnameserver 10.96.0.10\noptions ndots:5\n"),
        ({"dnsPolicy": "Default"}, "search host.example\nnameserver 192.0.2.53\n"),
        ({"hostNetwork": True}, "search host.example\nnameserver 192.0.2.53\n"),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
         "search default.svc.c svc.c c host.example\nnameserver 10.96.0.10\noptions ndots:5\n"),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["s"], "options": [{"name": "ndots", "value": "2"}]}},
         "search s\nnameserver 1.1.1.1\noptions ndots:2\n"),
        ({"dnsConfig": {"options": [{"name": "ndots", "value": "1"}, {"name": "edns0"}]}},
         "search default.svc.c svc.c c host.example\nnameserver 10.96.0.10\noptions ndots:1 edns0\n"),
    ],
)  # fmt: skip
def test_resolvers(spec: Obj, resolver: str) -> None:
    node = files.parse_resolv("# x\nnameserver 192.0.2.53\nsearch host.example\n")
    assert files.resolver(pod(**spec), ("10.96.0.10",), "c", node).text() == resolver
