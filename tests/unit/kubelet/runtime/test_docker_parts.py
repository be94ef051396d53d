"""The pure parts of the Docker runtime."""

from __future__ import annotations

import struct

import pytest

from kubelet.pods.images import credentials, pull_policy
from kubelet.runtime.docker import config, elf, network
from kubelet.runtime.docker.cleanup import pod_folders
from kubelet.runtime.docker.images import with_tag
from kubelet.runtime.docker.picture import Picture, seconds
from kubelet.runtime.docker.usage import usage_of
from kubelet.runtime.interface import (
    Auth,
    ContainerSpec,
    Image,
    Mount,
    PodIdentity,
    PortMapping,
    Resources,
    RuntimeFailure,
    Sandbox,
    SandboxSpec,
    Security,
    State,
)  # fmt: skip

POD = PodIdentity("default", "p", "u")


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 62), ("arm64", 183)])
def test_the_sandbox_program_is_an_executable(machine: str, number: int) -> None:
    data = elf.program(machine)
    kind, found, _, entry, table = struct.unpack_from("<HHIQQ", data, 16)
    assert data[:5] == b"\x7fELF\x02" and (kind, found, table) == (2, number, 64)
    segment = struct.unpack_from("<IIQQQQQQ", data, 64)
    assert segment[0:2] == (1, 5) and segment[5] == len(data) and entry == segment[3] + 120
    assert elf.image_tar(machine) == elf.image_tar(machine)


def test_branches_of_the_arm_program_stay_inside() -> None:
    words = struct.unpack("<33I", elf.code("arm64"))
    for at, word in enumerate(words):
        offset = None
        if word >> 24 == 0x54:
            offset = (word >> 5 & 0x7FFFF) - (0x80000 if word >> 23 & 1 else 0)
        elif word >> 26 == 5:
            offset = (word & 0x3FFFFFF) - (0x4000000 if word >> 25 & 1 else 0)
        if offset is not None:
            assert at + offset in (9, 21, 30)


def test_addresses_are_given_once_and_reused_last() -> None:
    addresses = network.Addresses("10.0.0.248/29", "10.0.0.0/24")
    # .248 is the network's, .249 a gateway's by custom, .254 the bridge's, .255 the broadcast's.
    first = [addresses.take() for _ in range(2)]
    assert first == ["10.0.0.250", "10.0.0.251"]
    addresses.free("10.0.0.250")
    assert [addresses.take() for _ in range(3)] == ["10.0.0.252", "10.0.0.253", "10.0.0.250"]
    with pytest.raises(RuntimeFailure):
        addresses.take()


def test_held_addresses_are_not_given() -> None:
    addresses = network.Addresses("10.0.0.0/24", "10.0.0.0/16")
    addresses.hold("10.0.0.2")
    assert addresses.take() == "10.0.0.3"


def test_bridge_names_fit() -> None:
    assert network.bridge_name("abc") == "kpy-abc"
    assert len(network.bridge_name("x" * 40)) == 15


def test_sandbox_configuration() -> None:
    spec = SandboxSpec(POD, hostname="p", ports=(PortMapping(80, 8080), PortMapping(80, 8081)), sysctls={"net.x": "1"})
    made = config.sandbox_config("c", "n", "img", "net", spec, "10.0.0.2")
    assert made["NetworkingConfig"]["EndpointsConfig"]["net"]["IPAMConfig"] == {"IPv4Address": "10.0.0.2"}
    assert made["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "", "HostPort": "8081"}]}
    assert made["Labels"]["io.kubernetes.pod.uid"] == "u" and made["Hostname"] == "p"
    host = config.sandbox_config("c", "n", "img", "net", SandboxSpec(POD, host_network=True), "")
    assert host["HostConfig"]["NetworkMode"] == "host" and "NetworkingConfig" not in host


def test_container_configuration() -> None:
    sandbox = Sandbox("sid", POD, 0, True, "10.0.0.2", False, 0.0)
    spec = ContainerSpec(
        POD, "a", 2, "i", command=("x",), env=(("A", "1"),), mounts=(Mount("/s", "/t", True),), share_pid=True, stdin=True,
        security=Security(user="1:2", cap_drop=("ALL",), seccomp="runtime/default", no_new_privileges=True),
    )  # fmt: skip
    made = config.container_config("c", "n", sandbox, spec, Image("sha256:1", "ref"), "SIGINT")
    host = made["HostConfig"]
    assert (host["NetworkMode"], host["IpcMode"], host["PidMode"]) == ("container:sid",) * 3
    assert host["SecurityOpt"] == ["no-new-privileges"] and host["Mounts"][0]["ReadOnly"]
    assert made["Entrypoint"] == ["x"] and "Cmd" not in made and made["Env"] == ["A=1"] and made["User"] == "1:2"
    assert made["Labels"]["io.kubepy.attempt"] == "2" and made["StopSignal"] == "SIGINT"


def rights(security: Security) -> dict[str, object]:
    sandbox, spec = Sandbox("sid", POD, 0, True, "10.0.0.2", False, 0.0), ContainerSpec(POD, "a", 0, "i", security=security)
    host: dict[str, object] = config.container_config("c", "n", sandbox, spec, Image("sha256:1", "ref"), "")["HostConfig"]
    return host


def test_privileged_is_the_engines_own_where_nothing_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "withheld", frozenset)
    host = rights(Security(privileged=True, cap_add=("ALL",)))
    assert host["Privileged"] is True and host["CapAdd"] == ["ALL"] and "Devices" not in host
    assert host["SecurityOpt"] == ["seccomp=unconfined", "apparmor=unconfined"]


def test_privileged_is_put_together_where_the_machine_withholds_a_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "withheld", lambda: frozenset({"SYS_RESOURCE"}))
    host = rights(Security(privileged=True))
    assert (host["CapAdd"], host["CapDrop"]) == (["ALL"], ["SYS_RESOURCE"])
    assert "Privileged" not in host and host["MaskedPaths"] == [] and host["DeviceCgroupRules"] == ["a *:* rwm"]
    assert host["Devices"] == [{"PathOnHost": "/dev", "PathInContainer": "/dev", "CgroupPermissions": "rwm"}]
    assert rights(Security(cap_add=("ALL",), cap_drop=("KILL",)))["CapDrop"] == ["KILL", "SYS_RESOURCE"]
    assert rights(Security(cap_add=("NET_ADMIN",)))["CapDrop"] == []


def test_inspections_become_the_picture() -> None:
    labels = {"io.kubernetes.pod.uid": "u", "io.kubernetes.container.name": "a", "io.kubepy.kind": "container"}
    times = {"StartedAt": "2026-01-01T00:00:01Z", "FinishedAt": "2026-01-01T00:00:02Z"}
    found = {
        "Id": "1", "Created": "2026-01-01T00:00:00.5Z", "Config": {"Labels": labels}, "HostConfig": {},
        "State": {"Running": False, "ExitCode": 137, "OOMKilled": True, **times},
    }  # fmt: skip
    picture = Picture()
    assert picture.put_inspected(found) == "u"
    view = picture.view("u")
    assert view is not None
    container = view.containers[0]
    assert (container.state, container.reason, container.exit_code) == (State.EXITED, "OOMKilled", 137)
    assert container.finished_at - container.started_at == 1.0
    assert picture.forget("1") == ("u", "") and picture.view("u") is None


def test_times() -> None:
    assert seconds("1970-01-01T00:00:01.25Z") == 1.25
    assert seconds("1970-01-01T01:00:00+01:00") == 0.0
    assert seconds("0001-01-01T00:00:00Z") == 0.0


@pytest.mark.parametrize(
    ("name", "full"), [("a", "a:latest"), ("h:5000/a", "h:5000/a:latest"), ("a:1", "a:1"), ("a@sha256:0", "a@sha256:0")]
)
def test_default_tags(name: str, full: str) -> None:
    assert with_tag(name) == full


@pytest.mark.parametrize(("image", "policy"), [("a", "Always"), ("a:latest", "Always"), ("a:1", "IfNotPresent"), ("h:5000/a", "Always")])
def test_pull_policies(image: str, policy: str) -> None:
    assert pull_policy({"image": image}) == policy


def test_credentials_fit_the_registry() -> None:
    import base64
    import json

    auths = {
        "https://index.docker.io/v1/": {"username": "u", "password": "p"},
        "reg.example:5000": {"auth": base64.b64encode(b"a:b").decode()},
        "reg.example:5000/team": {"username": "t", "password": "t"},
    }
    secret = {"data": {".dockerconfigjson": base64.b64encode(json.dumps({"auths": auths}).encode()).decode()}}
    assert [a.username for a in credentials("busybox", [secret])] == ["u"]
    assert credentials("reg.example:5000/x", [secret]) == [Auth("a", "b", "", "reg.example:5000")]
    assert [a.username for a in credentials("reg.example:5000/team/x", [secret])] == ["a", "t"]
    assert credentials("other.example/x", [secret]) == []


def test_usage_of_both_cgroup_versions() -> None:
    stats = {
        "cpu_stats": {"cpu_usage": {"total_usage": 7}},
        "memory_stats": {"usage": 100, "stats": {"total_inactive_file": 30, "total_rss": 50}},
        "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}},
    }  # fmt: skip
    found = usage_of(stats, 1.0)
    assert (found.cpu_nanoseconds, found.working_set_bytes, found.rss_bytes, found.rx_bytes) == (7, 70, 50, 1)
    assert usage_of({"memory_stats": {"usage": 100, "stats": {"inactive_file": 40, "anon": 9}}}, 1.0).working_set_bytes == 60


def test_folders_of_pods_are_found_by_their_mounts() -> None:
    listed = [
        {"Labels": {"io.kubernetes.pod.uid": "u1"}, "Mounts": [{"Source": "/r/pods/u1/etc-hosts"}, {"Source": "/data"}]},
        {"Labels": {"io.kubernetes.pod.uid": "u2"}, "Mounts": [{"Source": "/r/pods/u1/x"}]},
    ]
    assert pod_folders(listed) == {"/r/pods/u1"}


def test_a_resize_without_memory_limit_leaves_it_alone() -> None:
    assert config.update_arguments(Resources(cpu_shares=20)) == {"cpu_shares": 20, "cpu_quota": -1, "cpu_period": 100_000}
    limited = config.update_arguments(Resources(cpu_shares=20, cpu_quota=5000, memory_limit=64 << 20))
    assert limited == {
        "cpu_shares": 20, "cpu_quota": 5000, "cpu_period": 100_000, "mem_limit": 64 << 20, "memswap_limit": 64 << 20,
    }  # fmt: skip
