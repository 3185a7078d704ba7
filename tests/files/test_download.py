"""Tests of downloads from local hosts with the faults of real ones."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kd_core.__main__ import main
from kd_core.base.registry import find_plugin
from kd_core.cli.output import ProgressLine
from kd_core.files import download
from kd_core.files.download import RemoteFile, download_file
from kd_core.files.lock import folder_lock
from tools.testing.dataset_files import Published
from tools.testing.http_server import Host

CONTENT = bytes(range(256)) * 4096  # 1 MiB
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host({"data.bin": CONTENT})
    yield host
    host.close()


def unused_address() -> str:
    """Return an address where no server listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def ignore(*_: object) -> None:
    pass


def remote_file(*hosts: str, md5: str = MD5) -> RemoteFile:
    return RemoteFile("data.bin", tuple(f"{url}data.bin" for url in hosts), md5)


def test_a_file_is_downloaded_with_progress(host: Host, tmp_path: Path) -> None:
    reports: list[tuple[str, int, int]] = []
    path = download_file(remote_file(host.url), tmp_path, lambda *report: reports.append(report))
    assert path == tmp_path / "data.bin"
    assert path.read_bytes() == CONTENT
    assert reports[0] == ("data.bin", 0, len(CONTENT))
    assert reports[-1] == ("data.bin", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in reports] == sorted(done for _, done, _ in reports)


def test_a_complete_file_is_not_downloaded_again_and_a_damaged_one_is(host: Host, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(CONTENT)
    download_file(remote_file(host.url), tmp_path, ignore)
    assert host.requests == []
    (tmp_path / "data.bin").write_bytes(CONTENT[:-1] + b"x")
    assert download_file(remote_file(host.url), tmp_path, ignore).read_bytes() == CONTENT
    assert host.requests == [("data.bin", "")]


def test_an_incomplete_file_is_resumed_where_it_stopped(host: Host, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:700_000])
    reports: list[int] = []
    download_file(remote_file(host.url), tmp_path, lambda _, done, __: reports.append(done))
    assert host.requests == [("data.bin", "bytes=700000-")]
    assert reports[0] == 700_000
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_broken_connection_is_resumed_in_the_same_call(host: Host, tmp_path: Path) -> None:
    host.cut_after = [300_000, 300_000]
    assert download_file(remote_file(host.url), tmp_path, ignore).read_bytes() == CONTENT
    assert host.requests == [("data.bin", ""), ("data.bin", "bytes=300000-"), ("data.bin", "bytes=600000-")]


def test_a_cancelled_download_is_resumed_by_the_next_call(host: Host, tmp_path: Path) -> None:
    class CancelledError(Exception):
        pass

    def cancel(_: str, done: int, __: int) -> None:
        if done:
            raise CancelledError

    with pytest.raises(CancelledError):
        download_file(remote_file(host.url), tmp_path, cancel)
    size = (tmp_path / "data.bin.part").stat().st_size
    assert 0 < size < len(CONTENT)
    assert download_file(remote_file(host.url), tmp_path, ignore).read_bytes() == CONTENT
    assert host.requests[-1] == ("data.bin", f"bytes={size}-")


def test_a_host_without_ranges_starts_over(host: Host, tmp_path: Path) -> None:
    host.supports_ranges = False
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:700_000])
    assert download_file(remote_file(host.url), tmp_path, ignore).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"x" * 1000, CONTENT + b"more"], ids=["another beginning", "too long"])
def test_a_part_of_another_file_is_discarded_and_the_file_downloaded(
    host: Host, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "data.bin.part").write_bytes(content)
    assert download_file(remote_file(host.url), tmp_path, ignore).read_bytes() == CONTENT


def test_a_part_that_is_already_complete_is_accepted(host: Host, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    assert download_file(remote_file(host.url), tmp_path, ignore).read_bytes() == CONTENT


def test_a_file_with_a_wrong_checksum_is_removed_and_reported(host: Host, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^data\.bin could not be downloaded: 127\.0\.0\.1 sent .* another checksum .*\.$"
    ):
        download_file(remote_file(host.url, md5="0" * 32), tmp_path, ignore)
    assert list(tmp_path.iterdir()) == []
    assert len(host.requests) == 1


def test_the_second_mirror_is_used_after_each_kind_of_failure_of_the_first(host: Host, tmp_path: Path) -> None:
    bad = Host({"data.bin": b"something else"})
    for url in (unused_address(), bad.url, f"{bad.url}no/such/"):
        folder = tmp_path / hashlib.md5(url.encode()).hexdigest()
        folder.mkdir()
        assert download_file(remote_file(url, host.url), folder, ignore).read_bytes() == CONTENT
    bad.close()


def test_a_server_error_is_retried_and_a_refusal_is_not(host: Host, tmp_path: Path) -> None:
    host.status_codes = [503, 500]
    assert download_file(remote_file(host.url), tmp_path, ignore).read_bytes() == CONTENT
    host.requests.clear()
    host.status_codes = [403]
    with pytest.raises(ValueError, match=r"127\.0\.0\.1 answered 403 \(Forbidden\)"):
        download_file(RemoteFile("other.bin", (f"{host.url}other.bin",), MD5), tmp_path, ignore)
    assert len(host.requests) == 1


def test_the_error_without_a_connection_names_the_host_and_the_reason(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^There is no connection to 127\.0\.0\.1: Connection refused\. The digits, .*\.$"
    ):
        download_file(remote_file(unused_address()), tmp_path, ignore)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_host_that_does_not_answer_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(ValueError, match=r"no connection to 127\.0\.0\.1: no answer within 0 seconds"):
            download_file(remote_file(url), tmp_path, ignore)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/data.bin", "data.bin", "http:///data.bin"])
def test_only_http_addresses_with_a_host_are_accepted(url: str) -> None:
    with pytest.raises(ValueError, match="only from addresses that begin with https:// or http://"):
        RemoteFile("data.bin", (url,), MD5)


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/data.bin"])
def test_a_redirection_to_another_scheme_is_not_followed(host: Host, tmp_path: Path, target: str) -> None:
    host.redirects = {"data.bin": target}
    with pytest.raises(ValueError, match=r"could not be downloaded|no connection"):
        download_file(remote_file(host.url), tmp_path, ignore)
    assert list(tmp_path.iterdir()) == []


def test_a_redirection_to_another_http_address_is_followed(host: Host, tmp_path: Path) -> None:
    host.redirects = {"old.bin": f"{host.url}data.bin"}
    assert download_file(RemoteFile("data.bin", (f"{host.url}old.bin",), MD5), tmp_path, ignore).read_bytes() == CONTENT


def test_a_full_disk_is_reported_before_and_during_the_download(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(ValueError, match=r"The disk is full: data\.bin needs 1 MB, and 1 kB are left"):
            download_file(remote_file(host.url), tmp_path, ignore)
    if not Path("/dev/full").exists():
        return
    (tmp_path / "data.bin.part").symlink_to("/dev/full")
    with pytest.raises(
        ValueError, match=r"^The disk is full: data\.bin does not fit into the .* left beside the data\.$"
    ):
        download_file(remote_file(host.url), tmp_path, ignore)


def test_threads_that_download_the_same_file_share_it(host: Host, tmp_path: Path) -> None:
    host.cut_after = [100_000]
    contents: list[bytes] = []

    def download_once() -> None:
        with folder_lock(tmp_path):
            contents.append(download_file(remote_file(host.url), tmp_path, ignore).read_bytes())

    threads = [threading.Thread(target=download_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert contents == [CONTENT] * 4
    assert len(host.requests) == 2  # once, and the rest of it


def test_a_data_set_is_fetched_from_the_terminal_and_then_is_here(
    tiny: dict[str, Published], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    kmnist = find_plugin("datasets", "kmnist")()
    host = Host(tiny["kmnist"].files)
    monkeypatch.setattr(kmnist.torchvision_class, "mirrors", [f"{host.url}KMNIST/"])
    host.cut_after = [100]
    assert main(["fetch", "kmnist"]) == 0
    assert capsys.readouterr().out.endswith("Kuzushiji-MNIST is on this machine now. Licence: CC BY-SA 4.0.\n")
    assert len(kmnist.load().train) == 230
    host.close()
    assert main(["fetch", "kmnist", "digits"]) == 0
    expected = "Kuzushiji-MNIST is on this machine already.\nHandwritten digits is on this machine already.\n"
    assert capsys.readouterr().out == expected


def test_a_failed_fetch_leaves_what_arrived_and_ends_with_one(
    tiny: dict[str, Published], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    svhn = find_plugin("datasets", "svhn")()
    host = Host({"train_32x32.mat": tiny["svhn"].files["train_32x32.mat"]})
    listed = {key: [f"{host.url}{name}", name, md5] for key, (_, name, md5) in _svhn().split_list.items()}
    monkeypatch.setattr(_svhn(), "split_list", listed)
    assert main(["fetch", "svhn"]) == 1
    assert "svhn: test_32x32.mat could not be downloaded: 127.0.0.1 answered 404" in capsys.readouterr().err
    assert not svhn.is_available()
    host.files |= tiny["svhn"].files
    host.requests.clear()
    assert main(["fetch", "svhn"]) == 0
    assert [name for name, _ in host.requests] == ["test_32x32.mat"]
    assert svhn.is_available()
    host.close()


def test_an_unknown_name_is_answered_before_anything_is_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "mnist", "nothing"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert 'fetch = "nothing": choose one of ' in output.err


def _svhn() -> type:
    from torchvision.datasets import SVHN  # takes seconds to import, and few tests here need it

    return SVHN


def test_the_list_says_what_is_to_be_fetched_and_under_which_terms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    listed = {choice["name"]: choice for choice in json.loads(capsys.readouterr().out)["datasets"]}
    assert listed["digits"]["size"] == 0
    assert listed["cifar10"]["size"] == 170_498_071
    assert listed["svhn"]["licence"] == "non-commercial use only"
    assert main(["list", "cifar10"]) == 0
    described = capsys.readouterr().out
    assert "170 MB" in described
    assert "Krizhevsky, Nair & Hinton, 2009" in described


def test_a_terminal_shows_one_line_that_moves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    line = ProgressLine()
    for done in (0, 4_000_000, 4_000_001, 8_000_000):
        line.download("data.bin", done, 8_000_000)
    line.end()
    expected = [f"data.bin: {part}\u00a0% of 8 MB" for part in (0, 50, 100)]
    assert [part.rstrip() for part in capsys.readouterr().out.split("\r")] == ["", *expected]
