"""Tests of uploaded weights."""

from __future__ import annotations

import io
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from kd_core.base.registry import find_plugin
from kd_core.files.limits import RefusedError
from kd_core.files.teachers.torch_file import is_torch_file
from kd_core.files.uploads.file_type import detect
from kd_core.models import Model
from kd_core.nn import weights
from kd_core.nn.weights.header import MAX_HEADER
from tests.files.uploads.conftest import listing

SHAPE, CLASSES = (1, 8, 8), 3
MLP: Model = find_plugin("models", "mlp")(widths=(5,))  # type: ignore[call-arg, assignment]
BATCH: Model = find_plugin("models", "cnn")(width=4, normalisation="batch")  # type: ignore[call-arg, assignment]
STATE = MLP.build(SHAPE, CLASSES).state_dict()
FILE = save(STATE)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the data folder."""
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "home"))
    return tmp_path / "home"


def header(entries: object, data: bytes = b"") -> bytes:
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize("model", [MLP, BATCH])
def test_stored_weights_give_the_same_outputs(home: Path, model: Model) -> None:
    network, other = model.build(SHAPE, CLASSES), model.build(SHAPE, CLASSES)
    key = weights.add("mine.safetensors", weights.export(network), model, SHAPE, CLASSES)
    other.load_state_dict(weights.load(key))
    inputs = torch.randn(4, *SHAPE)
    assert torch.equal(network.eval()(inputs), other.eval()(inputs))
    assert [path.name for path in home.rglob("*") if path.is_file()] == [f"{key}.safetensors"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_is_converted_to_float32(home: Path, dtype: torch.dtype) -> None:
    half = {key: value.to(dtype) for key, value in STATE.items()}
    loaded = weights.load(weights.add("mine", save(half), MLP, SHAPE, CLASSES))
    assert {value.dtype for value in loaded.values()} == {torch.float32}
    assert all(torch.equal(loaded[key], half[key].float()) for key in STATE)


def test_weights_match_only_the_network_they_were_added_for(home: Path) -> None:
    key = weights.add("mine", FILE, MLP, SHAPE, CLASSES)
    assert weights.add("again", FILE, MLP, SHAPE, CLASSES) == key
    (match,) = weights.find_matching(MLP, SHAPE, CLASSES)
    assert (match.id, match.name, match.label, match.shape, match.classes) == (key, "mine", "MLP 5", SHAPE, CLASSES)
    assert weights.list_all() == [match]
    # The same tensors fit a network that computes something else with them.
    assert weights.find_matching(MLP.with_values(activation="tanh"), SHAPE, CLASSES) == []
    assert weights.find_matching(MLP, (1, 4, 16), CLASSES) == []
    assert weights.find_matching(MLP, SHAPE, CLASSES + 1) == []
    weights.remove(key)
    assert weights.list_all() == []
    with pytest.raises(ValueError, match="not on this machine"):
        weights.load(key)


@pytest.mark.parametrize("key", ["", "../secret", "a" * 33])
def test_only_an_id_becomes_a_path(home: Path, key: str) -> None:
    assert weights.find(key) is None
    for ask in (weights.load, weights.remove):
        with pytest.raises(ValueError, match="32"):
            ask(key)


def without(name: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in STATE.items() if key != name}


def filled(value: float) -> dict[str, torch.Tensor]:
    return STATE | {"1.bias": torch.full((5,), value)}


NARROW = find_plugin("models", "mlp")(widths=(4,)).build(SHAPE, CLASSES)  # type: ignore[call-arg, attr-defined]
ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
BAD = {
    "empty": (b"", "no safetensors file"),
    "text": (b"hello, I am a network", "no safetensors file"),
    "cut in the header": (FILE[:60], "its end is missing"),
    "cut in the data": (FILE[:-4], "cannot be read|damaged"),
    "with a tail": (FILE + b"tail", "damaged"),
    "enormous header": (struct.pack("<Q", 2**63) + FILE[8:], "no safetensors file"),
    "long header": (
        struct.pack("<Q", MAX_HEADER + 1) + bytes(MAX_HEADER + 9),
        "longer than 10 MB",
    ),
    "header of a list": (header([1]), "cannot be read"),
    "deep header": (header(b"[" * 100_000), "cannot be read"),
    "twins": (header(b'{"a": {}, "a": {}}'), "names a tensor twice"),
    "negative shape": (header({"a": ONE | {"shape": [-1]}}, bytes(4)), "cannot be read"),
    "offsets outside": (header({"a": ONE | {"data_offsets": [0, 400]}}, bytes(4)), "cannot be read"),
    "offsets backwards": (header({"a": ONE | {"data_offsets": [4, 0]}}, bytes(4)), "cannot be read"),
    "true for a number": (header({"a": ONE | {"shape": [True]}}, bytes(4)), "cannot be read"),
    "missing": (save(without("1.weight")), 'lacks "1.weight" of 4 tensors: give weights of this MLP 5'),
    "unexpected": (save(STATE | {"extra": torch.zeros(1)}), 'has no "extra"'),
    "many": (save({f"k{n}": torch.zeros(1) for n in range(9)} | STATE), "and 6 more"),
    "shapes": (save(NARROW.state_dict()), '"1.weight" is 4 × 64 in the file and 5 × 64 in the network'),
    "double": (save(STATE | {"1.bias": torch.zeros(5).double()}), '"1.bias" is of type "F64": save it as F32 or'),
    "whole": (save(STATE | {"1.bias": torch.zeros(5).long()}), "int64"),
    "nan": (save(filled(float("nan"))), '"1.bias" holds infinite values or NaN'),
    "infinite": (save(filled(float("-inf"))), '"1.bias" holds infinite values or NaN'),
}


@pytest.fixture
def refusal(home: Path, tmp_path: Path) -> Callable[[bytes], str]:
    def refuse(blob: bytes) -> str:
        before = listing(tmp_path)
        with pytest.raises(ValueError, match=r"^mine: .*\.$") as caught:
            weights.add("mine", blob, MLP, SHAPE, CLASSES)
        assert listing(tmp_path) == before
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refuse


@pytest.mark.parametrize(("blob", "sentence"), BAD.values(), ids=BAD)
def test_weights_of_another_network_are_refused_with_the_difference(
    refusal: Callable[[bytes], str], blob: bytes, sentence: str
) -> None:
    assert re.search(sentence, refusal(blob))


def test_a_network_that_cannot_take_such_inputs_has_no_weights(home: Path) -> None:
    with pytest.raises(ValueError, match="a CNN needs images"):
        weights.add("mine", FILE, BATCH, (2,), CLASSES)


def test_the_check_draws_no_random_number_and_allocates_no_network(home: Path) -> None:
    huge: Model = find_plugin("models", "mlp")(widths=(4096,) * 8)  # type: ignore[call-arg, assignment]
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="lacks"):
        weights.add("mine", FILE, huge, (3, 224, 224), CLASSES)
    assert torch.equal(before, torch.get_rng_state())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(FILE) - 1), st.binary(min_size=1, max_size=8), st.booleans())
@example(0, b"\0", False)
def test_a_damaged_file_is_refused_or_still_valid(home: Path, place: int, new: bytes, cuts: bool) -> None:
    before = listing(home)
    blob = FILE[:place] + new + (b"" if cuts else FILE[place + len(new) :])
    key, sentence = "", ""
    try:
        key = weights.add("mine", blob, MLP, SHAPE, CLASSES)
    except ValueError as error:
        sentence = str(error)
    if sentence:
        assert sentence.startswith("mine: ")
        assert listing(home) == before
    else:
        loaded = weights.load(key)
        MLP.build(SHAPE, CLASSES).load_state_dict(loaded)
        assert all(value.isfinite().all() for value in loaded.values())
        weights.remove(key)


@pytest.mark.parametrize("length", [0x80, 0x280, 0x580])
def test_a_header_whose_length_begins_like_a_pickle_is_no_pickle(length: int) -> None:
    state = {"weight": torch.zeros(2)}
    spare = length - int.from_bytes(save(state, {"note": ""})[:8], "little")
    blob = save(state, {"note": "x" * spare})
    assert blob[:2] == length.to_bytes(2, "little")
    assert not is_torch_file(blob)
    with pytest.raises(ValueError, match="lacks"):  # read, and of another network
        weights.add("mine.safetensors", blob, MLP, SHAPE, CLASSES)
    with pytest.raises(RefusedError, match="add it as weights"):
        detect(io.BytesIO(blob))
