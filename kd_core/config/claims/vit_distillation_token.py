"""A distillation token helps a transformer that has few labels (Touvron et al. 2021)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="A distillation token helps a transformer that has few labels.",
    source="Touvron et al. 2021 (DeiT), section 5.2",
    topic="Labels and data",
    families={
        "distillation token": {
            "dataset": "digits",
            "student": "vit",
            "student_width": "16",
            "labelled": "200",
            "epochs": "80",
            "method": "distillation_token",
            "targets": "soft targets",
            "temperature": "2",
            "weight": "1",
        }
    },
    contrast=gain("distillation token"),
    expected=MORE,
    why=(
        "The second token learns a convolution's probabilities, and the class token the labels. In the source the "
        "teacher's top class is the better target, on all of ImageNet; with 200 digits its probabilities are."
    ),
    seeds=5,
    measured=Measured(
        values=(79.2, 75.44),
        estimate=3.76,
        interval=(-2.33, 9.83),
        seeds=5,
        seconds=33.1,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
