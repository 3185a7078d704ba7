"""Files of torch.save, of which nothing but tensors is read."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from kd_core.files.limits import RefusedError
from kd_core.files.teachers import torch_file

STATE = nn.Linear(3, 2).state_dict()


def saved(content: Any, **more: Any) -> bytes:
    torch.save(content, file := io.BytesIO(), **more)
    return file.getvalue()


@pytest.mark.parametrize(
    "content", [STATE, {"epoch": 3, "state_dict": STATE, "optimizer": {"lr": 0.1}}, {"model": {"net": dict(STATE)}}]
)
def test_the_tensors_of_a_state_dict_are_read_from_inside_a_checkpoint(content: Any) -> None:
    state = torch_file.state_of(content)
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[key], STATE[key]) for key in STATE)


@pytest.mark.slow
def test_a_file_is_read_in_another_process() -> None:
    state = torch_file.read_state(saved({"state_dict": STATE}))
    assert all(torch.equal(state[key], STATE[key]) for key in STATE)


@pytest.mark.usefixtures("in_this_process")
def test_a_file_of_an_early_torch_is_read() -> None:
    blob = saved({"state_dict": STATE}, _use_new_zipfile_serialization=False)
    assert torch_file.is_torch_file(blob)
    assert all(torch.equal(value, STATE[key]) for key, value in torch_file.read_state(blob).items())


class Program:
    """Object whose pickle calls a function when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, Any]:
        return self.call


def programs(path: Path) -> dict[str, bytes]:
    """Return files that would each leave a file at ``path`` if they were loaded."""
    call = Program(os.mkdir, str(path))
    nested = Program(eval, f"__import__('os').mkdir({str(path)!r})")
    return {
        "of the system": saved({"state_dict": STATE, "x": call}),
        "evaluated": saved({"weight": nested}),
        "legacy": saved({"weight": call}, _use_new_zipfile_serialization=False),
        "protocol 4": saved({"weight": call}, pickle_protocol=4),
        "whole network": saved(nn.Linear(3, 2)),
    }


@pytest.mark.parametrize("kind", list(programs(Path("unused"))))
def test_a_file_with_a_program_is_refused_with_the_lines_that_convert_it_and_runs_nothing(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "left behind"
    with pytest.raises(RefusedError, match=r"(?s)more than tensors.*torch\.load.*save_file.*\.$") as refusal:
        torch_file.read_state(programs(path)[kind])
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_the_limited_process_would_not_run_it_either(tmp_path: Path) -> None:
    """The search for functions comes first; torch itself refuses the file as well."""
    (tmp_path / "file.pt").write_bytes(programs(tmp_path / "left behind")["of the system"])
    with pytest.raises(ValueError, match="torch cannot read it as weights"):
        torch_file.convert(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file.pt"]


def archive(method: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w", method) as target:
        for name, content in members.items():
            target.writestr(f"x/{name}", content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("blob", "sentence"),
    [
        (archive(**{"data.pkl": b"\x80\x02}.", "code/x.py": b"1", "constants.pkl": b"\x80\x02)."}), "TorchScript"),
        (archive(**{"data.pkl": b"\x80\x02}"}), "damaged"),
        (archive(zipfile.ZIP_DEFLATED, **{"data.pkl": b"\x80\x02}."}), "compressed"),
        (saved(STATE)[:-30], "end is missing"),
        (b"\x80\x02}q\x00.", "damaged"),
    ],
)
def test_what_is_no_state_dict_is_refused_in_a_sentence(blob: bytes, sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence):
        torch_file.check_pickle(blob)


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_file, "MAX_BYTES", 1_000_000)
    with pytest.raises(RefusedError, match="unpacks to more"):
        torch_file.check_pickle(archive(**{"data.pkl": b"\x80\x02}.", "data/0": bytes(2_000_000)}))
