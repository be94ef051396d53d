"""Projected files are replaced all at once."""

from __future__ import annotations

from pathlib import Path

from kubelet.volumes import atomic
from kubelet.volumes.atomic import File


def shown(root: Path) -> dict[str, str]:
    """What an application sees."""
    return {p.name: p.read_text() for p in root.iterdir() if not p.name.startswith("..") and p.is_file()}


def test_writing_and_replacing(tmp_path: Path) -> None:
    assert atomic.write(tmp_path, {"a": File(b"1", 0o644), "d/b": File(b"2", 0o600)})
    first = (tmp_path / "..data").resolve()
    assert shown(tmp_path) == {"a": "1"} and (tmp_path / "d" / "b").read_text() == "2"
    assert (tmp_path / "d" / "b").stat().st_mode & 0o777 == 0o600
    assert not atomic.write(tmp_path, {"a": File(b"1", 0o644), "d/b": File(b"2", 0o600)})
    assert (tmp_path / "..data").resolve() == first
    assert atomic.write(tmp_path, {"a": File(b"new", 0o644)})
    assert shown(tmp_path) == {"a": "new"} and not (tmp_path / "d").exists() and not first.exists()


def test_a_mode_alone_is_a_change(tmp_path: Path) -> None:
    atomic.write(tmp_path, {"a": File(b"1", 0o644)})
    assert atomic.write(tmp_path, {"a": File(b"1", 0o400)})


def test_an_empty_volume_can_be_written(tmp_path: Path) -> None:
    assert atomic.write(tmp_path, {})
    assert shown(tmp_path) == {}
    assert atomic.write(tmp_path, {"a": File(b"1", 0o644)})
