"""Reader of files with teachers of every format, which executes nothing in them."""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kd_core.api.teachers.candidate import WEIGHTS, TeacherCandidate, class_order, has_names
from kd_core.base.options import options_of
from kd_core.base.registry import find_plugin, plugins
from kd_core.datasets import Data, Dataset, load
from kd_core.files import teachers
from kd_core.files.limits import RefusedError, printable, quoted
from kd_core.files.teachers import logits as logit_files
from kd_core.files.teachers import onnx_file, program, torch_file
from kd_core.models import Model
from kd_core.models._normalisation import CONVERSION, DATASET, parse_normalisation
from kd_core.models._python_modules import example_keys
from kd_core.nn import weights
from kd_core.nn.weights import hub
from kd_core.nn.weights.names import COUNTER

ACCEPTED = (
    "give weights (.safetensors, .pt, .pth), a program (.pt2), an ONNX file, logits (.npy, .npz, .csv, .parquet), or a "
    "folder with config.json and weights"
)
MAX_VARIANTS = 60  # of one family, that are compared with a file


def read_teacher(
    path: str | Path, blob: bytes | None, dataset: Dataset, model: Model | None = None, default: Model | None = None
) -> TeacherCandidate:
    """Read a file, whose content is ``blob`` if it is given, and return what was understood.

    Args:
        path: Name of the file, or of a folder with config.json and weights.
        blob: Its content.
        dataset: That it is to be used with.
        model: Network of the weights; None if it is to be recognised.
        default: Network that is tried first then.

    Raises:
        ValueError: with one sentence that begins with the name.
    """
    name, data = printable(Path(path).name)[-120:] or "teacher", load(dataset)
    folder = None
    try:
        if blob is None and Path(path).is_dir():
            folder = hub.read_folder(Path(path))
            blob = folder.weights
        elif blob is None:
            blob = Path(path).read_bytes()
        facts = (name, hashlib.sha256(blob).hexdigest())
        names = _archive_names(blob)
        if folder is None and hub.is_hub_archive(names) and not program.is_program(names):
            folder = hub.read_archive(blob)
        if folder is not None:
            return _from_folder(facts, folder, data, dataset.title, model)
        return _from_blob(facts, blob, names, data=data, dataset=dataset.title, models=(model, default))
    except RefusedError as error:
        raise ValueError(f"{name}: {error}") from error
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}.") from error


def _from_folder(
    facts: tuple[str, str], folder: hub.HubFolder, data: Data, dataset: str, model: Model | None
) -> TeacherCandidate:
    chosen = model or folder.model
    tensors, stated = _without_conversion(weights.read_tensors(folder.weights))
    state = weights.match(tensors, chosen, data.shape, len(data.classes))
    candidate = TeacherCandidate(*facts, WEIGHTS, data, dataset, chosen, state, folder.classes)
    order = class_order(folder.classes, data.classes) if has_names(folder.classes, data.classes) else ()
    return replace(candidate, normalisation=_stated(stated or folder.normalisation, data), order=order)


def _without_conversion(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Return tensors without those of a first layer that converts the inputs, and its normalisation as text."""
    rest = {key: value for key, value in tensors.items() if not key.startswith(f"{CONVERSION}.")}
    numbers = [tensors.get(f"{CONVERSION}.{name}") for name in ("mean", "std")]
    texts = [",".join(f"{number:.9g}" for number in value.tolist()) for value in numbers if value is not None]
    return rest, "/".join(texts) if len(texts) == 2 else ""


def _stated(normalisation: str, data: Data) -> str:
    """Return the normalisation that a file states, "dataset" if it is that of the data. Raises RefusedError."""
    if not normalisation or not data.has_images:
        return DATASET
    try:
        numbers = parse_normalisation(normalisation, data.shape[0])
    except ValueError as error:
        raise RefusedError(str(error)) from error
    of_data = [values * (data.shape[0] if len(values) == 1 else 1) for values in (data.mean, data.std)]
    is_own = numbers is None or all(
        abs(one - other) < 1e-4 for pair in zip(numbers, of_data, strict=True) for one, other in zip(*pair, strict=True)
    )
    return DATASET if is_own else normalisation


def _from_blob(
    facts: tuple[str, str],
    blob: bytes,
    names: list[str],
    *,
    data: Data,
    dataset: str,
    models: tuple[Model | None, Model | None],
) -> TeacherCandidate:
    suffix = Path(facts[0]).suffix.lower()
    shape, classes = data.shape, len(data.classes)
    if program.is_program(names):
        content = program.rewrite(blob)
        _check_outputs(program.examine(content, shape), classes)
        return TeacherCandidate(*facts, teachers.PROGRAM, data, dataset, None, {"file": teachers.as_tensor(content)})
    if suffix == ".onnx":
        _check_outputs(onnx_file.examine(blob, shape), classes)
        return TeacherCandidate(*facts, teachers.ONNX, data, dataset, None, {"file": teachers.as_tensor(blob)})
    is_table = blob.startswith((b"\x93NUMPY", b"PAR1")) or suffix in (".csv", ".tsv")
    if is_table or (names and all(name.endswith(".npy") for name in names)):
        return _table(facts, logit_files.read(facts[0], blob), data, dataset)
    if torch_file.is_torch_file(blob) or blob[8:9] == b"{" or suffix == ".safetensors":
        tensors, stated = _without_conversion(weights.read_tensors(blob))
        model, state = _match(tensors, data, *models)
        return TeacherCandidate(*facts, WEIGHTS, data, dataset, model, state, normalisation=_stated(stated, data))
    raise RefusedError(f"its kind is not known: {ACCEPTED}.")


def _archive_names(blob: bytes) -> list[str]:
    if not zipfile.is_zipfile(io.BytesIO(blob)):
        return []
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []


def _check_outputs(outputs: tuple[int, ...], classes: int) -> None:
    if outputs != (classes,):
        raise RefusedError(
            f"it returns {' × '.join(map(str, outputs))} numbers for an example, and these data have {classes} "
            "classes: give a teacher for these classes."
        )


def _table(facts: tuple[str, str], file: logit_files.LogitFile, data: Data, dataset: str) -> TeacherCandidate:
    """Return a table of logits whose rows have been assigned to the examples. Raises RefusedError."""
    classes, keys, rows = len(data.classes), [], []
    for split in logit_files.SPLITS:
        if split not in file.logits:
            continue
        logits, inputs = file.logits[split], data.splits[split].inputs
        if len(logits) != len(inputs):
            raise RefusedError(
                f"it has {len(logits):,} rows for {len(inputs):,} {split} examples: give one row for each, in their "
                "order."
            )
        if logits.shape[1] != classes:
            raise RefusedError(
                f"it has {logits.shape[1]:,} columns for {classes} classes: give one column for each, in their order."
            )
        keys.append(example_keys(inputs))
        rows.append(logits)
    order: tuple[int, ...] = ()
    if has_names(file.classes, data.classes):
        order = class_order(file.classes, data.classes)
    elif not all(name.strip().isdecimal() for name in file.classes):  # numbers are those of the columns
        missing = next((name for name in data.classes if name not in file.classes), "")
        raise RefusedError(
            f"its columns are called {quoted(', '.join(file.classes))}, and none is called {quoted(missing)}: give "
            "them the names of the classes, or none."
        )
    content = {"keys": torch.cat(keys), "logits": torch.cat(rows)}
    return TeacherCandidate(*facts, teachers.LOGITS, data, dataset, None, content, file.classes, order=order)


def _match(
    tensors: Mapping[str, Tensor], data: Data, model: Model | None, default: Model | None
) -> tuple[Model, dict[str, Tensor]]:
    """Return the network to which the tensors belong, and its state. Raises RefusedError."""
    shape, classes = data.shape, len(data.classes)
    if model is not None:
        return model, weights.match(tensors, model, shape, classes)
    first = default or find_plugin("models", "cnn" if data.has_images else "mlp")()
    assert isinstance(first, Model)
    refusal: RefusedError | None = None
    for candidate in itertools.chain([first], _variants(len(tensors), data)):
        try:
            return candidate, weights.match(tensors, candidate, shape, classes)
        except RefusedError as error:
            # The last layer alone differs where the network was trained on other classes.
            if refusal is None or "its last layer" in str(error):
                refusal = error
    assert refusal is not None
    if "its last layer" in str(refusal) or default is not None:
        raise refusal
    raise RefusedError(
        f"its network is not recognised among those here: choose the network. For {first.label()}, {refusal}"
    )


def _variants(count: int, data: Data) -> Iterator[Model]:
    """Yield the networks of all families, by their choices, that have so many tensors; torchvision's first."""
    families = sorted(plugins("models", outside=False).values(), key=_has_no_foreign_names)
    for cls in families:
        choices = {
            name: option.choices
            for name, option in options_of(cls).items()
            if option.kind == "choice" and name != "frozen"
        }
        for values in itertools.islice(itertools.product(*choices.values()), MAX_VARIANTS):
            model: Any = cls(**dict(zip(choices, values, strict=True)))
            if not model.data_refusal(data) and count in _tensor_counts(model, data.shape):
                yield model


def _has_no_foreign_names(cls: Any) -> bool:
    return bool(cls.foreign_names is Model.foreign_names)


@functools.cache
def _tensor_counts(model: Model, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the number of tensors of a network with and without the counters of batch normalisation."""
    with torch.device("meta"):
        state = model.build(shape, 2).state_dict()
    return len(state), sum(COUNTER not in key for key in state)
