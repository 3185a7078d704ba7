"""Tests of the locks on folders, with other processes and on disks that refuse to be written."""

from __future__ import annotations

import contextlib
import errno
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kd_core.files.lock import folder_lock, lock_data_folder

HOLDER = """
import sys, time
from pathlib import Path
from kd_core.files.lock import {function}
lock = {function}(Path(sys.argv[1]))
{enter}
print("locked", flush=True)
time.sleep(60)
"""


def start_holder(function: str, folder: Path, enter: str = "") -> subprocess.Popen[str]:
    """Return another process that holds the lock of ``folder``."""
    source = HOLDER.format(function=function, enter=enter)
    process = subprocess.Popen([sys.executable, "-c", source, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("A small disk cannot be mounted here.")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_data_folder_is_locked_until_the_other_process_ends_even_if_it_is_killed(tmp_path: Path) -> None:
    other = start_holder("lock_data_folder", tmp_path / "data")
    with pytest.raises(ValueError, match=r"^Another Distillery is using the folder data\. .*DISTILLERY_DATA\.$"):
        lock_data_folder(tmp_path / "data")
    end(other)
    lock_data_folder(tmp_path / "data").release()


def test_a_data_folder_is_locked_against_the_same_process_until_it_is_released(tmp_path: Path) -> None:
    lock = lock_data_folder(tmp_path)
    with pytest.raises(ValueError, match="Another Distillery"):
        lock_data_folder(tmp_path)
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    lock_data_folder(tmp_path).release()


def test_a_data_folder_on_a_full_disk_can_be_locked(small_disk: Path) -> None:
    with (small_disk / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(small_disk).free == 0
    lock = lock_data_folder(small_disk)
    with pytest.raises(ValueError, match="Another Distillery"):
        lock_data_folder(small_disk)
    lock.release()


def test_a_read_only_data_folder_is_refused_with_what_to_change(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(ValueError, match=r"^The folder disk cannot be written\. .*DISTILLERY_DATA\.$"):
        lock_data_folder(small_disk)
    with pytest.raises(ValueError, match=r"^disk cannot be written into the data folder: Read-only"):
        folder_lock(small_disk).__enter__()


def test_a_folder_that_cannot_be_made_is_reported_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ValueError, match=r"^mnist cannot be written into the data folder: Permission denied\.$"):
        folder_lock(tmp_path / "mnist").__enter__()


def test_a_waiting_thread_gets_the_folder_when_the_other_process_ends(tmp_path: Path) -> None:
    other = start_holder("folder_lock", tmp_path, "lock.__enter__()")
    entered = threading.Event()

    def wait_for_lock() -> None:
        with folder_lock(tmp_path):
            entered.set()

    thread = threading.Thread(target=wait_for_lock)
    thread.start()
    time.sleep(0.2)
    assert not entered.is_set()
    end(other)
    thread.join(10)
    assert entered.is_set()
