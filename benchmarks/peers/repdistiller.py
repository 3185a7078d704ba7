"""Loop in the style of RepDistiller, with meters and a line of text every hundred steps.

Written from its description: top-1 and top-5 accuracy and the loss are read back at every step.
"""

from __future__ import annotations

import io
import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers import Slice, clock
from benchmarks.support.workloads import Work

STEPS_PER_LINE = 100


class Meter:
    """Last value and mean of a metric."""

    def __init__(self) -> None:
        self.last = self.sum = self.mean = 0.0
        self.count = 0

    def update(self, value: float, count: int = 1) -> None:
        self.last = value
        self.sum += value * count
        self.count += count
        self.mean = self.sum / self.count


class Divergence(nn.Module):
    """T² · KL, summed and then divided by the batch size."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        log_q = F.log_softmax(student / self.temperature, dim=1)
        p = F.softmax(teacher / self.temperature, dim=1)
        return F.kl_div(log_q, p, reduction="sum") * self.temperature**2 / student.shape[0]


def top(logits: Tensor, labels: Tensor, ranks: tuple[int, ...] = (1, 5)) -> list[Tensor]:
    """Return top-k accuracies in percent."""
    with torch.no_grad():
        predicted = logits.topk(max(ranks), 1).indices.t()
        is_correct = predicted.eq(labels.view(1, -1).expand_as(predicted))
        return [is_correct[:rank].reshape(-1).float().sum() * (100.0 / len(labels)) for rank in ranks]


class Style:
    """Contender with a loop in the style of RepDistiller."""

    def prepare(self, work: Work) -> None:
        self.loader, self.teacher, self.student = work.loader(), work.teacher(), work.student()
        self.optimiser = work.optimiser(self.student)
        self.alpha = work.config.method.alpha
        self.cross_entropy, self.divergence = nn.CrossEntropyLoss(), Divergence(work.config.method.temperature)

    def train(self, epochs: int) -> Slice:
        started, text, steps = clock(), io.StringIO(), 0
        losses = Meter()
        for epoch in range(epochs):
            self.student.train()
            self.teacher.eval()
            losses, top1, top5, waits, times = (Meter() for _ in range(5))
            end = time.time()
            for step, (inputs, labels) in enumerate(self.loader):
                waits.update(time.time() - end)
                logits = self.student(inputs.float())
                with torch.no_grad():
                    teacher_logits = self.teacher(inputs)
                label_loss, soft_loss = self.cross_entropy(logits, labels), self.divergence(logits, teacher_logits)
                loss = (1 - self.alpha) * label_loss + self.alpha * soft_loss
                top1_accuracy, top5_accuracy = top(logits, labels)
                losses.update(loss.item(), len(inputs))
                top1.update(top1_accuracy.item(), len(inputs))
                top5.update(top5_accuracy.item(), len(inputs))
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
                times.update(time.time() - end)
                end = time.time()
                if step % STEPS_PER_LINE == 0:
                    meters = (times, waits, losses, top1, top5)
                    line = " ".join(f"{meter.last:.4f} ({meter.mean:.4f})" for meter in meters)
                    print(f"epoch {epoch}, {step} of {len(self.loader)}: {line}", file=text)
                steps += 1
        return Slice(losses.last, steps, clock() - started)


def contender() -> Style:
    return Style()
