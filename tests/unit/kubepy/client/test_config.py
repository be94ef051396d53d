"""Kubeconfig loading: merging, relative paths, inline data, identities, errors."""

import base64
from pathlib import Path

import pytest
import yaml

from kubepy.client.config import ConfigError, in_cluster, load


def write(path: Path, **sections: object) -> Path:
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **sections}))
    return path


def entry(section: str, name: str, **fields: object) -> dict[str, object]:
    return {"name": name, section: fields}


def basic(tmp_path: Path, *, user: dict[str, object] | None = None, cluster: dict[str, object] | None = None) -> Path:
    return write(
        tmp_path / "config",
        **{"current-context": "c"},
        clusters=[entry("cluster", "k", server="https://h:1/", **(cluster or {}))],
        users=[entry("user", "u", **(user or {}))],
        contexts=[entry("context", "c", cluster="k", user="u", namespace="team")],
    )


def test_server_namespace_and_token(tmp_path: Path) -> None:
    config = load(basic(tmp_path, user={"token": "t"}))
    assert (config.server, config.namespace, config.token, config.context) == ("https://h:1", "team", "t", "c")


def test_inline_data_goes_before_files_and_files_are_relative(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"file")
    (tmp_path / "cert.pem").write_bytes(b"cert")
    inline = base64.b64encode(b"inline").decode()
    config = load(
        basic(
            tmp_path,
            cluster={"certificate-authority": "ca.pem", "certificate-authority-data": inline},
            user={"client-certificate": "cert.pem", "client-key-data": inline},
        )
    )
    assert (config.ca, config.certificate, config.key) == (b"inline", b"cert", b"inline")


def test_several_files_merge_and_the_first_wins(tmp_path: Path) -> None:
    one = write(tmp_path / "1", **{"current-context": "c"}, contexts=[entry("context", "c", cluster="k", user="u")])
    two = write(
        tmp_path / "2", **{"current-context": "x"}, clusters=[entry("cluster", "k", server="https://two")], users=[entry("user", "u")]
    )
    three = write(tmp_path / "3", clusters=[entry("cluster", "k", server="https://three")])
    assert load(env={"KUBECONFIG": f"{one}:{two}:{three}:{tmp_path}/absent"}).server == "https://two"


def test_impersonation_and_exec(tmp_path: Path) -> None:
    user = {
        "as": "alice", "as-groups": ["dev", "ops"], "as-user-extra": {"scope": ["a"]},
        "exec": {"command": "get-token", "args": ["-x"], "env": [{"name": "A", "value": "B"}]},
    }  # fmt: skip
    config = load(basic(tmp_path, user=user))
    assert config.impersonate == (
        ("Impersonate-User", "alice"), ("Impersonate-Group", "dev"), ("Impersonate-Group", "ops"), ("Impersonate-Extra-scope", "a"),
    )  # fmt: skip
    assert config.exec_plugin is not None
    assert (config.exec_plugin.command, config.exec_plugin.args, config.exec_plugin.env) == ("get-token", ("-x",), (("A", "B"),))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"current-context": "c"}, 'context "c" does not exist'),
        ({}, "no current-context"),
        ({"current-context": "c", "contexts": [entry("context", "c", cluster="k")]}, 'cluster "k" does not exist'),
        (
            {"current-context": "c", "contexts": [entry("context", "c", cluster="k")], "clusters": [entry("cluster", "k")]},
            "names no server",
        ),
    ],
)
def test_unusable_files_say_why(tmp_path: Path, sections: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(write(tmp_path / "config", **sections))


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration"):
        load(env={"HOME": str(tmp_path)})


def test_in_cluster(tmp_path: Path) -> None:
    for name, text in (("ca.crt", "CA"), ("token", "T"), ("namespace", "ns\n")):
        (tmp_path / name).write_text(text)
    config = in_cluster({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}, tmp_path)
    assert (config.server, config.ca, config.namespace, config.token_file) == ("https://[fd00::1]:6443", b"CA", "ns", tmp_path / "token")
