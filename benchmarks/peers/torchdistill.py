"""torchdistill with a ``DistillationBox`` and the loop of its examples."""

from __future__ import annotations

import logging
import time

import torch
from torch.utils.data import RandomSampler, TensorDataset

from benchmarks.peers import Slice, clock
from benchmarks.support.workloads import Work

STEPS_PER_LINE = 100  # of its log, which is discarded here
WHOLE = ".", "output"  # the logits of the whole network


class Box:
    """Contender that uses torchdistill."""

    def __init__(self) -> None:
        from torchdistill.core.distillation import get_distillation_box
        from torchdistill.misc.log import MetricLogger, SmoothedValue

        logging.getLogger().setLevel(logging.ERROR)
        self.make_box, self.logger, self.meter = get_distillation_box, MetricLogger, SmoothedValue

    def prepare(self, work: Work) -> None:
        recipe, method = work.config.recipe, work.config.method
        data = {"train": TensorDataset(work.split.inputs, work.split.labels)}
        arguments = {
            "student_module_path": WHOLE[0], "student_module_io": WHOLE[1],
            "teacher_module_path": WHOLE[0], "teacher_module_io": WHOLE[1],
            "temperature": method.temperature, "alpha": 1 - method.alpha,  # its alpha is the weight of the labels
        }  # fmt: skip
        term = {"criterion": {"key": "KDLoss", "kwargs": arguments}, "weight": 1.0}
        self.box = self.make_box(
            work.teacher(), work.student(), data,
            {
                "num_epochs": recipe.epochs,
                "train_data_loader": {
                    "dataset_id": "train", "sampler": {"class_or_func": RandomSampler},
                    "kwargs": {"batch_size": work.batch_size, "num_workers": 0},
                },
                "teacher": {"forward_proc": "forward_batch_only", "requires_grad": False},
                "student": {"forward_proc": "forward_batch_only", "requires_grad": True},
                "optimizer": {
                    "key": "SGD",
                    "kwargs": {"lr": recipe.learning_rate, "momentum": 0.9, "weight_decay": recipe.weight_decay},
                },
                "criterion": {"key": "WeightedSumLoss", "kwargs": {"sub_terms": {"kd": term}}},
            },
            torch.device("cpu"), None, False, 1,
        )  # fmt: skip

    def train(self, epochs: int) -> Slice:
        started, steps, last = clock(), 0, 0.0
        box = self.box
        for epoch in range(epochs):
            log = self.logger(delimiter="  ")
            log.add_meter("lr", self.meter(window_size=1, fmt="{value}"))
            log.add_meter("img/s", self.meter(window_size=10, fmt="{value}"))
            box.pre_epoch_process(epoch=epoch)
            for inputs, labels, extra in log.log_every(box.train_data_loader, STEPS_PER_LINE, f"Epoch {epoch}"):
                start = time.time()
                loss = box.forward_process(inputs, labels, extra, epoch=epoch)
                box.post_forward_process(loss=loss)
                last = loss.item()
                log.update(loss=last, lr=box.optimizer.param_groups[0]["lr"])
                log.meters["img/s"].update(len(inputs) / (time.time() - start))
                steps += 1
            box.post_epoch_process()
        return Slice(last, steps, clock() - started)


def contender() -> Box:
    return Box()
