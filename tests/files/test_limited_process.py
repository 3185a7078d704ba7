"""Function calls in a process of their own with limits."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kd_core.files import limited_process
from kd_core.files.limited_process import LimitError, call

HERE = "tests.files.test_limited_process"


def describe(folder: Path, text: str) -> str:
    Path("written").write_text("x", encoding="utf-8")
    return f"{text} {Path.cwd() == folder.resolve()} {sorted(os.environ)} {os.getpid()}"


def refuse(_: Path) -> str:
    raise ValueError("it is refused.")


def take(_: Path, size: int) -> str:
    return str(len(bytes(size)))


def end(_: Path) -> str:
    os._exit(3)


def test_a_call_gets_its_arguments_and_nothing_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "x")
    result = call(f"{HERE}:describe", "text", folder=tmp_path)
    assert result.startswith("text True ")
    assert "SECRET" not in result
    assert not result.endswith(str(os.getpid()))
    assert (tmp_path / "written").exists()


def test_a_refusal_arrives_with_its_sentence() -> None:
    with pytest.raises(ValueError, match=r"^it is refused\.$"):
        call(f"{HERE}:refuse")


def test_a_process_that_ends_is_an_error() -> None:
    with pytest.raises(LimitError, match="crash"):
        call(f"{HERE}:end")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_memory_is_limited() -> None:
    assert call(f"{HERE}:take", 10_000_000, memory=100_000_000) == "10000000"
    with pytest.raises(LimitError, match="MemoryError"):
        call(f"{HERE}:take", 200_000_000, memory=100_000_000)


def test_time_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited_process, "SECONDS", 0.05)
    with pytest.raises(LimitError, match="s, or a crash"):
        call(f"{HERE}:describe", "text")
