"""Blended images help a distilled student (Beyer et al. 2022)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, network

FEW = {"dataset": "digits", "labelled": "50"}

CLAIM = Claim(
    title="Augmentation of the student's data by mixup helps.",
    source="Beyer et al. 2022, a good teacher is patient and consistent",
    topic="Labels and data",
    families={"mixup": {**FEW, "mixup": "1"}, "as they are": FEW},
    contrast=network("mixup") - network("as they are"),
    expected=MORE,
    why=(
        "The teacher is asked about a new blend of images at every step, so 50 images become many questions. "
        "Teacher, student and baseline see the same blends, as in the source."
    ),
    measured=Measured(
        values=(88.52, 86.66),
        estimate=1.86,
        interval=(-0.39, 4.1),
        seeds=10,
        seconds=12.3,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
