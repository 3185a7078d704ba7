"""Text of Python's documentation, included in Python itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kd_core.datasets import Data, Dataset
from kd_core.datasets._text import language_data, split_text  # noqa: F401 (the second is read by code())
from kd_core.tasks import Task
from kd_core.tasks.language import Language


@dataclass(frozen=True)
class PythonDocs(Dataset):
    title: ClassVar[str] = "Python's documentation"
    summary: ClassVar[str] = "English text of Python's help topics, in lower-case letters and spaces."
    family: ClassVar[str] = "text"
    source: ClassVar[str] = "The module pydoc_data.topics of the running Python; other versions have other texts"
    licence: ClassVar[str] = "PSF licence"
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "char_mlp", "teacher_context": "10", "teacher_hidden": "384", "teacher_characters": "24",
        "student": "char_mlp", "student_context": "6", "student_hidden": "24", "student_characters": "8",
        "method": "divergence", "divergence": "forward",
        "epochs": "3", "batch_size": "16", "learning_rate": "0.01", "schedule": "cosine",
        "teacher_epochs": "5", "teacher_batch_size": "16", "teacher_learning_rate": "0.005",
        "teacher_schedule": "cosine",
    }  # fmt: skip

    @property
    def task(self) -> Task:
        return Language()

    def load(self) -> Data:
        """Return passages (N, 64) of the topics in alphabetical order."""
        return language_data(read_topics())

    def code(self) -> str:
        return '''def load_data() -> Data:
    """Return passages of the help topics of Python."""
    return Data(*split_text(read_topics()))
'''


def read_topics() -> str:
    """Return the help topics of Python in alphabetical order, in lower-case letters and single spaces."""
    from pydoc_data.topics import topics  # reads half a megabyte

    return re.sub("[^a-z]+", " ", "\n".join(topics[name] for name in sorted(topics)).lower())
