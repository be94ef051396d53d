"""An image's files on the disk."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from kubelet.runtime.docker import unpack


class Engine:
    def __init__(self, data: bytes, step: int) -> None:
        self.data, self.step = data, step

    def export(self, container: str) -> Iterator[bytes]:
        assert container == "c"
        return (self.data[i : i + self.step] for i in range(0, len(self.data), self.step))


def test_files_links_and_modes_survive_whatever_the_pieces(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, link in ((".dockerenv", tarfile.REGTYPE, ""), ("d", tarfile.DIRTYPE, ""), ("null", tarfile.CHRTYPE, "")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, link, 0o755
            tar.addfile(info)
        info = tarfile.TarInfo("d/f")
        info.size, info.mode = 5, 0o750
        tar.addfile(info, io.BytesIO(b"hello"))
        info = tarfile.TarInfo("l")
        info.type, info.linkname = tarfile.SYMTYPE, "/d/f"
        tar.addfile(info)
    for step in (100, 7000):
        into = tmp_path / str(step)
        into.mkdir()
        unpack.export(Engine(out.getvalue(), step), "c", into)
        assert sorted(p.name for p in into.rglob("*")) == ["d", "f", "l"]
        assert (into / "d/f").read_text() == "hello" and (into / "d/f").stat().st_mode & 0o777 == 0o750
        assert (into / "l").readlink() == Path("/d/f")
