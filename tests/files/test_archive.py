"""Tests of the extraction of archives, hostile and damaged ones included."""

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

OUTSIDE = ["../out.txt", "/out.txt", "a/../../out.txt", "C:\\out.txt", "..\\out.txt", "\\\\host\\out.txt"]


def ignore(*_: object) -> None:
    pass


def write_tar(path: Path, *members: tuple[str, bytes | str, bytes]) -> Path:
    """Members of name, kind (a type, or regular) and content or target."""
    with tarfile.open(path, "w:gz") as archive:
        for name, member_type, content in members:
            member = tarfile.TarInfo(name)
            if member_type:
                member.type = member_type  # type: ignore[assignment]
                member.linkname = content.decode()
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def read_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    return tmp_path / "inner"


def test_a_tar_archive_is_extracted_with_progress(tmp_path: Path, folder: Path) -> None:
    archive = write_tar(
        tmp_path / "a.tar.gz", ("./", tarfile.DIRTYPE, b""), ("./one/two.txt", b"", b"2"), ("three", b"", b"3")
    )
    reports: list[tuple[str, int, int]] = []
    extract(archive, folder, lambda *report: reports.append(report))
    assert read_files(folder) == {"one/two.txt": b"2", "three": b"3"}
    assert reports[-1] == ("unpacking a.tar.gz", archive.stat().st_size, archive.stat().st_size)


def test_only_the_wanted_members_are_written(tmp_path: Path, folder: Path) -> None:
    archive = write_tar(tmp_path / "a.tgz", ("keep.txt", b"", b"1"), ("drop.bin", b"", b"2"))
    extract(archive, folder, ignore, keep=lambda name: name.endswith(".txt"))
    assert read_files(folder) == {"keep.txt": b"1"}


def test_a_zip_archive_is_extracted_and_gzip_files_in_it_are_unpacked(tmp_path: Path, folder: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("folder/plain.txt", b"1")
        archive.writestr("folder/packed.txt.gz", gzip.compress(b"2"))
    extract(tmp_path / "a.zip", folder, ignore)
    assert read_files(folder) == {"folder/plain.txt": b"1", "folder/packed.txt": b"2"}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_path_outside_the_folder_in_a_tar_archive_is_refused(name: str, tmp_path: Path, folder: Path) -> None:
    archive = write_tar(tmp_path / "a.tar.gz", ("good.txt", b"", b"1"), (name, b"", b"bad"))
    with pytest.raises(ValueError, match=r"a\.tar\.gz holds a file that would be written outside"):
        extract(archive, folder, ignore)
    assert set(read_files(tmp_path)) <= {"a.tar.gz", "inner/good.txt"}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_path_outside_the_folder_in_a_zip_archive_is_refused(name: str, tmp_path: Path, folder: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, b"bad")
    with pytest.raises(ValueError, match="written outside its folder"):
        extract(tmp_path / "a.zip", folder, ignore)
    assert set(read_files(tmp_path)) == {"a.zip"}


@pytest.mark.parametrize("member_type", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_archive_are_refused(member_type: bytes, tmp_path: Path, folder: Path) -> None:
    archive = write_tar(tmp_path / "a.tar.gz", ("link", member_type, b"/etc"), ("link/passwd", b"", b"bad"))
    with pytest.raises(ValueError, match="holds a link or a device"):
        extract(archive, folder, ignore)
    assert read_files(folder) == {}


def test_a_link_in_a_zip_archive_is_refused(tmp_path: Path, folder: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match="holds a link or a device"):
        extract(tmp_path / "a.zip", folder, ignore)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip", "a.gz"])
def test_an_archive_larger_than_the_limit_is_refused(name: str, tmp_path: Path, folder: Path) -> None:
    path, bomb = tmp_path / name, bytes(5_000_000)
    if name == "a.zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb", bomb)
    elif name == "a.gz":
        path.write_bytes(gzip.compress(bomb))
    else:
        write_tar(path, ("bomb", b"", bomb))
    assert path.stat().st_size < 20_000
    with pytest.raises(ValueError, match="holds more than may be unpacked"):
        extract(path, folder, ignore, largest=1_000_000)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip", "a.gz", "a.tgz"])
def test_a_damaged_archive_is_refused_in_one_sentence(name: str, tmp_path: Path, folder: Path) -> None:
    (tmp_path / name).write_bytes(b"this is no archive at all" * 100)
    with pytest.raises(ValueError, match=rf"^{name} is damaged \(.*\): download it again\.$"):
        extract(tmp_path / name, folder, ignore)


def test_a_hostile_archive_of_a_data_set_leaves_no_extracted_file(
    tiny: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive has the expected checksum, but a member that leads out of the folder."""
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "home"))
    path = write_tar(
        tmp_path / "a.tgz", ("imagenette2-160/train/n01440764/1.JPEG", b"", b"x"), ("../../../out", b"", b"bad")
    )
    host = Host({"a.tgz": path.read_bytes()})
    dataset = find_plugin("datasets", "imagenette")()
    from torchvision.datasets import Imagenette  # takes seconds to import

    monkeypatch.setattr(Imagenette, "_ARCHIVES", {"160px": (f"{host.url}a.tgz", md5(path.read_bytes()))})
    with pytest.raises(ValueError, match="written outside its folder"):
        dataset.download(ignore)
    assert not dataset.is_available()
    assert sorted(read_files(tmp_path)) == [
        "a.tgz", "home/datasets/imagenette/.lock", "home/datasets/imagenette/imagenette2-160.tgz",
    ]  # fmt: skip
    assert {path.name for path in (tmp_path / "home/datasets/imagenette").iterdir()} == {".lock", "imagenette2-160.tgz"}
    host.close()
