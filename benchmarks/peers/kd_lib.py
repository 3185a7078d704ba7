"""KD_Lib through ``VanillaKD.train_student``, which evaluates after every epoch.

Its package imports all of its parts, some of which need old releases of other packages; modules that the benchmark does
not use are replaced by mocks. Its loss has a formula of its own, and it computes the teacher outside ``no_grad``.
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
    """Contender that uses KD_Lib."""

    def __init__(self) -> None:
        for name in UNUSED:
            sys.modules[name] = MagicMock()
        from KD_Lib.KD import VanillaKD

        class Recording(VanillaKD):
            """Keeps the last loss, which ``train_student`` does not return."""

            def calculate_kd_loss(self, *inputs: Tensor) -> Tensor:
                self.last: Tensor = super().calculate_kd_loss(*inputs)
                return self.last

        self.distiller_class = Recording

    def prepare(self, work: Work) -> None:
        validation, method, student = work.data.validation, work.config.method, work.student()
        validation_loader = DataLoader(TensorDataset(validation.inputs, validation.labels), batch_size=work.batch_size)
        self.steps_per_epoch = work.steps_per_epoch
        self.trainer = self.distiller_class(
            work.teacher(), student, work.loader(), validation_loader, None, work.optimiser(student),
            temp=method.temperature, distil_weight=method.alpha,
        )  # fmt: skip

    def train(self, epochs: int) -> Slice:
        started = clock()
        with contextlib.redirect_stdout(io.StringIO()):
            self.trainer.train_student(epochs, plot_losses=False, save_model=False)
        return Slice(self.trainer.last.item(), epochs * self.steps_per_epoch, clock() - started)


def contender() -> KdLib:
    return KdLib()
