"""Small files of every kind that the tests damage, and a home that must stay as it was after a refusal."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kd_core.files import uploads

CHANCE = np.random.default_rng(0)
EACH = 6  # examples per class: one more than needed


def noise(*shape: int) -> np.ndarray:
    return CHANCE.integers(0, 256, shape, dtype=np.uint8)


def encoded(image: np.ndarray | Image.Image, kind: str = "PNG", **more: object) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **more)
    return file.getvalue()


def packed(files: Mapping[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for path, blob in files.items():
            archive.writestr(path, blob)
    return file.getvalue()


def folders(around: str = "", side: int = 10, **more: bytes) -> dict[str | zipfile.ZipInfo, bytes]:
    """Two class folders of grey noise; ``more`` files beside them by path."""
    files: dict[str | zipfile.ZipInfo, bytes] = {
        f"{around}{name}/{number}.png": encoded(noise(side, side)) for name in ("cat", "dog") for number in range(EACH)
    }
    return files | more


def points(lines: int = 12) -> list[str]:
    """Lines of a table without a header."""
    return [f"{number / 7},{-number / 3},{'ab'[number % 2]}" for number in range(lines)]


def listing(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that everything is kept in; its parent is watched too."""
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "outer" / "home"))
    return tmp_path / "outer" / "home"


@pytest.fixture
def refusal(home: Path, tmp_path: Path) -> Callable[..., str]:
    """Adds a file that must be refused; the sentence. Nothing may have been written anywhere."""

    def of(blob: bytes, name: str = "mine.zip", **more: object) -> str:
        before = listing(tmp_path)
        with pytest.raises(ValueError, match=r"^.+$") as caught:
            uploads.add(name, blob, **more)  # type: ignore[arg-type]
        said = str(caught.value)
        assert listing(tmp_path) == before
        assert said.startswith(f"{name}: ")
        assert said.endswith(".")
        assert "\n" not in said
        assert len(said) < 500
        return said

    return of
