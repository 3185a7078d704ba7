"""A teacher that alone is softened helps with few labels (Zheng & Yang 2024)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="Softening the teacher alone, and not the student, helps with few labels.",
    source="Zheng & Yang 2024 (TTM)",
    topic="Temperature and weights",
    families={"TTM": {"dataset": "digits", "labelled": "50", "method": "transformed_teacher"}},
    contrast=gain("TTM"),
    expected=MORE,
    why=(
        "A student that is not divided by T has to become as smooth as the softened teacher. The source reports a lead "
        "over soft targets, which here is +0.4 points with an interval from −1.2 to +2.1: open."
    ),
    measured=Measured(
        values=(87.1, 81.74),
        estimate=5.36,
        interval=(3.14, 7.54),
        seeds=10,
        seconds=3.1,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
