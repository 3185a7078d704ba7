"""A teacher removes noise from the labels of a regression (Chen et al. 2017)."""

from __future__ import annotations

from kd_core.config.claims import LESS, Claim, Measured, gain

CLAIM = Claim(
    title="In a regression with noisy labels the teacher's numbers bring the student nearer to the true function.",
    source="Chen et al. 2017, section 3.3, as plain imitation",
    topic="Labels and data",
    families={"noise": {"dataset": "friedman"}},
    measure="rmse_true",
    contrast=gain("noise"),
    expected=LESS,
    seeds=5,
    why=(
        "The teacher has averaged the noise of 4,000 examples away, and its numbers are nearly those of the true "
        "function; the student has 120 labels of which half the variance is noise."
    ),
    measured=Measured(
        values=(0.6, 0.83),
        estimate=-0.23,
        interval=(-0.3, -0.16),
        seeds=5,
        seconds=4.8,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
