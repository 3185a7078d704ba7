"""A better teacher need not teach better (Cho & Hariharan 2019; Mirzadeh et al. 2020)."""

from __future__ import annotations

from kd_core.config.claims import Claim, Measured, at_most, network

TINY = {"dataset": "digits", "labelled": "50", "student_widths": "8"}

CLAIM = Claim(
    title="A better teacher need not teach better (capacity gap).",
    source="Cho & Hariharan 2019; Mirzadeh et al. 2020, section 3",
    topic="Teachers",
    families={"CNN teaches": TINY, "MLP of 16 units teaches": {**TINY, "teacher": "mlp", "teacher_widths": "16"}},
    contrast=network("CNN teaches") - network("MLP of 16 units teaches"),
    expected=at_most(1),
    why=(
        "The CNN classifies four more test images in a hundred correctly, but with distinctions that a student of 8 "
        "hidden units cannot imitate."
    ),
    measured=Measured(
        values=(68.42, 73.32),
        estimate=-4.9,
        interval=(-7.81, -1.97),
        seeds=10,
        seconds=3.8,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
