"""Lightning with a module that logs its loss, without logger, checkpoints and progress bar.

Every call fits anew; what happens before the first step and after the last is not timed.
"""

from __future__ import annotations

import logging
import warnings

import torch
from torch import Tensor

from benchmarks.peers import Slice, clock, soft_targets
from benchmarks.support.workloads import Work


class Lightning:
    """Contender that uses Lightning."""

    def __init__(self) -> None:
        import lightning

        for part in ("pytorch", "fabric"):  # the levels are set at import
            logging.getLogger(f"lightning.{part}").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="lightning")

        class Distilled(lightning.LightningModule):
            def __init__(self, work: Work) -> None:
                super().__init__()
                self.work, self.teacher, self.student = work, work.teacher().requires_grad_(False), work.student()
                self.method, self.started, self.finished = work.config.method, 0.0, 0.0

            def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
                inputs, labels = batch
                with torch.no_grad():
                    teacher_logits = self.teacher(inputs)
                logits, method = self.student(inputs), self.method
                loss = soft_targets(logits, teacher_logits, labels, method.temperature, method.alpha)
                self.log("loss", loss)
                return loss

            def configure_optimizers(self) -> torch.optim.Optimizer:
                return self.work.optimiser(self.student)

            def on_train_start(self) -> None:
                self.started = clock()

            def on_train_end(self) -> None:
                self.finished = clock()

        self.trainer_class, self.module_class = lightning.Trainer, Distilled

    def prepare(self, work: Work) -> None:
        self.module, self.loader = self.module_class(work), work.loader()

    def train(self, epochs: int) -> Slice:
        started = clock()
        trainer = self.trainer_class(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(self.module, self.loader)
        module = self.module
        loss = float(trainer.callback_metrics["loss"])
        return Slice(loss, trainer.global_step, module.finished - module.started, module.started - started)


def contender() -> Lightning:
    return Lightning()
