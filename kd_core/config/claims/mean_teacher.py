"""A moving average of the student is a teacher (Tarvainen & Valpola 2017)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="The moving average of a network teaches it on images without labels.",
    source="Tarvainen & Valpola 2017 (mean teacher), section 3",
    topic="Without a teacher",
    families={
        "50 labels, 950 images without": {
            "dataset": "digits", "scheme": "mean_teacher", "labelled": "50", "epochs": "40",
            "temperature": "1", "alpha": "0.5",
        }
    },
    contrast=gain("50 labels, 950 images without"),
    expected=MORE,
    seeds=8,
    why=(
        "The student shall say of an image with noise what its average says of the image without. The baseline has the "
        "same noise on the same labels. In the source the images are shifted and flipped, too."
    ),
    measured=Measured(
        values=(86.08, 83.3),
        estimate=2.77,
        interval=(0.8, 4.73),
        seeds=8,
        seconds=15.9,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)  # fmt: skip
