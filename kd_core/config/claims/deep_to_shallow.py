"""The deepest exit teaches the early ones (Zhang et al. 2019)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="Teaching its early exits makes the whole network better.",
    source="Zhang et al. 2019 (be your own teacher), section 3",
    topic="Self-distillation",
    families={
        "exits taught by the deepest": {
            "dataset": "digits",
            "labelled": "50",
            "epochs": "60",
            "scheme": "own_teacher",
            "student": "cnn",
            "student_width": "8",
            "student_depth": "3",
            "alpha": "0.1",
            "temperature": "3",
        }
    },
    contrast=gain("exits taught by the deepest"),
    expected=MORE,
    why=(
        "The exits send gradients into the early layers. In the source this improves ResNets on CIFAR-100; here the "
        "network has three blocks, and its first exit can be better than its last."
    ),
    measured=Measured(
        values=(72.12, 73.78),
        estimate=-1.66,
        interval=(-4.59, 1.28),
        seeds=10,
        seconds=25.6,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
