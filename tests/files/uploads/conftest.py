"""Small upload files of every kind, and a data folder that must stay unchanged after a refusal."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kd_core.files import uploads

GENERATOR = np.random.default_rng(0)
PER_CLASS = 6  # examples per class: one more than needed


def noise(*shape: int) -> np.ndarray:
    return GENERATOR.integers(0, 256, shape, dtype=np.uint8)


def encoded(image: np.ndarray | Image.Image, kind: str = "PNG", **more: object) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **more)
    return file.getvalue()


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def packed(files: Mapping[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for path, blob in files.items():
            archive.writestr(path, blob)
    return file.getvalue()


def folders(around: str = "", side: int = 10, **more: bytes) -> dict[str | zipfile.ZipInfo, bytes]:
    """Return two class folders of grey noise, and ``more`` files by path."""
    files: dict[str | zipfile.ZipInfo, bytes] = {
        f"{around}{name}/{number}.png": encoded(noise(side, side))
        for name in ("cat", "dog")
        for number in range(PER_CLASS)
    }
    return files | more


def points(lines: int = 12) -> list[str]:
    """Return lines of a table without a header."""
    return [f"{number / 7},{-number / 3},{'ab'[number % 2]}" for number in range(lines)]


def listing(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data folder; the tests compare its parent as well."""
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "outer" / "home"))
    return tmp_path / "outer" / "home"


@pytest.fixture
def refusal(home: Path, tmp_path: Path) -> Callable[..., str]:
    """Function that adds a file, checks that it is refused and nothing is written, and returns the sentence."""

    def refuse(blob: bytes, name: str = "mine.zip", **more: object) -> str:
        before = listing(tmp_path)
        with pytest.raises(ValueError, match=r"^.+$") as caught:
            uploads.add(name, blob, **more)  # type: ignore[arg-type]
        sentence = str(caught.value)
        assert listing(tmp_path) == before
        assert sentence.startswith(f"{name}: ")
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert len(sentence) < 500
        return sentence

    return refuse
