"""Pictures of every kind that people have, and folders of them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kd_core.datasets._images import read_image
from kd_core.files.limits import RefusedError
from kd_core.files.uploads import images
from kd_core.files.uploads.understanding import Examples

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def colour(path: Path, grey: bool = False) -> list[int]:
    """Of the middle of the picture as it is read."""
    return [int(value) for value in read_image(path, 8, grey)[:, 4, 4]]


def save(path: Path, image: Image.Image, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def stripes(*colours: tuple[int, int, int], of: int = 10, height: int = 10) -> Image.Image:
    """Upright stripes, each ``of`` pixels wide."""
    array = np.repeat(np.array(colours, np.uint8)[None], height, axis=0)
    return Image.fromarray(np.repeat(array, of, axis=1))


def test_the_middle_square_is_cut_out_and_made_smaller(tmp_path: Path) -> None:
    from torchvision.transforms import functional as oracle  # takes seconds to import

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 120, 3), dtype=np.uint8))
    for number, image in enumerate((noise, noise.transpose(Image.Transpose.ROTATE_90))):
        small = oracle.center_crop(oracle.resize(image, 8, antialias=True), [8, 8])
        pixels = read_image(save(tmp_path / f"{number}.png", image), 8)
        assert (pixels.int() - oracle.pil_to_tensor(small).int()).abs().max() <= 1


def test_shrinking_averages_and_does_not_skip(tmp_path: Path) -> None:
    fine = np.indices((64, 64)).sum(0) % 2 * 255
    path = save(tmp_path / "fine.png", Image.fromarray(fine.astype(np.uint8)))
    values = read_image(path, 8, grey=True).float()
    assert values.shape == (1, 8, 8)
    assert (values - 127.5).abs().max() <= 1


def test_a_small_picture_is_made_larger(tmp_path: Path) -> None:
    assert (read_image(save(tmp_path / "dot.png", stripes(BLUE, of=2, height=2)), 32)[2] == 255).all()


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "gif", "tiff", "ppm"])
def test_every_usual_format_is_read_whatever_its_name(ending: str, tmp_path: Path) -> None:
    path = save(tmp_path / f"a.{ending}", Image.new("RGB", (20, 30), (200, 100, 50)))
    assert colour(path) == pytest.approx([200, 100, 50], abs=6)
    assert colour(path.rename(tmp_path / "b.png")) == pytest.approx([200, 100, 50], abs=6)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I"])
def test_every_mode_becomes_eight_bits_and_three_colours(mode: str, tmp_path: Path) -> None:
    if mode.startswith("I"):
        image = Image.fromarray(np.full((20, 30), 65535, np.uint16))
        image = image.convert("I") if mode == "I" else image
    else:
        image = Image.new("RGB", (20, 30), "white").convert(mode)
    ending = "tiff" if mode in ("CMYK", "LAB", "I") else "png"
    path = save(tmp_path / f"a.{ending}", image)
    assert colour(path) == pytest.approx([255] * 3, abs=2)
    assert colour(path, grey=True) == pytest.approx([255], abs=2)


@pytest.mark.parametrize("level", [0, 257 * 3, 257 * 128, 65535])
def test_sixteen_bits_are_scaled_and_not_cut_off(level: int, tmp_path: Path) -> None:
    path = save(tmp_path / "deep.png", Image.fromarray(np.full((9, 9), level, np.uint16)))
    assert colour(path) == [level // 257] * 3


def test_sixteen_bits_in_colour_are_scaled_too(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = b"\0" + struct.pack(">HHH", 65535, 257 * 128, 0) * 4
    head = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row * 4)) + chunk(b"IEND", b"")
    (tmp_path / "deep.png").write_bytes(png)
    assert colour(tmp_path / "deep.png") == [255, 128, 0]


def test_a_printers_jpeg_has_the_right_colours(tmp_path: Path) -> None:
    path = save(tmp_path / "cmyk.jpg", Image.new("CMYK", (16, 16), (0, 255, 255, 0)))
    red, green, blue = colour(path)
    assert red > 200
    assert max(green, blue) < 60


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    assert colour(save(tmp_path / "a.png", Image.new("RGBA", (9, 9), (0, 0, 0, 0)))) == [255] * 3
    palette = Image.new("P", (9, 9), 0)
    palette.putpalette([10, 20, 30])
    assert colour(save(tmp_path / "b.png", palette, transparency=0)) == [255] * 3


def test_a_photograph_is_turned_as_the_camera_was_held(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    path = save(tmp_path / "a.jpg", stripes(RED, BLUE, of=32, height=64), exif=exif, quality=95)
    left = read_image(path, 8)[:, 4, 1].tolist()
    assert left[2] > 200 > left[0]


def test_a_phones_jpeg_with_a_second_picture_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (20, 20), GREEN).save(path, "MPO", save_all=True, append_images=[Image.new("RGB", (20, 20), RED)])
    assert colour(path) == pytest.approx(list(GREEN), abs=4)


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tiff"])
def test_what_moves_is_refused_by_name(ending: str, tmp_path: Path) -> None:
    more = [stripes(GREEN), stripes(BLUE)]
    path = save(tmp_path / f"film.{ending}", stripes(RED), save_all=True, append_images=more)
    with pytest.raises(ValueError, match=rf"^\"film\.{ending}\" is animated or has several pages"):
        read_image(path, 8)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "gif", "tiff", "bmp"])
def test_half_a_picture_is_refused_by_name(ending: str, tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path = save(tmp_path / f"half.{ending}", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"^\"half\.{ending}\" (is damaged or incomplete|is not an image)"):
        read_image(path, 8)


@pytest.mark.parametrize("content", [b"", b"no picture", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg/>"])
def test_what_is_no_picture_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(
        ValueError,
        match=r"^\"a\.png\" is (not an image that can be read|empty).*take it out\.$",
    ):
        read_image(tmp_path / "a.png", 8)


@pytest.mark.slow
@pytest.mark.parametrize("side", [8_000, 20_000])  # beyond our limit, and beyond Pillow's own
def test_a_huge_picture_is_refused_before_it_is_decoded(side: int, tmp_path: Path) -> None:
    path = save(tmp_path / "huge.png", Image.new("1", (side, side)))
    assert path.stat().st_size < 200_000
    with pytest.raises(ValueError, match=r"^\"huge\.png\" has more than 50 million pixels: make it smaller\.$"):
        read_image(path, 8)


def test_fractions_are_refused_by_name(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tiff", Image.fromarray(np.full((9, 9), 0.5, np.float32)))
    with pytest.raises(ValueError, match=r"^\"a\.tiff\" has decimal numbers"):
        read_image(path, 8)


def pets(root: Path) -> Path:
    for name, hue in (("dog", RED), ("cat", BLUE)):
        for number in range(3):
            save(root / name / f"{number}.png", Image.new("RGB", (10 + number, 12), hue))
    return root


def read(root: Path, pixels: int = 8, colour: str = "colour") -> Examples:
    return images.read(images.FolderFiles(root), pixels, colour)


def test_folders_are_classes_in_alphabetical_order(tmp_path: Path) -> None:
    examples = read(pets(tmp_path))
    assert examples.labels == ["cat"] * 3 + ["dog"] * 3
    assert examples.inputs.dtype == np.uint8
    assert examples.inputs.shape == (6, 3, 8, 8)
    assert examples.inputs[:, :, 0, 0].tolist() == [list(BLUE)] * 3 + [list(RED)] * 3
    assert read(tmp_path, 16, "grey").inputs.shape == (6, 1, 16, 16)


def test_pictures_may_lie_deeper_and_other_files_are_passed_over(tmp_path: Path) -> None:
    pets(tmp_path)
    save(tmp_path / "cat" / "more" / "4.JPG", Image.new("RGB", (9, 9)))
    litter = ("notes.txt", "cat/.hidden.png", "cat/Thumbs.db", "__MACOSX/cat/a.png")
    for name in (*litter, ".git/x/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"nothing")
    examples = read(tmp_path)
    assert examples.labels == ["cat"] * 4 + ["dog"] * 3
    assert examples.left_out == []
    assert "notes.txt" in examples.passed_over


def test_a_folder_without_class_folders_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="put the images of each class into a folder of its own"):
        read(tmp_path)
    save(tmp_path / "0.png", stripes(RED))
    with pytest.raises(RefusedError, match=r'"0.png" lies outside of the class folders'):
        read(tmp_path)


def test_an_unfit_picture_and_an_empty_class_are_named_and_left_out(tmp_path: Path) -> None:
    (pets(tmp_path) / "dog" / "bad.png").write_bytes(b"no picture")
    (tmp_path / "dog" / "a.heic").write_bytes(b"no picture either")
    (tmp_path / "owl").mkdir()
    examples = read(tmp_path)
    assert len(examples.labels) == 6
    assert [(one.where, one.reason.split(" (")[0]) for one in examples.left_out] == [
        ("dog/a.heic", '"dog/a.heic" cannot be read: save it as PNG or JPEG.'),
        ("owl", 'the folder "owl" is empty: put images into it, or take it out.'),
        ("dog/bad.png", '"dog/bad.png" is not an image that can be read'),
    ]


def test_a_link_that_leads_out_is_named_and_not_followed(tmp_path: Path) -> None:
    secret = save(tmp_path / "secret" / "a.png", stripes(RED))
    root = pets(tmp_path / "pets")
    (root / "cat" / "linked.png").symlink_to(secret)
    (root / "cat" / "deep").symlink_to(secret.parent, target_is_directory=True)
    (root / "bird").symlink_to(secret.parent, target_is_directory=True)
    (root / "cat" / "inside.png").symlink_to(root / "dog" / "0.png")
    examples = read(root)
    assert len(examples.labels) == 7
    assert sorted(one.where for one in examples.left_out) == ["bird", "cat/deep", "cat/linked.png"]
    assert all("is a link that leads out of the folder" in one.reason for one in examples.left_out)


def test_a_link_to_its_own_folder_ends(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets")
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "cat" / "loop").symlink_to(root, target_is_directory=True)
    assert len(read(root).labels) == 12
