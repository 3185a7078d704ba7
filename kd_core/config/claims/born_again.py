"""A born-again network beats its parent (Furlanello et al. 2018)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="A network that is taught by its own like beats its parent.",
    source="Furlanello et al. 2018 (born-again networks), section 3",
    topic="Self-distillation",
    families={"three generations": {"dataset": "digits", "labelled": "0", "epochs": "20", "scheme": "born_again"}},
    contrast=gain("three generations"),
    expected=MORE,
    why=("Its predictions are softer targets than the labels. In the source DenseNets on CIFAR-100 gain in this way."),
    measured=Measured(
        values=(96.34, 97.3),
        estimate=-0.96,
        interval=(-1.98, 0.07),
        seeds=10,
        seconds=8.8,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
