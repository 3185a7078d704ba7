"""KD_Lib: ``VanillaKD.train_student``, which looks at the validation split after every epoch.

Its package imports all of its parts, some of which need old releases of other packages: what none of the code that
runs here touches is replaced by empty modules. Its loss is its own (see the formula), and it differentiates the
teacher, too, since it asks it outside ``no_grad``.
"""

from __future__ import annotations

import contextlib
import io
import sys
from unittest.mock import MagicMock

from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers import Slice, clock
from benchmarks.support.workloads import Work

UNUSED = ("matplotlib", "matplotlib.pyplot", "torch.utils.tensorboard", "torchtext", "transformers")


class KdLib:
    def __init__(self) -> None:
        for name in UNUSED:
            sys.modules[name] = MagicMock()
        from KD_Lib.KD import VanillaKD

        class Listened(VanillaKD):
            """Keeps the last loss, which is never returned."""

            def calculate_kd_loss(self, *given: Tensor) -> Tensor:
                self.last: Tensor = super().calculate_kd_loss(*given)
                return self.last

        self.kind = Listened

    def prepare(self, work: Work) -> None:
        validation, method, student = work.data.validation, work.config.method, work.student()
        looked_at = DataLoader(TensorDataset(validation.inputs, validation.labels), batch_size=work.batch_size)
        self.steps_per_epoch = work.steps_per_epoch
        self.trainer = self.kind(
            work.teacher(), student, work.loader(), looked_at, None, work.optimiser(student),
            temp=method.temperature, distil_weight=method.alpha,
        )  # fmt: skip

    def train(self, epochs: int) -> Slice:
        begun = clock()
        with contextlib.redirect_stdout(io.StringIO()):
            self.trainer.train_student(epochs, plot_losses=False, save_model=False)
        return Slice(self.trainer.last.item(), epochs * self.steps_per_epoch, clock() - begun)


def contender() -> KdLib:
    return KdLib()
