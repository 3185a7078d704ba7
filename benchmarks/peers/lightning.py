"""Lightning: a module that logs its loss, and a trainer without logger, checkpoints or progress bar.

Every call fits anew; what it does before the first step and after the last is not timed.
"""

from __future__ import annotations

import logging
import warnings

import torch
from torch import Tensor

from benchmarks.peers import Slice, clock, soft_targets
from benchmarks.support.workloads import Work


class Lightning:
    def __init__(self) -> None:
        import lightning

        for part in ("pytorch", "fabric"):  # what they say is set when they are imported
            logging.getLogger(f"lightning.{part}").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="lightning")

        class Distilled(lightning.LightningModule):
            def __init__(self, work: Work) -> None:
                super().__init__()
                self.work, self.teacher, self.student = work, work.teacher().requires_grad_(False), work.student()
                self.method, self.begun, self.ended = work.config.method, 0.0, 0.0

            def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
                inputs, labels = batch
                with torch.no_grad():
                    said = self.teacher(inputs)
                loss = soft_targets(self.student(inputs), said, labels, self.method.temperature, self.method.alpha)
                self.log("loss", loss)
                return loss

            def configure_optimizers(self) -> torch.optim.Optimizer:
                return self.work.optimiser(self.student)

            def on_train_start(self) -> None:
                self.begun = clock()

            def on_train_end(self) -> None:
                self.ended = clock()

        self.trainer, self.kind = lightning.Trainer, Distilled

    def prepare(self, work: Work) -> None:
        self.module, self.loader = self.kind(work), work.loader()

    def train(self, epochs: int) -> Slice:
        begun = clock()
        trainer = self.trainer(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(self.module, self.loader)
        module = self.module
        loss = float(trainer.callback_metrics["loss"])
        return Slice(loss, trainer.global_step, module.ended - module.begun, module.begun - begun)


def contender() -> Lightning:
    return Lightning()
