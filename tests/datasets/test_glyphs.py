"""Generated characters are reproducible, balanced, not empty and not repeated."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import features
from torch import Tensor

from kd_core.config.run import read_flat
from kd_core.datasets import Data, _font_rendering, load
from kd_core.datasets.glyphs import Glyphs

pytestmark = pytest.mark.slow

SMALL = Glyphs(count=700)
PARTS = ("train", "validation", "test")


def digest(data: Data) -> str:
    """Of every pixel and every label."""
    digest = hashlib.sha256()
    for part in PARTS:
        split = getattr(data, part)
        digest.update(data.pixels(split.inputs).numpy().tobytes() + split.labels.numpy().tobytes())
    return digest.hexdigest()


def images(data: Data, part: str = "train") -> Tensor:
    return data.pixels(getattr(data, part).inputs)


def test_the_same_options_give_the_same_bytes_and_another_draw_gives_others() -> None:
    again = digest(SMALL.load())
    assert digest(SMALL.load()) == again
    assert digest(SMALL.with_values(draw=1).load()) != again


def test_the_bytes_depend_on_no_global_state(tmp_path: Path) -> None:
    expected = digest(load(SMALL))
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            torch.manual_seed(number)
            before = torch.get_rng_state()
            assert digest(SMALL.load()) == expected
            assert torch.equal(torch.get_rng_state(), before)
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)
    script = "from tests.datasets.test_glyphs import SMALL, digest; print(digest(SMALL.load()))"
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.strip() == expected


def test_more_training_images_are_added_and_none_is_changed() -> None:
    fewer, more = (Glyphs(count=count).load() for count in (1234, 1777))
    assert torch.equal(fewer.train.inputs, more.train.inputs[:1234])
    assert torch.equal(fewer.train.labels, more.train.labels[:1234])
    assert torch.equal(fewer.test.inputs, more.test.inputs[:1234])
    assert (fewer.mean, fewer.std) == (more.mean, more.std)


@pytest.mark.parametrize("count", [100, 777, 6000])
def test_every_split_has_every_class_as_often_as_any_other(count: int) -> None:
    data = load(Glyphs(count=count))
    sizes = [len(getattr(data, part)) for part in PARTS]
    assert sizes == [count, min(count, 2000), min(count, 2000)]
    for part in PARTS:
        often = getattr(data, part).labels.bincount(minlength=36)
        assert int(often.max() - often.min()) <= 1
        assert int(often.min()) >= 1


@pytest.mark.parametrize("options", [{}, {"deformation": 0.0, "noise": 0.0}, {"deformation": 1.0, "noise": 0.0}])
def test_no_image_occurs_twice_and_every_image_has_ink(options: dict[str, float]) -> None:
    data = Glyphs(count=2000, **options).load()
    everything = torch.cat([images(data, part) for part in PARTS]).flatten(1)
    assert len(everything.unique(dim=0)) == len(everything) == 6000
    if not data_noise(options):  # grain alone would look like ink
        assert float(everything.float().div(255).sum(1).min()) >= 5  # black pixels: a thin grey I, half outside
        assert int(everything.amax(1).min()) >= 64


def data_noise(options: dict[str, float]) -> float:
    return options.get("noise", Glyphs().noise)


@pytest.mark.parametrize("pixels", ["28", "32"])
def test_inputs_are_standardised_floats_of_the_size_asked_for(pixels: str) -> None:
    data = load(Glyphs(count=2000, pixels=pixels))
    assert data.shape == (1, int(pixels), int(pixels))
    assert data.classes == tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    inputs = data.train.inputs
    assert inputs.dtype == torch.float32
    assert float(inputs.mean()) == pytest.approx(0, abs=0.02)
    assert float(inputs.std()) == pytest.approx(1, abs=0.02)
    lowest, highest = -data.mean[0] / data.std[0], (1 - data.mean[0]) / data.std[0]
    assert float(inputs.min()) == pytest.approx(lowest, abs=1e-5)
    assert float(inputs.max()) <= highest + 1e-5


def test_ink_is_light_and_stands_in_the_middle_of_dark_paper() -> None:
    pixels = images(load(Glyphs(count=2000, noise=0.0))).float()
    assert pixels[:, :, 8:20, 8:20].mean() > 60
    assert pixels[:, :, 0].mean() < 6


def test_an_upright_character_fills_the_share_that_drawings_are_scaled_to() -> None:
    data = load(Glyphs(count=2000, deformation=0.0, noise=0.0, classes="HEX8"))
    assert data.fill == pytest.approx(20 / 28)
    ink = images(data)[:, 0] > 127
    heights = ink.any(2).sum(1).float()
    assert heights.median() == pytest.approx(20, abs=1)


def test_letters_that_are_truly_alike_are_nearer_to_each_other_than_to_an_x() -> None:
    data = load(Glyphs(count=6000))
    pixels, labels = images(data).float() / 255, data.train.labels
    mean = {name: pixels[labels == place].mean(0).flatten() for place, name in enumerate(data.classes)}

    def apart(one: str, other: str) -> float:
        return float((mean[one] - mean[other]).norm())

    alike = max(apart("O", "Q"), apart("O", "0"), apart("Q", "0"))
    assert 0 < alike < 0.6 * min(apart(round_one, "X") for round_one in "OQ0")
    assert apart("I", "1") < apart("I", "O")


def test_more_deformation_moves_an_image_farther_from_its_upright_self() -> None:
    upright, little, much = (
        images(load(Glyphs(count=500, deformation=deformation, noise=0.0))).float() for deformation in (0.0, 0.2, 0.8)
    )
    assert (much - upright).abs().mean() > 1.5 * (little - upright).abs().mean() > 0


def test_grain_has_the_standard_deviation_that_is_promised() -> None:
    grained, clean = (images(load(Glyphs(count=500, noise=noise))).float() / 255 for noise in (0.1, 0.0))
    amid = (clean > 0.25) & (clean < 0.75)  # where nothing is cut off
    assert float((grained - clean)[amid].std()) == pytest.approx(0.05, rel=0.05)


def test_the_distance_field_of_a_bar_falls_by_the_way_one_goes_from_its_edge() -> None:
    field = _font_rendering.fields("I-")[0, 0]
    tile = 20 / 28 / 16  # half of the 32 tiles that a character is long, in halves of an image
    right = field[24, 27:30]  # the middle of the bar is between 23 and 24
    assert (right < 0).all()
    assert (right[:-1] - right[1:]).tolist() == pytest.approx([tile, tile], rel=0.01)
    assert field[24, 20:28].tolist() == pytest.approx(field[24, 20:28].flip(0).tolist(), abs=tile)
    assert float(field[24].max()) > 0 > float(field[4].max())
    assert float(field.min()) == -0.25


@pytest.mark.parametrize(
    ("classes", "sentence"),
    [
        ("A", 'classes = "A": choose at least two characters.'),
        ("", 'classes = "": choose at least two characters.'),
        ("ABCA", 'classes = "ABCA": name every character once; A is repeated.'),
        ("A B", 'classes = "A B": write the characters one after the other, without spaces.'),
        ("A\u00a0B", "without spaces."),
        ("AB日本", 'classes = "AB日本": the font cannot draw 日本; leave that out.'),
        ("AB\u200b", "the font cannot draw"),
        ("AB\ud800", "the font cannot draw"),
        ("A" * 101, "choose at most 100 characters."),
    ],
)
def test_characters_that_make_no_classes_are_refused_in_a_sentence(classes: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^classes = ") as refusal:
        Glyphs(classes=classes)
    assert sentence in str(refusal.value)
    config, errors = read_flat({"dataset": "glyphs", "dataset_classes": classes})
    assert config.dataset == Glyphs()
    assert len(errors) == 1
    assert errors[0].startswith("dataset_classes = ")


def test_any_character_of_the_font_can_be_a_class() -> None:
    drawable = "".join(chr(code) for code in range(33, 127))
    data = Glyphs(classes=drawable, count=500, noise=0.0).load()
    assert data.classes == tuple(drawable)
    for part in PARTS:
        assert images(data, part).flatten(1).amax(1).min() >= 64


def test_a_pillow_that_cannot_draw_fonts_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda _: False)
    with pytest.raises(ValueError, match="needs Pillow with FreeType"):
        Glyphs(count=100).load()
    _, errors = read_flat({"dataset": "glyphs", "dataset_count": "101"})
    assert len(errors) == 1
    assert "FreeType" in errors[0]
