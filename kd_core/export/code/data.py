"""Data of a run as functions of a script, which load the splits, choose the training examples and augment them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

from kd_core.config import augmentation
from kd_core.config.augmentation import Augmentation
from kd_core.config.label_subset import FULL, NONE, TrainSubset
from kd_core.config.run import RunConfig
from kd_core.datasets import Data, Dataset, _splits, load
from kd_core.export.code.plan import TaskWriter
from kd_core.export.code.rewriting import Rewriter, Text, indented
from kd_core.export.code.source import Sources, UnwritableError

FILE = "data.npz"
PROVIDED = ("Split", "Data")
FIELDS = ("train", "validation", "test", "classes", "mean", "std", "fill")
CLASSES = '''class Split(NamedTuple):
    """Examples of one split, inputs (N, ...) float32 and labels (N, ...)."""

    inputs: Tensor
    labels: Tensor


class Data(NamedTuple):
    """The three splits, the names of the classes, and mean and deviation that standardised the pixels."""

    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    fill: float = 0.0
'''
FROM_FILE = f'''def load_data() -> Data:
    """Return the three splits from the file {FILE}, as the networks get them."""
    arrays = np.load("{FILE}")
    train, validation, test = (
        Split(torch.from_numpy(arrays[f"{{name}}_inputs"]), torch.from_numpy(arrays[f"{{name}}_labels"]))
        for name in ("train", "validation", "test")
    )
    return Data(train, validation, test, tuple(arrays["classes"].tolist()), arrays["mean"], arrays["std"])
'''
HEADS = (
    "from __future__ import annotations",
    "from typing import NamedTuple",
    "import torch",
    "from torch import Tensor",
)


class DataWriter(Rewriter):
    """The function ``load_data``, whose data have the fields of :data:`CLASSES` alone."""

    def replacement(self, node: ast.AST, text: Text, module: ModuleType) -> str | None:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Data":
            values = [self.render(value, text, module) for value in node.args]
            named = [one for one in node.keywords if one.arg in FIELDS]
            values += [f"{one.arg}={self.render(one.value, text, module)}" for one in named]
            return f"Data({', '.join(values)})"
        return super().replacement(node, text, module)


def add_loading(dataset: Dataset, sources: Sources) -> str:
    """Add the function ``load_data`` and return a sentence on the data that it needs."""
    for line in HEADS[1:]:
        sources.add_import(line)
    sources.definitions["Split, Data"] = CLASSES
    module = sys.modules[type(dataset).__module__]
    if text := dataset.code():
        for source in (module, _splits):
            sources.add_code(text, source)
        sources.definitions["load_data"] = text
        if dataset.download_size:
            return f"The data, {dataset.title}, are downloaded into the folder data."
        return f"The data are {dataset.title}, {dataset.source}."
    try:
        trial = Sources([*sources.provided, *PROVIDED], sources.packages)  # nothing is left of a part that fails
        DataWriter(dataset, trial).function("load", "load_data")
    except (UnwritableError, AttributeError):
        sources.add_import("import numpy as np")
        sources.definitions["load_data"] = FROM_FILE
        return (
            f"The data, {dataset.title}, are read from the file {FILE}, which save_data() of kd_core.export.code "
            "writes: fill in another path or other data."
        )
    DataWriter(dataset, sources).function("load", "load_data")
    return f"The data are {dataset.title}{f', {dataset.source}' if dataset.source else ''}."


def save_data(config: RunConfig, path: str | Path = FILE) -> None:
    """Write the splits of a run's data into a file for a script that cannot load them itself."""
    data = load(config.dataset)
    arrays = {
        f"{name}_{part}": getattr(split, part).numpy()
        for name, split in data.splits.items()
        for part in ("inputs", "labels")
    }
    np.savez(path, classes=np.array(data.classes), mean=np.array(data.mean), std=np.array(data.std), **arrays)


def _order(view: TrainSubset, data: Data, task: TaskWriter) -> list[str]:
    """Return lines that give the positions of the training examples in the order of their choice."""
    labels = view.labels
    shuffled = f'torch.randperm(len(data.train.labels), generator=generator({view.seed}, "labelled"))'
    lines = [f"rows = {shuffled}"]
    if labels.omitted != NONE:
        omitted = data.classes.index(labels.omitted)
        lines.append(f"rows = rows[data.train.labels[rows] != {omitted}]  # without the class {labels.omitted}")
    if not bool(data.has_label.all()):
        has_label = task.call("is_labelled", "data.train.labels[rows]")
        lines += [
            f"has_label = ({has_label}).reshape(len(rows), -1).any(1)",
            "rows = torch.cat([rows[has_label], rows[~has_label]])",
        ]
    return lines


def add_examples(view: TrainSubset, data: Data, task: TaskWriter, *, channels_last: bool) -> str:
    """Add the function that chooses the training examples of a phase, and return its name."""
    labels, lines = view.labels, _order(view, data, task)
    if view.with_rest:
        lines.append("shuffled = rows")
    if labels.labelled or not bool(data.has_label.all()):
        lines.append(f"rows = rows[:{labels.count(data)}]")
    lines.append("labels = data.train.labels[rows]")
    if count := round(labels.wrong * labels.count(data)):
        classes = len(data.classes)
        lines += [
            f'random = generator({view.seed}, "wrong")',
            f"wrong = torch.randperm(len(rows), generator=random)[:{count}]",
            f"shift = torch.randint(1, {classes}, ({count},), generator=random)",
            f"labels[wrong] = (labels[wrong] + shift) % {classes}",
        ]
    if view.classes:
        lines += [
            f"is_known = torch.isin(data.train.labels[rows], torch.tensor({list(view.classes)}))",
            "rows, labels = rows[is_known], labels[is_known]",
        ]
    if view.with_rest:
        lines += [
            "rest = shuffled[len(rows) :]",
            "rows = torch.cat([rows, rest])",
            f"labels = torch.cat([labels, {task.call('unlabelled_like', 'labels', 'len(rest)')}])  # no label",
        ]
    if view.is_blind:
        lines.append(f"labels = {task.call('unlabelled_like', 'labels', 'len(labels)')}  # no labels")
    layout = ".contiguous(memory_format=torch.channels_last)" if channels_last else ""
    lines += [f"inputs = data.train.inputs[rows]{layout}", "return inputs.to(DEVICE), labels.to(DEVICE)"]
    if view.with_rest:
        name = "labelled_and_unlabelled_examples"
    elif view.is_blind:
        name = "unlabelled_examples"
    elif view.classes:
        name = "examples_of_some_classes"
    else:
        name = "full_training_set" if labels == FULL else "labelled_examples"
    document = f'"""Return inputs and labels of {view.in_words(data)}."""'
    head = f"def {name}() -> tuple[Tensor, Tensor]:"
    return task.sources.add_definition(name, "\n".join([head, indented("\n".join([document, *lines]))]) + "\n")


def add_augmentation(options: Augmentation, sources: Sources) -> None:
    """Add the function ``augment``, and ``blend`` for mixup."""
    lines = ['random = generator(seed, "view")'] if options.crop or options.flip else []
    if options.crop:
        crop = sources.add("_random_crop", augmentation)
        lines.append(f"inputs = {crop}(inputs, {options.crop}, data, random)")
    if options.flip:
        lines += [
            "is_flipped = (torch.rand(len(inputs), generator=random) < 0.5).to(inputs.device)",
            "inputs = torch.where(is_flipped[:, None, None, None], inputs.flip(-1), inputs)",
        ]
    if options.randaugment:
        sources.add_import("from torchvision.transforms import v2")
        standardise = sources.add("standardise", augmentation)
        lines += [
            "mean, std = (torch.tensor(values).reshape(-1, 1, 1) for values in (data.mean, data.std))",
            "pixels = ((inputs * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)",
            f"transform = v2.RandAugment(magnitude={options.randaugment})",
            'torch.manual_seed(derive_seed(seed, "randaugment"))',
            f"inputs = {standardise}(torch.stack([transform(image) for image in pixels]), data.mean, data.std)",
        ]
    if lines:
        text = "\n".join(
            ['"""Return inputs (B, ...) augmented by a seed, each image independently."""', *lines, "return inputs"]
        )
        sources.add_definition("augment", f"def augment(inputs: Tensor, seed: int) -> Tensor:\n{indented(text)}\n")
    if options.mixup:
        sources.add_import("import numpy as np")
        sources.definitions["blend"] = f'''def blend(count: int, seed: int) -> tuple[Tensor, float]:
    """Return the partner of each example of a batch, and the weight of the example itself."""
    weight = float(np.random.default_rng(derive_seed(seed, "share")).beta({options.mixup}, {options.mixup}))
    return torch.randperm(count, generator=generator(seed, "partners")), max(weight, 1 - weight)
'''
