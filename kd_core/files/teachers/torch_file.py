"""Tensors of files of ``torch.save``, which are pickles and of which nothing but tensors is read."""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from kd_core.files import limited_process
from kd_core.files.limits import RefusedError, quoted
from kd_core.files.uploads.file_type import is_safetensors

MAX_BYTES = 2_000_000_000
MAX_ENTRIES = 100_000
STATE = "state.safetensors"  # written by the limited process
# Keys of checkpoints under which the weights stand, in the order of preference.
WRAPPINGS = ("state_dict", "model_state_dict", "model", "network", "net", "weights", "params", "module")
LEGACY_PICKLES = 5  # a file of torch before 1.6 begins with so many pickles
# What tensors are made of. Everything else could run a program.
HARMLESS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor|tensor_v2|parameter|parameter_with_state)|torch Size|"
    r"torch \w+Storage|torch\.storage (_Typed|Typed|_Untyped|Untyped)Storage|torch device|"
    r"torch (float|bfloat|int|uint|complex)\d+|torch bool|"
    r"torch\.nn\.parameter Parameter|torch\.serialization _get_layout"
)
OPAQUE = {"STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"}  # opcodes that name a function in another way
CONVERT = (
    "convert it where you trust it: state = torch.load(FILE, weights_only=False), then "
    'safetensors.torch.save_file(state, "teacher.safetensors"), with state.state_dict() for a whole network.'
)


def is_torch_file(blob: bytes) -> bool:
    """Return whether a file begins like one of ``torch.save``; the newer ones are ZIP archives with a pickle."""
    if blob[:1] == b"\x80":
        return not is_safetensors(blob)
    return zipfile.is_zipfile(io.BytesIO(blob)) and any(name.endswith("/data.pkl") for name in _names(blob))


def read_state(blob: bytes) -> dict[str, Tensor]:
    """Return the tensors of a state dict by name, also from inside a checkpoint.

    The pickle is searched for functions before it is read, and then read by ``torch.load(weights_only=True)`` in a
    process with limits of memory and time. Raises RefusedError.
    """
    import tempfile

    from safetensors.torch import load_file

    check_pickle(blob)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file.pt").write_bytes(blob)
        try:
            limited_process.call("kd_core.files.teachers.torch_file:convert", folder=folder)
            return load_file(folder / STATE)
        except limited_process.LimitError as error:
            raise RefusedError(f"torch cannot read it ({error}): {CONVERT}") from error
        except ValueError as error:
            raise RefusedError(str(error)) from error


def check_pickle(blob: bytes) -> None:
    """Raise RefusedError unless every pickle of a file of ``torch.save`` names nothing but what tensors are made of."""
    if blob[:1] == b"\x80":
        file, pickles = io.BytesIO(blob), LEGACY_PICKLES
    else:
        names = _names(blob)
        if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
            raise RefusedError(
                "it is a TorchScript program, which is not read: export it with torch.export, or give a state dict."
            )
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            file, pickles = io.BytesIO(archive.read(next(name for name in names if name.endswith("/data.pkl")))), 1
    for function in _functions(file, pickles):
        if not HARMLESS.fullmatch(function):
            raise RefusedError(
                f"it holds more than tensors ({quoted(function.replace(' ', '.'))}), which could run any program: "
                f"{CONVERT}"
            )


def _functions(file: io.BytesIO, pickles: int) -> Iterator[str]:
    """Yield the functions and classes that the pickles name, as "module name", without running anything."""
    for _ in range(pickles):
        try:
            for opcode, argument, _ in pickletools.genops(file):
                if opcode.name == "GLOBAL":
                    yield str(argument)
                elif opcode.name in OPAQUE:
                    yield f"pickle {opcode.name}"
        except Exception as error:  # genops raises whatever its readers do
            raise RefusedError("its pickle is damaged: save it again.") from error


def _names(blob: bytes) -> list[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise RefusedError("its end is missing, or it is damaged: save it again.") from error
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):  # torch stores, and a bomb would not
        raise RefusedError("its members are compressed, as torch.save never does: save it again.")
    if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise RefusedError(f"it unpacks to more than {MAX_BYTES / 1e9:g} GB or {MAX_ENTRIES:,} files: give less.")
    return [entry.filename for entry in entries]


def convert(folder: Path) -> str:
    """Write the tensors of file.pt as safetensors. Runs in the limited process. Raises ValueError with a sentence."""
    try:
        content = torch.load(folder / "file.pt", map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"torch cannot read it as weights ({type(error).__name__}): {CONVERT}") from None
    state = state_of(content)
    save_file({key: value.detach().clone().contiguous() for key, value in state.items()}, folder / STATE)
    return ""


def state_of(content: Any) -> dict[str, Tensor]:
    """Return the state dict in a checkpoint, or the content itself. Raises ValueError if there is none."""
    while isinstance(content, Mapping):
        inner = next((content[key] for key in WRAPPINGS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            state = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
            if state and len(state) == len(content):
                return state
            break
        content = inner
    raise ValueError(f"it holds no state dict, tensors by name, at its top or under {', '.join(WRAPPINGS[:3])}.")
