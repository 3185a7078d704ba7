"""Weights of networks from files, checked tensor by tensor against the network, and their export.

Read are safetensors files and files of ``torch.save``, with the names of this package, torchvision, timm or
transformers. Stored is one safetensors file with the names of this package, float32.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import safetensors.torch
import torch
from torch import Tensor, nn

from kd_core.files.content_store import ContentStore
from kd_core.files.limits import RefusedError, printable, quoted
from kd_core.files.teachers import torch_file
from kd_core.files.teachers.provenance import KEY, Provenance
from kd_core.models import Model
from kd_core.models._normalisation import CONVERSION, parse_normalisation
from kd_core.nn.weights.header import MAX_FILE, read_header
from kd_core.nn.weights.names import reorder_head, to_own_names

FLOATS = ("F32", "F16", "BF16")
OTHERS = ("I64", "I32", "U8", "BOOL")  # of counters and masks

_store = ContentStore("weights")


@dataclass(frozen=True)
class Weights:
    """Metadata of one weights file."""

    id: str  # 32 hexadecimal digits, a digest of the content
    name: str  # of the file when it was first added
    label: str  # of the network: "MLP 64"
    model: str  # Model.to_dict() as JSON, its keys sorted
    shape: tuple[int, ...]  # of one input
    classes: int


def add(name: str, blob: bytes, model: Model, shape: tuple[int, ...], classes: int) -> str:
    """Check and store a file called ``name`` for the network that ``model`` builds, and return its id.

    The file must hold every tensor of the network's state in its shape, and no other. float16, bfloat16 and float32 are
    stored as float32. Raises ValueError with one sentence, and stores nothing then.
    """
    name = printable(name)[-120:] or "weights"
    try:
        return put(match(read_tensors(blob), model, shape, classes), model, shape, classes, name=name)
    except RefusedError as error:
        raise ValueError(f"{name}: {error}") from error


def read_tensors(blob: bytes) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file or of a state dict in a file of torch. Raises RefusedError."""
    if len(blob) > MAX_FILE:
        raise RefusedError(f"it is larger than {MAX_FILE / 1e9:g} GB: give a smaller file.")
    if torch_file.is_torch_file(blob):
        return torch_file.read_state(blob)
    for key, (dtype, _) in read_header(blob).items():
        if dtype not in (*FLOATS, *OTHERS):
            raise RefusedError(f"{quoted(key)} is of type {quoted(dtype)}: save it as {' or '.join(FLOATS)}.")
    try:
        return safetensors.torch.load(blob)
    except Exception as error:  # safetensors raises its own type, which it does not document
        raise RefusedError("it is damaged or incomplete: save it again.") from error


def match(tensors: Mapping[str, Tensor], model: Model, shape: tuple[int, ...], classes: int) -> dict[str, Tensor]:
    """Return the state of a network from the tensors of a file; see :func:`to_own_names`. Raises RefusedError."""
    return to_own_names(tensors, model, shape, classes, _expected(model, shape, classes))


def put(
    state: Mapping[str, Tensor],
    model: Model,
    shape: tuple[int, ...],
    classes: int,
    *,
    name: str,
    provenance: Provenance | None = None,
) -> str:
    """Store a state for a network, with the normalisation and the order of classes of its provenance; return the id.

    The outputs of the last layer are brought into the order of the classes of the data. Raises RefusedError.
    """
    facts = {
        "label": model.label(),
        "model": _model_json(model),
        "shape": json.dumps(list(shape)),
        "classes": json.dumps(classes),
    }
    if provenance is None:
        return _store.put(state, facts, name)
    tensors = reorder_head(state, tuple(provenance.order))
    expected = parse_normalisation(provenance.normalisation, shape[0])
    if expected is not None:
        mean, std = (torch.tensor(values) for values in expected)
        tensors |= {f"{CONVERSION}.mean": mean, f"{CONVERSION}.std": std}
    facts["dataset"] = provenance.dataset
    return _store.put(tensors, facts, name, {KEY: provenance.to_json()})


def load(key: str) -> dict[str, Tensor]:
    """Return the state of a network, float32, for ``load_state_dict``. Raises ValueError for an unknown id.

    It may hold the normalisation of a first layer; see :func:`kd_core.models._normalisation.with_conversion`.
    """
    return _store.tensors(key)


def find(key: str) -> Weights | None:
    """Return the metadata of one file, or None if there is none of that id, whatever ``key`` is."""
    facts = _store.metadata(key)
    if facts is None:
        return None
    try:
        shape, classes = tuple(json.loads(facts["shape"])), int(json.loads(facts["classes"]))
        return Weights(key, facts["name"], facts["label"], facts["model"], shape, classes)
    except (KeyError, ValueError, TypeError):  # not written by this module
        return None


def list_all() -> list[Weights]:
    """Return all weights on this machine, newest first."""
    return [weights for key in _store.ids() if (weights := find(key)) is not None]


def find_matching(model: Model, shape: tuple[int, ...], classes: int) -> list[Weights]:
    """Return the weights that were added for exactly such a network, newest first."""
    network = _model_json(model), tuple(shape), classes
    return [weights for weights in list_all() if (weights.model, weights.shape, weights.classes) == network]


def remove(key: str) -> None:
    """Delete one file, if it exists. Raises ValueError for what is no id."""
    _store.remove(key)


def export(network: nn.Module) -> bytes:
    """Return the state of a network as a file that :func:`add` accepts."""
    return safetensors.torch.save(
        {key: value.detach().cpu().contiguous().clone() for key, value in network.state_dict().items()}
    )


def _model_json(model: Model) -> str:
    return json.dumps(model.to_dict(), sort_keys=True)


def _expected(model: Model, shape: tuple[int, ...], classes: int) -> dict[str, Tensor]:
    """Return the state of such a network on the meta device."""
    if refusal := model.unsupported_reason(shape):
        raise RefusedError(f"a {model.title} {refusal}: choose another network.")
    with torch.device("meta"):
        state: dict[str, Tensor] = model.build(shape, classes).state_dict()
    return state
