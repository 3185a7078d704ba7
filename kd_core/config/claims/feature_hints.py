"""Features in a middle layer help with few labels (Romero et al. 2015)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="Matching the teacher's middle layer helps with few labels.",
    source="Romero et al. 2015 (FitNets), section 2.2",
    topic="Features and relations",
    families={
        "FitNets": {
            "dataset": "digits",
            "labelled": "50",
            "epochs": "60",
            "student": "cnn",
            "student_width": "8",
            "method": "hints",
        }
    },
    contrast=gain("FitNets"),
    expected=MORE,
    why=(
        "A map of features says more about an image than ten probabilities. The weight of 100 is that of the common "
        "benchmark on CIFAR-100, and is not tuned for digits."
    ),
    measured=Measured(
        values=(79.12, 79.78),
        estimate=-0.66,
        interval=(-3.52, 2.2),
        seeds=10,
        seconds=16.7,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
