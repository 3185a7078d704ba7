"""A loop in the style of the usual CIFAR-100 benchmark: meters, top-1 and top-5 accuracy and the loss as plain numbers
at every step, a line of text every hundred. Written from its description; the networks are those of the work."""

from __future__ import annotations

import io
import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers import Slice, clock
from benchmarks.support.workloads import Work

EVERY = 100


class Meter:
    """The last value, and the mean of all."""

    def __init__(self) -> None:
        self.last = self.sum = self.mean = 0.0
        self.count = 0

    def update(self, value: float, count: int = 1) -> None:
        self.last = value
        self.sum += value * count
        self.count += count
        self.mean = self.sum / self.count


class Divergence(nn.Module):
    """T² · KL as a module of its own, summed and then divided by the batch."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        log_q = F.log_softmax(student / self.temperature, dim=1)
        p = F.softmax(teacher / self.temperature, dim=1)
        return F.kl_div(log_q, p, reduction="sum") * self.temperature**2 / student.shape[0]


def top(logits: Tensor, labels: Tensor, ranks: tuple[int, ...] = (1, 5)) -> list[Tensor]:
    """Accuracy in per cent among the first so many answers."""
    with torch.no_grad():
        answers = logits.topk(max(ranks), 1).indices.t()
        right = answers.eq(labels.view(1, -1).expand_as(answers))
        return [right[:rank].reshape(-1).float().sum() * (100.0 / len(labels)) for rank in ranks]


class Style:
    def prepare(self, work: Work) -> None:
        self.loader, self.teacher, self.student = work.loader(), work.teacher(), work.student()
        self.optimiser = work.optimiser(self.student)
        self.alpha = work.config.method.alpha
        self.labelled, self.taught = nn.CrossEntropyLoss(), Divergence(work.config.method.temperature)

    def train(self, epochs: int) -> Slice:
        begun, text, steps = clock(), io.StringIO(), 0
        losses = Meter()
        for epoch in range(epochs):
            self.student.train()
            self.teacher.eval()
            losses, first, fifth, waits, times = (Meter() for _ in range(5))
            end = time.time()
            for place, (inputs, labels) in enumerate(self.loader):
                waits.update(time.time() - end)
                logits = self.student(inputs.float())
                with torch.no_grad():
                    said = self.teacher(inputs)
                loss = (1 - self.alpha) * self.labelled(logits, labels) + self.alpha * self.taught(logits, said)
                one, five = top(logits, labels)
                losses.update(loss.item(), len(inputs))
                first.update(one.item(), len(inputs))
                fifth.update(five.item(), len(inputs))
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
                times.update(time.time() - end)
                end = time.time()
                if place % EVERY == 0:
                    numbers = (times, waits, losses, first, fifth)
                    said_so_far = " ".join(f"{own.last:.4f} ({own.mean:.4f})" for own in numbers)
                    print(f"epoch {epoch}, {place} of {len(self.loader)}: {said_so_far}", file=text)
                steps += 1
        return Slice(losses.last, steps, clock() - begun)


def contender() -> Style:
    return Style()
