"""Archives that mean no good are left packed."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from kd_core.base.registry import find_plugin
from kd_core.files.archive import extract
from tools.testing.dataset_files import md5
from tools.testing.http_server import Host

OUT = ["../out.txt", "/out.txt", "a/../../out.txt", "C:\\out.txt", "..\\out.txt", "\\\\host\\out.txt"]


def silent(*_: object) -> None:
    pass


def tar(path: Path, *members: tuple[str, bytes | str, bytes]) -> Path:
    """Members of name, kind (a type, or regular) and content or target."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            if kind:
                member.type = kind  # type: ignore[assignment]
                member.linkname = content.decode()
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def inner(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    return tmp_path / "inner"


def test_a_tar_archive_gives_its_files_and_says_how_far_it_is(tmp_path: Path, inner: Path) -> None:
    archive = tar(
        tmp_path / "a.tar.gz", ("./", tarfile.DIRTYPE, b""), ("./one/two.txt", b"", b"2"), ("three", b"", b"3")
    )
    said: list[tuple[str, int, int]] = []
    extract(archive, inner, lambda *now: said.append(now))
    assert files(inner) == {"one/two.txt": b"2", "three": b"3"}
    assert said[-1] == ("unpacking a.tar.gz", archive.stat().st_size, archive.stat().st_size)


def test_only_what_is_wanted_is_written(tmp_path: Path, inner: Path) -> None:
    archive = tar(tmp_path / "a.tgz", ("keep.txt", b"", b"1"), ("drop.bin", b"", b"2"))
    extract(archive, inner, silent, keep=lambda name: name.endswith(".txt"))
    assert files(inner) == {"keep.txt": b"1"}


def test_a_zip_archive_gives_its_files_and_unpacks_those_that_are_packed(tmp_path: Path, inner: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("folder/plain.txt", b"1")
        archive.writestr("folder/packed.txt.gz", gzip.compress(b"2"))
    extract(tmp_path / "a.zip", inner, silent)
    assert files(inner) == {"folder/plain.txt": b"1", "folder/packed.txt": b"2"}


@pytest.mark.parametrize("name", OUT)
def test_a_member_of_a_tar_archive_that_leads_out_is_refused(name: str, tmp_path: Path, inner: Path) -> None:
    archive = tar(tmp_path / "a.tar.gz", ("good.txt", b"", b"1"), (name, b"", b"bad"))
    with pytest.raises(ValueError, match=r"a\.tar\.gz holds a file that would be written outside"):
        extract(archive, inner, silent)
    assert set(files(tmp_path)) <= {"a.tar.gz", "inner/good.txt"}


@pytest.mark.parametrize("name", OUT)
def test_a_member_of_a_zip_archive_that_leads_out_is_refused(name: str, tmp_path: Path, inner: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, b"bad")
    with pytest.raises(ValueError, match="written outside its folder"):
        extract(tmp_path / "a.zip", inner, silent)
    assert set(files(tmp_path)) == {"a.zip"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(kind: bytes, tmp_path: Path, inner: Path) -> None:
    archive = tar(tmp_path / "a.tar.gz", ("link", kind, b"/etc"), ("link/passwd", b"", b"bad"))
    with pytest.raises(ValueError, match="holds a link or a device"):
        extract(archive, inner, silent)
    assert files(inner) == {}


def test_a_link_in_a_zip_archive_is_refused(tmp_path: Path, inner: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match="holds a link or a device"):
        extract(tmp_path / "a.zip", inner, silent)


@pytest.mark.parametrize("ending", ["a.tar.gz", "a.zip", "a.gz"])
def test_an_archive_that_unpacks_to_far_more_is_stopped(ending: str, tmp_path: Path, inner: Path) -> None:
    path, bomb = tmp_path / ending, bytes(5_000_000)
    if ending == "a.zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb", bomb)
    elif ending == "a.gz":
        path.write_bytes(gzip.compress(bomb))
    else:
        tar(path, ("bomb", b"", bomb))
    assert path.stat().st_size < 20_000
    with pytest.raises(ValueError, match="holds more than may be unpacked"):
        extract(path, inner, silent, largest=1_000_000)


@pytest.mark.parametrize("ending", ["a.tar.gz", "a.zip", "a.gz", "a.tgz"])
def test_a_damaged_archive_is_one_sentence(ending: str, tmp_path: Path, inner: Path) -> None:
    (tmp_path / ending).write_bytes(b"this is no archive at all" * 100)
    with pytest.raises(ValueError, match=rf"^{ending} is damaged \(.*\): download it again\.$"):
        extract(tmp_path / ending, inner, silent)


def test_a_bad_archive_leaves_nothing_half_unpacked(
    tiny: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a whole data set: the archive has the checksum that was promised, and means no good."""
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "home"))
    path = tar(tmp_path / "a.tgz", ("imagenette2-160/train/n01440764/1.JPEG", b"", b"x"), ("../../../out", b"", b"bad"))
    host = Host({"a.tgz": path.read_bytes()})
    dataset = find_plugin("datasets", "imagenette")()
    from torchvision.datasets import Imagenette  # takes seconds to import

    monkeypatch.setattr(Imagenette, "_ARCHIVES", {"160px": (f"{host.url}a.tgz", md5(path.read_bytes()))})
    with pytest.raises(ValueError, match="written outside its folder"):
        dataset.download(silent)
    assert not dataset.is_available()
    assert sorted(files(tmp_path)) == [
        "a.tgz", "home/datasets/imagenette/.lock", "home/datasets/imagenette/imagenette2-160.tgz",
    ]  # fmt: skip
    assert {path.name for path in (tmp_path / "home/datasets/imagenette").iterdir()} == {".lock", "imagenette2-160.tgz"}
    host.close()
