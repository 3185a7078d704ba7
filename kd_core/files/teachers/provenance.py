"""Where an imported teacher comes from, and what was measured when it was imported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from kd_core.files.content_store import ContentStore

FOLDERS = ("weights", "teacher_files")  # of the data folder
KEY = "provenance"  # in the metadata of a file


@dataclass(frozen=True)
class Provenance:
    """Origin of an imported teacher.

    Attributes:
        file: Name of the file.
        digest: SHA-256 of the file, hexadecimal.
        format: In words, such as "PyTorch state dict".
        date: On which it was imported, ISO 8601.
        network: In words, such as "ResNet-18".
        dataset: Title of the data set with which it was measured.
        normalisation: "dataset", "imagenet", "none", or numbers.
        order: For every class of the data set the number of the network's output; empty if they are the same.
        accuracy: Fraction of examples classified correctly; None if it was not measured.
        interval: 95 % confidence interval of the accuracy.
        examples: How many were measured.
        split: Of which split, "validation" or "train".
    """

    file: str
    digest: str
    format: str
    date: str
    network: str = ""
    dataset: str = ""
    normalisation: str = "dataset"
    order: Sequence[int] = ()
    accuracy: float | None = None
    interval: tuple[float, float] = (0.0, 1.0)
    examples: int = 0
    split: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def short(self) -> str:
        """Return the file and its accuracy, such as "resnet18.pt, 93.2 %"."""
        return self.file + ("" if self.accuracy is None else f", {100 * self.accuracy:.1f} %")

    def in_words(self) -> str:
        """Return what is known, as one sentence."""
        parts = [f"{self.file} ({self.format}, SHA-256 {self.digest[:12]}…), imported on {self.date[:10]}"]
        if self.normalisation != "dataset":
            parts.append(f"normalisation {self.normalisation}")
        if self.order:
            parts.append("classes in another order")
        if self.accuracy is not None:
            low, high = (f"{100 * bound:.1f}" for bound in self.interval)
            parts.append(
                f"accuracy {100 * self.accuracy:.1f} % ({low} to {high}) on {self.examples:,} {self.split} examples of "
                f"{self.dataset}"
            )
        return f"{'; '.join(parts)}."


def provenance(key: str) -> Provenance | None:
    """Return the provenance of imported weights or of an imported teacher; None if nothing is known of ``key``."""
    for folder in FOLDERS:
        metadata = ContentStore(folder).metadata(key)
        if metadata is not None and KEY in metadata:
            try:
                values = json.loads(metadata[KEY])
                return Provenance(**values | {"interval": tuple(values["interval"]), "order": tuple(values["order"])})
            except (ValueError, TypeError, KeyError):  # not written by this module
                return None
    return None
