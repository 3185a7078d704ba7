"""Lines of code of the standard library, each with the package that it is from."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from kd_core.base.seeds import generator
from kd_core.datasets import Data, Dataset, Split
from kd_core.files.text import to_code_points
from kd_core.tasks import Task
from kd_core.tasks.text_classification import TextClassification

PACKAGES = (
    "asyncio", "ctypes", "email", "http", "logging", "multiprocessing", "sqlite3", "tkinter", "unittest", "xml",
)  # fmt: skip
SHORTEST, LONGEST = 20, 80  # characters of a line, without blanks at its ends
MOST = 1500  # lines of a package
HELD_OUT = 0.15  # of each package, for validation and again for the test
TESTS = {"test", "tests"}  # folders that some installations lack


@dataclass(frozen=True)
class PythonLines(Dataset):
    title: ClassVar[str] = "Lines of the standard library"
    summary: ClassVar[str] = (
        "Lines of Python code; the class is the package of the standard library that a line is from."
    )
    family: ClassVar[str] = "text"
    source: ClassVar[str] = "The standard library of the running Python; other versions have other lines"
    licence: ClassVar[str] = "PSF licence"
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "ngram_mlp", "teacher_n": "4", "teacher_buckets": "4096", "teacher_hidden": "128",
        "student": "ngram_mlp", "student_n": "3", "student_buckets": "512", "student_hidden": "12",
        "labelled": "200", "temperature": "2", "epochs": "200", "learning_rate": "0.01", "schedule": "cosine",
        "teacher_epochs": "6",
    }  # fmt: skip

    @property
    def task(self) -> Task:
        return TextClassification()

    def load(self) -> Data:
        """Return code points (N, 80) of at most 1,500 lines of each package, drawn and split once and for all.

        Lines that several packages have are left out, and packages that are not installed.
        """
        lines = {package: _lines(package) for package in PACKAGES}
        times = Counter(line for of_package in lines.values() for line in of_package)
        classes = tuple(package for package in PACKAGES if lines[package])
        parts: tuple[list[str], ...] = ([], [], [])
        labels: tuple[list[int], ...] = ([], [], [])
        for label, package in enumerate(classes):
            distinct = sorted(line for line in lines[package] if times[line] == 1)
            order = torch.randperm(len(distinct), generator=generator(0, "python lines", package))[:MOST].tolist()
            held_out = round(HELD_OUT * len(order))
            ends = [0, held_out, 2 * held_out, len(order)]
            for part, first, last in zip((2, 1, 0), ends, ends[1:], strict=False):
                parts[part].extend(distinct[row] for row in order[first:last])
                labels[part].extend([label] * (last - first))
        train, validation, test = (
            Split(to_code_points(texts, LONGEST).float(), torch.tensor(numbers))
            for texts, numbers in zip(parts, labels, strict=True)
        )
        return Data(train, validation, test, classes, notes=_notes(classes), task=self.task)


def _lines(package: str) -> set[str]:
    """Return the lines of the modules of a package that are neither short nor long, without blanks at their ends."""
    folder = Path(os.__file__).parent / package
    paths = [path for path in folder.rglob("*.py") if not TESTS & set(path.relative_to(folder).parts)]
    lines = (line.strip() for path in paths for line in path.read_text(encoding="utf-8").splitlines())
    return {line for line in lines if SHORTEST <= len(line) <= LONGEST and "\0" not in line}


def _notes(classes: tuple[str, ...]) -> tuple[str, ...]:
    missing = [package for package in PACKAGES if package not in classes]
    return (f"This Python is installed without {', '.join(missing)}.",) if missing else ()
