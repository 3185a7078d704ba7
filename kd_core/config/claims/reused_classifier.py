"""A student with its teacher's classifier beats one alone (Chen et al. 2022)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="A student that reuses its teacher's classifier beats one alone.",
    source="Chen et al. 2022 (SimKD), section 3",
    topic="Features and relations",
    families={
        "SimKD": {
            "dataset": "digits",
            "labelled": "50",
            "epochs": "60",
            "student": "cnn",
            "student_width": "8",
            "method": "reused_classifier",
        }
    },
    contrast=gain("SimKD"),
    expected=MORE,
    why=(
        "The classifier was trained on all labels, and the student needs to produce its input alone. Here the "
        "student's features pass a projector, which stays in the network and is counted in its cost."
    ),
    measured=Measured(
        values=(81.02, 79.78),
        estimate=1.24,
        interval=(-2.28, 4.76),
        seeds=10,
        seconds=18.0,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
