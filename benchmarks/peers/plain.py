"""The loop that every tutorial shows: a loader, the teacher at every step, no number read back while it trains."""

from __future__ import annotations

import torch

from benchmarks.peers import FORMULAS, Slice, clock
from benchmarks.support.workloads import Work


class Plain:
    """``formula`` is another library's where that is to be checked."""

    def __init__(self, formula: str) -> None:
        self.formula = FORMULAS[formula]

    def prepare(self, work: Work) -> None:
        self.loader, self.teacher, self.student = work.loader(), work.teacher(), work.student()
        self.optimiser = work.optimiser(self.student)
        method = work.config.method
        self.temperature, self.alpha = method.temperature, method.alpha

    def train(self, epochs: int) -> Slice:
        begun, steps, loss = clock(), 0, torch.zeros(())
        for _ in range(epochs):
            for inputs, labels in self.loader:
                with torch.no_grad():
                    said = self.teacher(inputs)
                loss = self.formula(self.student(inputs), said, labels, self.temperature, self.alpha)
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
                steps += 1
        return Slice(loss.item(), steps, clock() - begun)


def contender(formula: str = "soft targets") -> Plain:
    return Plain(formula)
