"""Plain loop of a tutorial, with a data loader and the teacher evaluated at every step."""

from __future__ import annotations

import torch

from benchmarks.peers import FORMULAS, Slice, clock
from benchmarks.support.workloads import Work


class Plain:
    """Contender without a library; ``formula`` is that of the library to compare the loss with."""

    def __init__(self, formula: str) -> None:
        self.formula = FORMULAS[formula]

    def prepare(self, work: Work) -> None:
        self.loader, self.teacher, self.student = work.loader(), work.teacher(), work.student()
        self.optimiser = work.optimiser(self.student)
        method = work.config.method
        self.temperature, self.alpha = method.temperature, method.alpha

    def train(self, epochs: int) -> Slice:
        started, steps, loss = clock(), 0, torch.zeros(())
        for _ in range(epochs):
            for inputs, labels in self.loader:
                with torch.no_grad():
                    teacher_logits = self.teacher(inputs)
                loss = self.formula(self.student(inputs), teacher_logits, labels, self.temperature, self.alpha)
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
                steps += 1
        return Slice(loss.item(), steps, clock() - started)


def contender(formula: str = "soft targets") -> Plain:
    return Plain(formula)
