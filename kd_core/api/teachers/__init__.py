"""Import of a teacher from a file, which is understood, measured at once, and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kd_core.api.teachers.candidate import TeacherCandidate
from kd_core.api.teachers.checks import Measurement
from kd_core.api.teachers.reader import read_teacher
from kd_core.base.options import as_text
from kd_core.base.registry import find_plugin
from kd_core.datasets import Data, Dataset
from kd_core.datasets import _python as python_data
from kd_core.files.teachers.provenance import Provenance
from kd_core.models import Model
from kd_core.models.teacher_file import TeacherFile


@dataclass(frozen=True)
class Teacher:
    """Imported teacher on this machine.

        teacher = kd.Teacher.from_file("resnet18.pt", dataset="cifar10", normalisation="imagenet")
        print(teacher)
        kd.distill(dataset="cifar10", student="cnn", **teacher.settings)

    Attributes:
        id: Of the stored file.
        settings: Settings of a run that it teaches, by name. It is not trained.
        provenance: Where it comes from, and what was measured.
        advice: What would make it more accurate, as sentences.
    """

    id: str
    settings: Mapping[str, str]
    provenance: Provenance
    advice: tuple[str, ...] = ()

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        dataset: str | Dataset | Data,
        network: str | Model | None = None,
        *,
        normalisation: str | None = None,
        classes: Sequence[str] | None = None,
        order: Sequence[int] | None = None,
    ) -> Teacher:
        """Read, measure and keep a teacher from a file or a folder; nothing in it is executed.

        Args:
            path: Weights (.safetensors, .pt, .pth) with the names of this package, torchvision, timm or transformers;
                a program of torch.export (.pt2); ONNX; logits of every training example (.npy, .npz, .csv, .parquet);
                or a folder with config.json and weights.
            dataset: That it teaches.
            network: For weights, the network that they belong to; by default it is recognised.
            normalisation: That it was trained with: "dataset", "imagenet", "none" (pixels from 0 to 1), or mean/std as
                "0.5,0.5,0.5/0.25,0.25,0.25"; by default what the file states, else that of the data set.
            classes: Names of its outputs, from the first to the last.
            order: Instead of names, for every class of the data the number of its output, from 0 on.

        Raises:
            ValueError: with one sentence, for a file that is refused, and stores nothing then.
        """
        model = find_plugin("models", network, "network")() if isinstance(network, str) else network
        assert model is None or isinstance(model, Model)
        candidate = read_teacher(path, None, as_dataset(dataset), model)
        return cls.keep(candidate.with_conventions(normalisation, classes, order))

    @classmethod
    def keep(cls, candidate: TeacherCandidate, measurement: Measurement | None = None) -> Teacher:
        """Store a candidate with its provenance. Raises ValueError if there is no room.

        Args:
            candidate: as :func:`read_teacher` has understood a file.
            measurement: of :meth:`TeacherCandidate.measure`, if it is known.
        """
        advice = tuple(one.in_words(candidate.data.classes) for one in candidate.advice()[:2])
        key, provenance = candidate.keep(measurement)
        return cls(key, settings_of(candidate.model, key), provenance, advice)

    def __str__(self) -> str:
        return " ".join([self.provenance.in_words(), *self.advice])


def as_dataset(dataset: str | Dataset | Data) -> Dataset:
    """Return a data set by name, or own data as one. Raises ValueError."""
    if isinstance(dataset, Data):
        return python_data.as_dataset(dataset)
    plugin = find_plugin("datasets", dataset, "dataset")() if isinstance(dataset, str) else dataset
    assert isinstance(plugin, Dataset)
    return plugin


def settings_of(model: Model | None, key: str) -> dict[str, str]:
    """Return the settings with which an imported teacher teaches without being trained."""
    if model is None:
        return {"teacher": TeacherFile().name, "teacher_id": key, "teacher_epochs": "0"}
    options = {f"teacher_{name}": as_text(value) for name, value in model.values().items()}
    return {"teacher": model.name, **options, "teacher_weights": key, "teacher_epochs": "0"}
